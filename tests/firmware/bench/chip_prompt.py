"""The simulated chip as a prompt: what is sent runs on it as on the board's REPL, in virtual time. CPython."""

from collections.abc import Callable
from pathlib import Path

from simulators.board.host import Chip

# What Ctrl-D does: RTC memory and NVS stay, and the cause of the next start is a soft reset.
SOFT_RESET = "\n\nimport machine as _machine\n_machine.soft_reset()\n"


class ChipPrompt:
    """`fresh` is what each start of the chip is anyway."""

    def __init__(self, chip: Chip, folder: Path) -> None:
        self.chip = chip
        self._script = folder / "sent.py"
        self.fresh_starts = 0

    def fresh(self) -> None:
        self.fresh_starts += 1

    def run(self, code: str, timeout_s: float = 10, on_output: Callable[[bytes], None] | None = None) -> str:
        self._script.write_text(code + SOFT_RESET)
        out = self.chip.start(self._script)
        if on_output is None:
            return out
        for n in range(0, len(out), 7):  # as a cable brings it
            on_output(out[n : n + 7].encode())
        return ""
