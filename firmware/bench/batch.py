"""Many boxes: each once, several at a time where there are several ports, and what failed again alone.

The rule: how each box went is on disk as soon as it is known, so a batch that is interrupted goes on with what is
missing, and nobody is flashed twice.
"""

import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from firmware.bench.board.backup import durable
from firmware.bench.trouble import BenchError
from firmware.bench.words import say

WAITING, BUSY, GREEN, YELLOW, RED = "waiting", "busy", "green", "yellow", "red"
GOOD = (GREEN, YELLOW)


@dataclass(frozen=True, slots=True)
class Box:
    """`port`: "" for whichever is free; `place`: the last one it was at; `step`, `part`: while it is at work."""

    device: str
    port: str = ""
    place: str = ""
    mac: str = ""
    state: str = WAITING
    reason: str = ""
    step: str = ""
    part: float = 0.0
    seconds: float = 0.0


Told = Callable[[str, int, int], None]
Work = Callable[[Box, str, Told], Box]  # one box at a port: the box as it is afterwards; raises BenchError
Show = Callable[[Sequence[Box]], None]
Next = Callable[[Box, str], bool]  # "now this box at that port": whether it is there


class Batch:
    """`boxes`: as the file names them; `path`: where it is kept how they went. Raises BenchError for a damaged one."""

    def __init__(self, boxes: Iterable[Box], path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        known = _read(path)
        self._boxes = {
            box.device: replace(known[box.device], port=box.port) if box.device in known else box for box in boxes
        }

    @property
    def boxes(self) -> list[Box]:
        """As they stand now."""
        with self._lock:
            return list(self._boxes.values())

    @property
    def open(self) -> list[Box]:
        """Those that are not done."""
        return [box for box in self.boxes if box.state not in GOOD]

    def run(self, ports: Sequence[str], work: Work, show: Show, following: Next, at_once: int = 4) -> list[Box]:
        """Every open box once; all boxes afterwards. `following` is asked before a port gets its second box; `at_once`:
        what laptop and hub can bear.
        """
        self._show, self._turns = show, threading.Semaphore(at_once)
        places = list(dict.fromkeys([*(box.port for box in self.open if box.port), *ports]))
        free: queue.SimpleQueue[Box] = queue.SimpleQueue()
        own: dict[str, list[Box]] = {port: [] for port in places}
        for box in self.open:
            if box.port:
                own[box.port].append(box)
            else:
                free.put(box)
        threads = [
            threading.Thread(target=self._serve, args=(port, own[port], free, work, following), daemon=True)
            for port in places
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.boxes

    def _serve(self, port: str, own: list[Box], free: "queue.SimpleQueue[Box]", work: Work, following: Next) -> None:
        """One port after the other box."""
        first = True
        while True:
            try:
                box = own.pop(0) if own else free.get_nowait()
            except queue.Empty:
                return
            if not first and not following(box, port):
                free.put(box)
                return
            first = False
            with self._turns:
                self._one(box, port, work)

    def _one(self, box: Box, port: str, work: Work) -> None:
        busy = replace(box, place=port, state=BUSY, reason="")
        self._set(busy)

        def told(step: str, done: int, of: int) -> None:
            self._set(replace(busy, step=step, part=done / of if of else 0.0))

        try:
            done = work(busy, port, told)
        except BenchError as error:
            done = replace(busy, state=RED, reason=str(error))
        except Exception as error:  # a fault of ours must not take the other boxes along
            done = replace(busy, state=RED, reason=f"{type(error).__name__}: {error}")
        self._set(replace(done, step="", part=0.0))
        self._keep()

    def _set(self, box: Box) -> None:
        with self._lock:
            self._boxes[box.device] = box
        self._show(self.boxes)

    def _keep(self) -> None:
        with self._lock:
            said = [asdict(box) for box in self._boxes.values() if box.state in (*GOOD, RED)]
            durable(self._path, json.dumps(said, indent=1).encode() + b"\n")


def path_of(shelf: Path, rows: bytes) -> Path:
    """Where a batch is kept: by what its file says, wherever that lies."""
    return shelf / f"batch-{hashlib.sha256(rows).hexdigest()[:12]}.json"


def _read(path: Path) -> dict[str, Box]:
    try:
        return {one["device"]: Box(**one) for one in json.loads(path.read_text("utf-8"))}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BenchError(
            say(
                "%s cannot be read (%s); delete it to begin the batch anew",
                "%s ist nicht lesbar (%s); löschen, um die Reihe neu zu beginnen",
                path,
                error,
            )
        ) from None
