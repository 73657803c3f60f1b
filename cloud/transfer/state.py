"""How far an import is, kept on disk: whoever was stopped, by Ctrl-C or by kill -9, goes on where it was.

The state belongs to the content of a file and to what is done with it, not to its name, and is written after what it
speaks of is durable: lost or late it only makes the same rows be written again, which changes nothing.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "imports"
VERSION = 1


@dataclass(slots=True)
class State:
    """Of one source: what the first look found, and how much of it is stored."""

    name: str
    line: int = 0  # everything up to this line is done; lines stay the same whatever happens to the registry
    values: int = 0
    days: int = 0
    rejected: int = 0
    rejected_bytes: int = 0
    stations: list[str] = field(default_factory=list)
    contradicted: list[tuple[int, str]] = field(default_factory=list)
    look: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION


class StateFile:
    """The file in `folder` for this content and these options."""

    def __init__(self, folder: Path, content_hash: str, options: Iterable[str]) -> None:
        key = hashlib.sha256("\0".join((content_hash, *options)).encode("utf-8", "surrogateescape")).hexdigest()
        self.path = folder / f"{key[:32]}.json"

    def load(self) -> State | None:
        """None where nothing was begun, or where what is there cannot be used."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
            if found.get("version") != VERSION:
                return None
            state = State(**found)
            state.contradicted = [(int(line), str(channel)) for line, channel in state.contradicted]
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return state

    def save(self, state: State) -> None:
        """Whole or not at all. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(asdict(state)), "utf-8")
        os.replace(new, self.path)

    def forget(self) -> None:
        """The work is done."""
        self.path.unlink(missing_ok=True)
