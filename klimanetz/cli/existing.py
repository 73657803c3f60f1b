"""The registry for commands that only read: they do not make the folder and the database that a setting names."""

from pathlib import Path

from cloud.registry.registry import Registry
from klimanetz import wiring


def existing_registry(keys: bool = False) -> Registry | None:
    """The registry, None where nobody has made one yet."""
    settings = wiring.settings()
    path = settings.registry.removeprefix("sqlite:///")
    if settings.registry.startswith("sqlite:") and path != ":memory:" and not Path(path).exists():
        return None
    return wiring.registry(settings, keys=keys)


def none_yet() -> str:
    """What to say of a registry that is not there."""
    return f"there is no registry yet at {wiring.settings().registry}; `klimanetz stations import FILE.csv` makes one"
