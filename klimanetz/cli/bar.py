"""A progress bar for what tells how far it is; on a terminal only, and only after a second."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

AFTER_S = 1.0


class Bar(Protocol):
    """Something that moves."""

    def advance(self, units: float) -> None: ...

    def stand(self, at: float) -> None: ...


class _Unseen:
    def advance(self, units: float) -> None:
        pass

    def stand(self, at: float) -> None:
        pass


class _Seen:
    def __init__(self, progress: Progress, what: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total)
        self._begin = time.monotonic()

    def advance(self, units: float) -> None:
        self._progress.advance(self._task, units)
        self._show()

    def stand(self, at: float) -> None:
        self._progress.update(self._task, completed=at)
        self._show()

    def _show(self) -> None:
        if not self._progress.live.is_started and time.monotonic() - self._begin > AFTER_S:
            self._progress.start()


@contextlib.contextmanager
def bar(what: str, total: float) -> Iterator[Bar]:
    """`total` in whatever the work counts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Unseen()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    try:
        yield _Seen(progress, what, total)
    finally:
        progress.stop()
