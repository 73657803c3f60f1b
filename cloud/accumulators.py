"""How values of one interval combine, by aggregate and kind of quantity, in constant memory. Pure."""

from collections.abc import Callable
from math import atan2, cos, degrees, hypot, log10, radians, sin
from typing import Protocol

from schemas.quantities import ENERGY, VECTOR

FLAGGED = "XB"  # quality letters of values that stay out
DECIMALS = 9  # of results: takes the noise of binary sums, keeps what was measured


def accumulator(name: str, kind: str) -> "Accumulator":
    """What computes the aggregate `name` of a quantity of this kind; a sum or difference adds what it is given."""
    if name in _CHOICES:
        return _Pick(_CHOICES[name])
    if name != "mean":
        return _Sum()
    if kind == VECTOR:
        return _Circle()
    return _Energy() if kind == ENERGY else _Mean()


class Accumulator(Protocol):
    def add(self, value: float) -> None:
        """One more value."""

    def result(self) -> float | None:
        """Of all so far; None where it is not defined."""


class _Mean:
    def __init__(self) -> None:
        self._sum = 0.0
        self._n = 0

    def add(self, value: float) -> None:
        self._sum += value
        self._n += 1

    def result(self) -> float | None:
        return self._sum / self._n if self._n else None


class _Energy(_Mean):
    """Level of the mean power: 10 lg(mean(10^(L/10))), as in ISO 1996-1."""

    def add(self, value: float) -> None:
        super().add(10.0 ** min(value / 10.0, 300.0))  # what is beyond is judged X and must not overflow

    def result(self) -> float | None:
        mean = super().result()
        return 10.0 * log10(mean) if mean else None


class _Circle:
    """Direction of the mean of unit vectors, in [0, 360); none where they cancel out."""

    def __init__(self) -> None:
        self._east = self._north = 0.0
        self._n = 0

    def add(self, value: float) -> None:
        angle = radians(value)
        self._east += sin(angle)
        self._north += cos(angle)
        self._n += 1

    def result(self) -> float | None:
        if hypot(self._east, self._north) <= 1e-9 * self._n:
            return None
        return round(degrees(atan2(self._east, self._north)), DECIMALS) % 360.0


class _Sum:
    def __init__(self) -> None:
        self._sum: float | None = None

    def add(self, value: float) -> None:
        self._sum = value if self._sum is None else self._sum + value

    def result(self) -> float | None:
        return self._sum


class _Pick:
    """One of the values: the smallest, largest, first or last."""

    def __init__(self, choose: Callable[[float, float], float]) -> None:
        self._choose = choose
        self._value: float | None = None

    def add(self, value: float) -> None:
        self._value = value if self._value is None else self._choose(self._value, value)

    def result(self) -> float | None:
        return self._value


_CHOICES: dict[str, Callable[[float, float], float]] = {
    "min": min,
    "max": max,
    "first": lambda kept, _: kept,
    "last": lambda _, new: new,
}
