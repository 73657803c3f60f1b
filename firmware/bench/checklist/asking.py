"""Asking a board: a script of `on_board/` runs on it, and what it prints are the facts, one line of JSON each.

The rule: the board's own firmware does the work, so what is true on the bench is true on the lamp post; a fact is what
the board said, and a line that is none is passed on as text. A script has the whole heap: the REPL is fresh before it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

Fact = Mapping[str, Any]  # "kn" says what it is about
OnFact = Callable[[Fact], None]
OnText = Callable[[str], None]
ON_BOARD = Path(__file__).parent / "on_board"
QUIET_S = 150.0  # without a word: longer than the firmware's watchdog waits
_MAIN = re.compile(r"""main\.run\(["'](\w+)["'],\s*["']([\w.+-]+)["'](?:,\s*["']([\w/]*)["'])?\)""")


class Prompt(Protocol):
    """What is asked of firmware.bench.board.repl.Repl."""

    def run(self, code: str, timeout_s: float = 10, on_output: Callable[[bytes], None] | None = None) -> str: ...

    def fresh(self) -> None: ...


@dataclass(frozen=True)
class Firmware:
    """What /main.py starts. `root`: where flash is mounted, "" on a chip."""

    board: str
    version: str
    root: str = ""


def firmware_of(main_py: bytes | None) -> Firmware | None:
    """What a board's /main.py starts; None where it is not ours."""
    found = _MAIN.search((main_py or b"").decode("utf-8", "replace"))
    return Firmware(found[1], found[2], found[3] or "") if found else None


def source(script: str, firmware: Firmware | None, values: Mapping[str, int] = MappingProxyType({})) -> str:
    """The text of a script with what it is to know before it."""
    known: dict[str, object] = {"ROOT": firmware.root if firmware else "", **values}
    if firmware:
        known |= {"BOARD": firmware.board, "VERSION": firmware.version}
    head = "".join(f"{name} = {value!r}\n" for name, value in known.items())
    return head + (ON_BOARD / f"{script}.py").read_text("utf-8")


def ask(
    prompt: Prompt, script: str, firmware: Firmware | None, on_fact: OnFact = lambda _: None,
    on_text: OnText = lambda _: None, values: Mapping[str, int] = MappingProxyType({}),
) -> list[Fact]:  # fmt: skip
    """Run a script; all facts it told. Raises what `Repl.run` does."""
    told: list[Fact] = []

    def heard(fact: Fact) -> None:
        told.append(fact)
        on_fact(fact)

    lines = Lines(heard, on_text)
    prompt.fresh()
    prompt.run(source(script, firmware, values), QUIET_S, lines.take)
    lines.end()
    return told


class Lines:
    """Bytes as they come, as facts and as text."""

    def __init__(self, on_fact: OnFact, on_text: OnText) -> None:
        self._on_fact, self._on_text = on_fact, on_text
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Some more of what the board printed."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > 65536:  # rubbish at the wrong speed has no ends of lines
            self.end()

    def end(self) -> None:
        """What is left without an end of line is one, too."""
        rest, self._rest = self._rest, b""
        if rest:
            self._line(rest)

    def _line(self, line: bytes) -> None:
        text = line.replace(b"\x04", b"").decode("utf-8", "replace").strip()
        if not text:
            return
        fact = fact_of(text)
        if fact is None:
            self._on_text(text)
        else:
            self._on_fact(fact)


def fact_of(line: str) -> Fact | None:
    """A line of the board as a fact; None for any other text."""
    if not line.startswith("{"):
        return None
    try:
        fact = json.loads(line)
    except ValueError:
        return None
    return fact if isinstance(fact, dict) and isinstance(fact.get("kn"), str) else None
