"""InfluxDB line protocol for points: the hot path of ingest. Pure.

A point is two lines, `reading` (a float field per channel, generation and seq) and `quality` (a string field per
channel), with the tags station and device and the time in milliseconds.
https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from collections.abc import Iterable
from functools import lru_cache

from cloud.store.model import NOT_JUDGED, Point

READING = "reading"
QUALITY = "quality"
_IN_TAGS = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n"})
_IN_STRINGS = str.maketrans({'"': r"\"", "\\": r"\\"})


def lines(points: Iterable[Point]) -> str:
    """Line protocol for points that `model.fault` finds nothing in, two lines each, with a newline at the end."""
    out: list[str] = []
    for point in points:
        reading, quality = _tags(point.station, point.device)
        judged = point.quality
        values = []
        notes = []
        for channel, value in point.values.items():
            values.append(f"{_key(channel)}={float(value)!r}")
            notes.append(f'{_key(channel)}="{_text(judged.get(channel, NOT_JUDGED))}"')
        if point.generation is not None:
            values.append(f"generation={point.generation}i")
        if point.seq is not None:
            values.append(f"seq={point.seq}i")
        out.append(f"{reading}{','.join(values)} {point.time_ms}\n{quality}{','.join(notes)} {point.time_ms}\n")
    return "".join(out)


@lru_cache(maxsize=65536)
def _tags(station: str, device: str) -> tuple[str, str]:
    tags = f"station={station.translate(_IN_TAGS)},device={device.translate(_IN_TAGS)}"
    return f"{READING},{tags} ", f"{QUALITY},{tags} "


@lru_cache(maxsize=4096)
def _key(channel: str) -> str:
    return channel.translate(_IN_TAGS)


@lru_cache(maxsize=4096)
def _text(quality: str) -> str:
    return quality.translate(_IN_STRINGS)
