"""What goes wrong on the bench, as one sentence with the way out, in the terminal's language."""

import errno

from firmware.bench.words import say


class BenchError(Exception):
    """A step cannot go on. The message says what happened and what to do; nothing that was on the board is lost."""


class WrongUse(BenchError):
    """What was asked for cannot be right: a file, an option. The board was not touched."""


class Silent(BenchError):
    """No MicroPython answers at this port: a factory-new board, another program, or one that sleeps."""


class Busy(BenchError):
    """Another program has the port."""


class CableOut(BenchError):
    """The board was there and is gone."""


class BoardSays(BenchError):
    """The board ran what it was sent and raised; `trace` is what it printed."""

    def __init__(self, sentence: str, trace: str) -> None:
        super().__init__(sentence)
        self.trace = trace


def unreadable(path: object, error: OSError) -> WrongUse:
    """A file of this laptop that was named cannot be read."""
    why = {
        errno.ENOENT: say("there is no such file", "die Datei gibt es nicht"),
        errno.EISDIR: say("it is a folder", "das ist ein Ordner"),
        errno.EACCES: say("you may not read it", "sie darf nicht gelesen werden"),
    }
    return WrongUse(
        say("%s cannot be read: %s", "%s ist nicht lesbar: %s", path, why.get(error.errno or 0, error.strerror))
    )
