"""Sets of whole numbers as sorted, disjoint, inclusive intervals. Pure.

Union is commutative and idempotent, so replicas, replays and late data may come in any order.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]


class Intervals:
    """`first..last` pairs, both ends included, with at least one number missing between two of them."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in intervals:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        n = bisect_right(self._firsts, number) - 1
        return n >= 0 and number <= self._lasts[n]

    def __iter__(self) -> Iterator[Interval]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        """How many numbers are in the set."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and (self._firsts, self._lasts) == (other._firsts, other._lasts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Intervals({list(zip(self._firsts, self._lasts, strict=True))})"

    def add(self, first: int, last: int | None = None) -> int:
        """Add `first..last`; how many of them are new."""
        last = first if last is None else last
        if last < first:
            raise ValueError(f"{first}..{last} is not an interval")
        # Neighbours that touch melt into one, so look one beyond each end.
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        covered = 0
        for n in range(low, high):
            overlap = min(last, self._lasts[n]) - max(first, self._firsts[n]) + 1
            covered += max(0, overlap)
        new_first = min(first, self._firsts[low]) if low < high else first
        new_last = max(last, self._lasts[high - 1]) if low < high else last
        self._firsts[low:high] = [new_first]
        self._lasts[low:high] = [new_last]
        return last - first + 1 - covered

    def within(self, first: int, last: int) -> int:
        """How many of `first..last` are in the set."""
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        pairs = zip(self._firsts[low:high], self._lasts[low:high], strict=True)
        return sum(min(last, b) - max(first, a) + 1 for a, b in pairs)

    def update(self, other: "Intervals") -> int:
        """Add all of another set; how many of them are new."""
        return sum(self.add(first, last) for first, last in other)

    def gaps(self) -> list[Interval]:
        """What is missing between the first and the last number."""
        return [(last + 1, first - 1) for last, first in zip(self._lasts, self._firsts[1:], strict=False)]

    @property
    def span(self) -> Interval:
        """The lowest and the highest number of a set that is not empty."""
        return self._firsts[0], self._lasts[-1]

    @property
    def last(self) -> int | None:
        """The highest number, None for the empty set."""
        return self._lasts[-1] if self._lasts else None
