"""What a simulated chip knows when it starts: `chip.json`, which simulators/board/timeline.py reads and writes.

The rule: RTC memory survives deep sleep and a soft reset, the real-time clock whatever is not a loss of power, and the
clock of a chip that had no power says 2000.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RTC_EPOCH_US = 946_684_800_000_000


class Memory:
    """`world`: what is always so, whatever the chip wrote."""

    def __init__(self, folder: Path, world: Mapping[str, Any]) -> None:
        self._file = folder / "chip.json"
        self._world = dict(world)

    def state(self) -> dict[str, Any]:
        """What the chip wrote last; {} where the power went before it could."""
        try:
            state: dict[str, Any] = json.loads(self._file.read_text())
            return state
        except (OSError, ValueError):
            return {}

    def change(self, **what: Any) -> dict[str, Any]:
        """Change what it finds at its next start."""
        state = self.state() | self._world | what
        new = self._file.with_suffix(".host")
        new.write_text(json.dumps(state))
        new.replace(self._file)
        return state

    def after(self, cause: str) -> None:
        """What is left after a reset of this kind."""
        state, now_us = self.state(), time.time_ns() // 1000
        known: dict[str, Any] = {"reset": cause, "rtc_us": RTC_EPOCH_US, "true_us": now_us}
        if cause in ("power", "hard", "watchdog"):
            known |= {"rtc_memory": "", "wake": None}
        if cause == "power":
            known["ulp"] = None
        elif "true_us" in state:
            known["rtc_us"] = state["rtc_us"] + now_us - state["true_us"]
        self.change(**known)
