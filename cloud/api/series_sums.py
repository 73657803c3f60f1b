"""Rows that the store works out itself, for what it can: the mean, smallest and largest of measured quantities.

The rule: they are those of `cloud.series`, which works out what the store hands over as values. A test holds the two
against each other.
"""

from collections.abc import Iterator, Sequence

from cloud.accumulators import FLAGGED
from cloud.api.series_query import Asked
from cloud.series import Row, aggregate, rounded
from cloud.store.model import Store
from schemas.quantities import MAXIMUM, MEAN

FROM_MS = 3_600_000  # shorter intervals rest on so few values that reading them is as quick
_FIGURE = {"mean": "sum", "min": "min", "max": "max"}


def can_sum(asked: Asked) -> bool:
    """Whether the store can."""
    every = asked.every
    return (
        every is not None
        and asked.include == "ok"
        and asked.quantity.kind in (MEAN, MAXIMUM)
        and all(name in _FIGURE for name in asked.names)
        and every.length_ms >= FROM_MS
    )


def summed_rows(store: Store, asked: Asked, stations: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """(station, row), the stations in their order."""
    assert asked.every is not None
    runs = asked.every.runs(asked.window.start_ms, asked.window.end_ms)
    ends = {at: at + run.step_ms for run in runs for at in range(run.start_ms, run.end_ms, run.step_ms)}
    figures = tuple(dict.fromkeys(_FIGURE[name] for name in asked.names))
    places = [(name == "mean", figures.index(_FIGURE[name])) for name in asked.names]
    for station, start_ms, found, used, flagged, values in store.summed(
        stations, asked.channel, runs, figures, FLAGGED
    ):
        if values is not None:
            how = asked.quantity, asked.every.every, asked.zone, asked.names
            yield from ((station, row) for row in aggregate(values, *how))
            continue
        if used:
            results = tuple([rounded(found[n] / used if is_mean else found[n]) for is_mean, n in places])
        else:
            results = (None,) * len(places)
        yield station, Row(start_ms, ends[start_ms], results, used, flagged)
