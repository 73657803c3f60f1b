"""What the laptop keeps of each board, by its MAC: backups, and how far the last flashing came.

The rule: a backup is on disk before the journal says so, and the journal says so before anything is erased. So an
interrupted board is taken up by the next run, and one that ran on meanwhile is not set back.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from firmware.bench.board import backup as backups
from firmware.bench.board.backup import Backup, durable
from firmware.bench.trouble import BenchError
from firmware.bench.words import say

SAVED, ERASING, WRITTEN, DONE = "saved", "erasing", "written", "done"
OPEN = (ERASING, WRITTEN)  # the board's own copy is gone, or may be


@dataclass(frozen=True, slots=True)
class Journal:
    """`backup`: its file's name, "" where there was nothing to save; `micropython`: SHA-256 of the image."""

    step: str
    backup: str
    board: str
    micropython: str = ""
    new_identity: bool = False


class Shelf:
    """`folder`: where all boards' things are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, mac: str) -> Path:
        """A board's folder."""
        return self.folder / mac.replace(":", "")

    def save(self, backup: Backup) -> Path:
        """A new file each time: an older one is never written over."""
        path = self._free(backup.mac, "backup", backup.made, ".json")
        with _written(path):
            backups.write(backup, path)
        return path

    def save_whole(self, mac: str, now: datetime, flash: bytes) -> Path:
        """All of a board's flash, keys among it, likewise."""
        path = self._free(mac, "flash", stamp(now), ".bin")
        with _written(path):
            durable(path, flash)
        return path

    def _free(self, mac: str, what: str, made: str, end: str) -> Path:
        base = f"{what}-{made.replace(':', '').replace('-', '')}"
        path, n = self.place(mac) / (base + end), 1
        while path.exists():
            n += 1
            path = path.with_name(f"{base}-{n}{end}")
        return path

    def journal(self, mac: str) -> Journal | None:
        """How far the last flashing came, None where there was none. Raises BenchError where it cannot be read."""
        path = self.place(mac) / "journal.json"
        try:
            return Journal(**json.loads(path.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):  # the latter is said when it comes to writing
            return None
        except (OSError, ValueError, TypeError) as error:
            raise BenchError(
                say(
                    "%s cannot be read (%s); what was saved of this board lies beside it: restore it by"
                    " `klimanetz device restore`, then delete the journal",
                    "%s ist nicht lesbar (%s); was von dieser Karte gesichert wurde, liegt daneben: mit"
                    " `klimanetz device restore` zurückspielen, dann das Journal löschen",
                    path,
                    error,
                )
            ) from None

    def write_journal(self, mac: str, journal: Journal) -> None:
        """On disk when it returns."""
        path = self.place(mac) / "journal.json"
        with _written(path):
            durable(path, json.dumps(asdict(journal)).encode() + b"\n")

    def backup(self, mac: str, name: str) -> Backup | None:
        """One that the journal names."""
        return backups.read(self.place(mac) / name) if name else None

    def backups(self, mac: str) -> list[Path]:
        """All of a board, the newest last."""
        return sorted(self.place(mac).glob("backup-*.json"))


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Raises BenchError where this laptop does not take it."""
    try:
        yield
    except OSError as error:
        raise BenchError(
            say(
                "%s cannot be written (%s), and nothing is erased on a board before that is on disk: make room, or name"
                " another folder, --shelf DIR",
                "%s kann nicht geschrieben werden (%s), und vorher wird auf keiner Karte gelöscht: Platz schaffen oder"
                " einen anderen Ordner nennen, --shelf DIR",
                path,
                error.strerror,
            )
        ) from None


def stamp(now: datetime) -> str:
    """UTC, RFC 3339, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
