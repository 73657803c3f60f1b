"""Flux as text: what goes into a script, and the rows of its answer. Pure.

Flux cannot bind values, so what a script is put together from is channels of the allow-list, numbers, and names quoted
here. Answers are CSV without annotations; a table is a head, rows, an empty line; an error is a table of its own.
https://docs.influxdata.com/flux/v0/spec/lexical-elements/#string-literals
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter


class FluxError(Exception):
    """The server gave up in the middle of its answer."""


def quoted(text: str) -> str:
    """A string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


def rows(pieces: Iterable[bytes], columns: Sequence[str]) -> Iterator[list[str]]:
    """These columns of each row of an answer that comes piece by piece. Raises FluxError. No cell of ours is quoted."""
    pick: Callable[[list[str]], list[str]] | None = None
    rest = b""
    for piece in chain(pieces, (b"\r\n",)):
        *whole, rest = (rest + piece).rsplit(b"\r\n", 1)
        for line in whole[0].decode().split("\r\n") if whole else ():
            if not line:
                pick = None
            elif pick is not None:
                yield pick(line.split(","))
            else:
                head = line.split(",")
                if head[1:2] == ["error"]:
                    raise FluxError(line)
                pick = itemgetter(*[head.index(name) for name in columns])


def ms(text: str) -> int:
    """Of RFC 3339 as Flux writes it, down to nanoseconds."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1000 + int(fraction[:3].ljust(3, "0"))
