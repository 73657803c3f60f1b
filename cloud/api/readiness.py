"""Whether what we need answers, told quickly also while it does not.

Each part is asked in a thread of its own and has PATIENCE_S. One that hangs is not asked again before it has answered,
so that probes do not pile up behind it.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillAsking
from typing import Literal

PATIENCE_S = 2.0
State = Literal["ok", "away", "silent"]
log = logging.getLogger("klimanetz.api")


class Readiness:
    """`parts`: what people call a part -> what raises when it is not well."""

    def __init__(self, parts: Mapping[str, Callable[[], object]], patience_s: float = PATIENCE_S) -> None:
        self._parts = dict(parts)
        self._patience_s = patience_s
        self._threads = ThreadPoolExecutor(max_workers=len(self._parts), thread_name_prefix="ready")
        self._asked: dict[str, Future[object]] = {}

    def states(self) -> dict[str, State]:
        """Of every part, after PATIENCE_S at the latest."""
        for name, ask in self._parts.items():
            if name not in self._asked or self._asked[name].done():
                self._asked[name] = self._threads.submit(ask)
        end_s = time.monotonic() + self._patience_s
        return {name: self._state(name, asked, end_s) for name, asked in list(self._asked.items())}

    def _state(self, name: str, asked: "Future[object]", end_s: float) -> State:
        try:
            asked.result(timeout=max(0.0, end_s - time.monotonic()))
        except StillAsking:
            if not asked.done():
                log.error("not ready: the %s has not answered within %.0f s", name, self._patience_s)
                return "silent"
            log.error("not ready: the %s timed out", name)
            return "away"
        except Exception as error:
            log.error("not ready, %s: %s", name, error)
            return "away"
        return "ok"
