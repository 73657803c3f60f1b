"""esptool's words go nowhere and its progress to whoever asked, each thread its own: several boards at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from esp_pylib.logger import EspLog, EspLogBase
from esptool import reset

_own = threading.local()


class _Quiet(EspLogBase):
    """Whatever is wrong comes as an exception."""

    def print(self, *args: Any, **kwargs: Any) -> None: ...
    def err(self, *args: Any, suggestion: str | None = None) -> None: ...
    def warn(self, *args: Any, suggestion: str | None = None) -> None: ...
    def note(self, *args: Any) -> None: ...
    def hint(self, *args: Any) -> None: ...
    def debug(self, *args: Any) -> None: ...
    def set_verbosity(self, mode: int | str) -> None: ...

    def warning(self, *args: Any, suggestion: str | None = None) -> None: ...
    def error(self, *args: Any, suggestion: str | None = None) -> None: ...

    def progress_bar(
        self, cur_iter: int, total_iters: int, prefix: str = "", suffix: str = "", bar_length: int = 30, **more: Any
    ) -> None:
        told = getattr(_own, "progress", None)
        if told is not None and total_iters:
            told(cur_iter, total_iters)


def quiet() -> None:
    """Once for the process."""
    if not isinstance(EspLog.instance, _Quiet):
        EspLog.set_logger(_Quiet())
        reset.ResetStrategy.print_once = lambda *_: None  # it has the old one's method


@contextmanager
def progress_to(told: Callable[[int, int], None] | None) -> Iterator[None]:
    """What esptool does in this thread meanwhile is told here."""
    _own.progress = told
    try:
        yield
    finally:
        _own.progress = None
