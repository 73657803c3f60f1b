"""What goes wrong on the bench, as one sentence with the way out, in the terminal's language."""


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
