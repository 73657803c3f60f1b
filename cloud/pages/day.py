"""The last 24 hours of one channel, drawn and worded. Pure.

The rule: what is said is what was measured. The line is a mean (of a gust the highest), since a day has more values
than a screen has points; words and axis are of the smallest and the largest single value, never of means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.calendar import Calendar
from cloud.pages import chart
from cloud.pages.texts import TEXTS
from cloud.pages.wording import Wording
from cloud.series import Row
from schemas.channels import split
from schemas.quantities import COUNTER, SUM, VECTOR, Quantity

DAY_MS = 86_400_000
_EDGE_PERCENT = 5  # nearer to an end, a label in the middle of its tick would stick out


@dataclass(frozen=True, slots=True)
class Tick:
    """A full hour below the chart; `anchor` keeps its label within the drawing."""

    percent: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The last 24 hours of one channel. `alone`: dots for what `path` does not join to anything."""

    path: str
    style: str  # line, dots or bars
    alone: str
    high: str
    low: str
    summary: str
    description: str
    ticks: tuple[Tick, ...]


def aggregates(quantity: Quantity) -> tuple[str, ...]:
    """What a chart is made of: what is drawn, and the true extremes where there are any."""
    extremes = () if quantity.kind in (SUM, COUNTER, VECTOR) else ("min", "max")
    return tuple(dict.fromkeys((quantity.aggregate, *extremes)))


def day_chart(channel: str, rows: Sequence[Row], words: Wording, now_ms: int, newest: float | None) -> Chart | None:
    """From rows of `aggregates`; None where there is none. `newest`: the value that stands above, where it counts."""
    quantity, _ = split(channel)
    names = aggregates(quantity)
    known = [(row, dict(zip(names, row.aggregates, strict=True))) for row in rows if row.aggregates[0] is not None]
    points = [(row.time_ms, value) for row, by_name in known if (value := by_name[quantity.aggregate]) is not None]
    if not points:
        return None
    if quantity.kind in (SUM, COUNTER):
        return _bars(quantity, points, rows[0].end_ms - rows[0].time_ms, words, now_ms)
    ticks, text = _ticks(words, now_ms), TEXTS[words.lang]
    if quantity.kind == VECTOR:
        path = chart.dots(points, chart.Scale(now_ms - DAY_MS, now_ms, 0.0, 360.0))
        if sum(row.count for row, _ in known) == 1:
            summary = text["one_value"].format(value=words.amount(quantity, points[0][1]))
            return Chart("", "dots", path, "N", "N", summary, text["chart"].format(summary=summary), ticks)
        return Chart(path, "dots", "", "N", "N", "", text["last_day"], ticks)
    measured = [value for _, by_name in known for name in ("min", "max") if (value := by_name[name]) is not None]
    low, high = min(measured), max(measured)
    seen = measured if newest is None else [*measured, newest]
    bottom, top = chart.axis(min(seen), max(seen), quantity.unit, words.decimals(quantity))
    scale = chart.Scale(now_ms - DAY_MS, now_ms, bottom, top)
    summary = _summary(quantity, low, high, sum(row.count for row, _ in known), words)
    ends = words.value(quantity, top), words.value(quantity, bottom)
    path, alone = chart.line(points, scale), chart.alone(points, scale)
    return Chart(path, "line", alone, *ends, summary, text["chart"].format(summary=summary), ticks)


def _summary(quantity: Quantity, low: float, high: float, count: int, words: Wording) -> str:
    """What was measured, in a few words: one value, the same all day as far as the page shows it, or from … to."""
    text = TEXTS[words.lang]
    if count == 1:
        return text["one_value"].format(value=words.amount(quantity, low))
    if words.value(quantity, low) == words.value(quantity, high):
        return text["steady"].format(value=words.amount(quantity, low))
    return text["span"].format(low=words.value(quantity, low), high=words.amount(quantity, high))


def _bars(quantity: Quantity, points: chart.Points, width_ms: int, words: Wording, now_ms: int) -> Chart:
    text, high = TEXTS[words.lang], max(value for _, value in points)
    total, most = words.amount(quantity, sum(value for _, value in points)), words.amount(quantity, high)
    _, top = chart.axis(0.0, high, quantity.unit, words.decimals(quantity))
    path = chart.bars(points, chart.Scale(now_ms - DAY_MS, now_ms, 0.0, top), width_ms)
    summary, description = text["total"].format(total=total), text["chart_sum"].format(total=total, high=most)
    return Chart(path, "bars", "", words.value(quantity, top), "0", summary, description, _ticks(words, now_ms))


def _ticks(words: Wording, now_ms: int) -> tuple[Tick, ...]:
    """0, 6, 12 and 18 o'clock on the wall."""
    quarters, start_ms = Calendar("PT6H", words.zone), now_ms - DAY_MS
    ticks, time_ms = [], quarters.bounds(start_ms - 1)[1]
    while time_ms <= now_ms:
        percent = round((time_ms - start_ms) / DAY_MS * 100, 2)
        anchor = "start" if percent < _EDGE_PERCENT else "end" if percent > 100 - _EDGE_PERCENT else "middle"
        ticks.append(Tick(percent, words.clock(time_ms), anchor))
        time_ms = quarters.bounds(time_ms)[1]
    return tuple(ticks)


def every_of(channel: str) -> str:
    """How long an interval of the day's chart is."""
    return "PT1H" if split(channel)[0].kind in (SUM, COUNTER) else "PT15M"
