"""What a board must not lose, as one file on the laptop: identity, counters, configuration, readings not yet stored.

The rule: everything that stands on the board but its program; what the backup does not understand it keeps all the
same. Keys are in it, so only its owner may read the file. Pure but for `read` and `write` of that file.
"""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from edge.outbox.outbox import Outbox
from firmware.bench.trouble import WrongUse, unreadable
from firmware.bench.words import say

FORMAT = "klimanetz-backup-1"
IDENTITY, CONFIG, CLOCK, MAIN = "/identity.json", "/config.json", "/clock.json", "/main.py"
OUTBOX = "/outbox/"
# Of the identity and of nobody else: a box with a new identity begins without them.
OF_IDENTITY = (IDENTITY, "/lorawan.json", OUTBOX, CLOCK)
NVS_OF_IDENTITY = ("lw_nonce", "lw_count", "boots", "generation", "segment", "unstored")
TRIALS = "trials"  # how often it started with a configuration that has not worked yet: after three it takes it no more
NVS_KEYS = (*NVS_OF_IDENTITY, "lw_air", "crash", TRIALS)
PULSES = "p_"  # and a sensor's name: the total of its contact


@dataclass(frozen=True, slots=True)
class Backup:
    """`files`: path -> bytes; `nvs`: key -> value, as far as MicroPython told or `nvs_raw` says; `nvs_raw`: the
    partition's bytes, and `nvs_at` its place, where the loader read it; `made`: UTC, RFC 3339.
    """

    mac: str
    made: str
    board: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    nvs: Mapping[str, int | bytes] = field(default_factory=dict)
    nvs_raw: bytes = b""
    nvs_at: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """{} where the board had none."""
        return _object(self.files.get(IDENTITY))

    @property
    def device(self) -> str:
        """Its name, "" where the board had none."""
        return str(self.identity.get("device", ""))

    @property
    def unsent(self) -> int:
        """Readings that the cloud has not stored."""
        return int(outbox(self.files).waiting())

    def tried_anew(self) -> dict[str, int | bytes]:
        """`nvs`, where the configuration has its tries before it: whoever has it on the bench gives them."""
        return {**self.nvs, **({TRIALS: 0} if self.nvs.get(TRIALS) else {})}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to lose."""
        return not self.files and not self.nvs

    def without_identity(self) -> "Backup":
        """What a box keeps that becomes another device."""
        return Backup(
            self.mac,
            self.made,
            self.board,
            {path: data for path, data in self.files.items() if not path.startswith(OF_IDENTITY)},
            {key: value for key, value in self.nvs.items() if key not in NVS_OF_IDENTITY},
        )


def nvs_keys(files: Mapping[str, bytes]) -> list[str]:
    """The keys that may be set on a board with this configuration."""
    sensors = _object(files.get(CONFIG)).get("sensors")
    return [*NVS_KEYS, *(PULSES + name for name in (sensors if isinstance(sensors, dict) else ()))]


def outbox(files: Mapping[str, bytes]) -> Outbox:
    """The outbox of a backup, to look into."""
    return Outbox(_Kept({path[len(OUTBOX) :]: data for path, data in files.items() if path.startswith(OUTBOX)}))


class _Kept:
    """Files of one folder in memory, as an Outbox wants them. What it writes is not kept."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def read(self, name: str) -> bytes:
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def open(self, name: str) -> BytesIO:
        return BytesIO(self.read(name))

    def append(self, name: str, data: bytes) -> None:
        self._files[name] = self._files.get(name, b"") + data

    def write(self, name: str, data: bytes) -> None:
        self._files[name] = data

    def remove(self, name: str) -> None:
        self._files.pop(name, None)

    def list(self) -> list[str]:
        return [name for name in self._files if not name.endswith(".new")]


def write(backup: Backup, path: Path) -> None:
    """On disk when it returns, readable by its owner alone."""
    said = {
        "format": FORMAT,
        "mac": backup.mac,
        "made": backup.made,
        "board": backup.board,
        "device": backup.device,
        "files": {name: _text(data) for name, data in sorted(backup.files.items())},
        "nvs": {
            key: {"blob": _text(value)} if isinstance(value, bytes) else value for key, value in backup.nvs.items()
        },
        "nvs_raw": _text(backup.nvs_raw),
        "nvs_at": backup.nvs_at,
    }
    durable(path, json.dumps(said, indent=1).encode() + b"\n")


def read(path: Path) -> Backup:
    """Raises WrongUse."""
    try:
        said = json.loads(path.read_text("utf-8"))
        if said["format"] != FORMAT:
            raise ValueError(said["format"])
        return Backup(
            str(said["mac"]),
            str(said["made"]),
            str(said["board"]),
            {str(name): _bytes(text) for name, text in said["files"].items()},
            {str(key): _bytes(v["blob"]) if isinstance(v, dict) else int(v) for key, v in said["nvs"].items()},
            _bytes(said["nvs_raw"]),
            int(said["nvs_at"]),
        )
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongUse(
            say(
                "%s is not a backup of a board, or is damaged",
                "%s ist keine Sicherung oder beschädigt",
                path,
            )
        ) from None


def durable(path: Path, data: bytes) -> None:
    """A file with these bytes, on disk when it returns, for its owner's eyes only; in place of what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        new.unlink(missing_ok=True)
        raise
    new.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        said = json.loads(data or b"{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
