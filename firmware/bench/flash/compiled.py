"""An image in memory, compiled once for all boxes of a kind: the same input gives the same bytes."""

import json
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firmware import image


@dataclass(frozen=True, slots=True)
class Compiled:
    """`manifest`: as manifest.json has it; `files`: path on the device -> bytes."""

    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]


_made: dict[str, Compiled] = {}
_lock = threading.Lock()


def compiled(board: str, config: Mapping[str, Any], version: str, also: Iterable[str] = ()) -> Compiled:
    """Raises firmware.contents.ImageError."""
    key = json.dumps([board, config, version, sorted(also)], sort_keys=True)
    with _lock:
        if key not in _made:
            _made[key] = _compile(board, config, version, also)
        return _made[key]


def _compile(board: str, config: Mapping[str, Any], version: str, also: Iterable[str]) -> Compiled:
    with tempfile.TemporaryDirectory() as scratch:
        made = image.build(board, config, Path(scratch), version, also)
        files = {one.path: (Path(scratch) / "files" / one.path[1:]).read_bytes() for one in made.files}
    return Compiled(asdict(made), files)
