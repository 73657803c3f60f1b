"""What belongs on a device: the modules that a board and a configuration need. CPython.

The rule: nothing is on a device that it does not need. Imports are followed from a few roots: the main program, the
board's pins, one driver a configured chip, one carrier. Drivers and carriers are imported by name on the device, so
they are roots here and are followed from nowhere else.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.config import ConfigError, checked
from edge.sensors.chips import CHIPS
from edge.ulp.words import FAMILIES

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ("edge", "schemas", "firmware")  # packages that stand under /lib on a device
CARRIERS = {"lorawan": ("firmware.device.lora",), "mqtt": ("firmware.device.mqtt",)}
# Not followed from elsewhere, so that naming the other carrier in a branch does not bring it along.
APART = {
    "lorawan": {"firmware.device.mqtt", "firmware.device.wifi", "firmware.device.ntp"},
    "mqtt": {"firmware.device.lora"},
}
MAIN = "firmware.device.main"
_NAME = re.compile(r"(?:%s)(?:\.[a-z]\w*)+" % "|".join(PROJECT))


class ImageError(ValueError):
    """The image cannot be built; the message says why and what to do."""


def boards() -> list[str]:
    """The names of all boards."""
    return _modules_in("firmware/device/boards", ROOT)


def board_pins(name: str) -> Any:
    """The module with a board's pins. Raises ImageError."""
    if name not in boards():
        raise ImageError(f"there is no board '{name}': one of {', '.join(boards())}")
    return import_module(f"firmware.device.boards.{name}")


def buses(pins: Any) -> list[str]:
    """The names of a board's buses, as a configuration says them."""
    return [
        f"{kind}{n}"
        for kind in ("i2c", "uart", "onewire", "adc", "pulse")
        for n in range(len(getattr(pins, kind.upper())))
    ]


def roots(board: str, config: Mapping[str, Any], also: Iterable[str] = (), root: Path = ROOT) -> list[str]:
    """The modules from which imports are followed. Raises ImageError for what this board or checkout does not have."""
    pins = board_pins(board)
    try:
        radio = checked(config, CHIPS, buses(pins))["radio"]
    except ConfigError as error:
        raise ImageError(f"the configuration cannot be used on {board}: {error}") from None
    if radio == "lorawan" and pins.RADIO is None:
        raise ImageError(f"{board} has no LoRa radio: set 'radio' to 'mqtt' or take another board")
    found = [MAIN, "firmware.device.board", f"firmware.device.boards.{board}", *CARRIERS[radio]]
    for chip in sorted({sensor["chip"] for sensor in config["sensors"].values()} | set(also)):
        if chip not in drivers(root):
            raise ImageError(f"there is no driver for '{chip}': one of {', '.join(drivers(root))}")
        found.append(f"firmware.device.drivers.{chip}")
        if chip == "wind" and pins.CHIP in FAMILIES and config.get("sleep") != "awake":
            found.append("firmware.device.ulp")
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
    """Our modules that a file imports, wherever in it, or names in a text of its own (`Loaded("edge.config")`).

    `from package import module` is the module.
    """
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            names += [full for alias in node.names if source_of(full := f"{node.module}.{alias.name}", root).exists()]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
            names = [node.value] if source_of(node.value, root).exists() else []
        yield from (name for name in names if name.split(".")[0] in PROJECT)


def has_code(path: Path) -> bool:
    """Whether a module holds more than words."""
    body = ast.parse(path.read_text("utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)
