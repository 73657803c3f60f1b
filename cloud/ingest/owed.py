"""Acknowledgements that are owed and not said yet: sequence numbers by device and generation. Pure."""

from collections.abc import Iterator, Mapping

from schemas.intervals import Intervals


class Owed:
    """Grows by what was stored, in any order; saying something twice does no harm."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], Intervals] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, acks: Mapping[str, Mapping[int, Intervals]]) -> None:
        """What one batch came to."""
        for device, generations in acks.items():
            for generation, seqs in generations.items():
                self._counts.setdefault((device, generation), Intervals()).update(seqs)

    def update(self, other: "Owed") -> None:
        """All that another one has."""
        for key, seqs in other._counts.items():
            self._counts.setdefault(key, Intervals()).update(seqs)

    def ranges(self) -> Iterator[tuple[str, list[list[int]]]]:
        """`(device, [[generation, first, last], …])`."""
        devices: dict[str, list[list[int]]] = {}
        for (device, generation), seqs in sorted(self._counts.items()):
            devices.setdefault(device, []).extend([generation, a, b] for a, b in seqs)
        yield from devices.items()
