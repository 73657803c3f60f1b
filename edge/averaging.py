"""Several samples of one sensor become one value a quantity, each in the way that its kind asks for. Pure.

Means for most; the largest of a gust; directions as vectors, so that 350° and 10° give north; levels in dB by their
powers; of a counter the last. The kinds stand in schemas/quantities.py.
"""

from math import atan2, cos, degrees, log10, pi, sin

from schemas.quantities import BY_NAME, COUNTER, ENERGY, MAXIMUM, SUM, VECTOR


def averaged(samples):
    """{quantity: value} of [{quantity: value}]; a quantity that some samples lack is taken from the others."""
    out = {}
    for sample in samples:
        for quantity in sample:
            if quantity not in out:
                out[quantity] = combined(BY_NAME[quantity].kind, [s[quantity] for s in samples if quantity in s])
    return out


def combined(kind, values):
    """One value of one or more."""
    if len(values) == 1 or kind == COUNTER:
        return values[-1]
    if kind == MAXIMUM:
        return max(values)
    if kind == SUM:
        return sum(values)
    if kind == VECTOR:
        radians = [value * pi / 180 for value in values]
        east, north = sum([sin(r) for r in radians]), sum([cos(r) for r in radians])
        if abs(east) < 1e-6 and abs(north) < 1e-6:
            return values[-1]  # it came from everywhere
        return degrees(atan2(east, north)) % 360
    if kind == ENERGY:
        return 10 * log10(sum([10 ** (value / 10) for value in values]) / len(values))
    return sum(values) / len(values)
