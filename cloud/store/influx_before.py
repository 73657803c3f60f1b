"""What each device had sent before a moment, from InfluxDB: two requests, however long ago it was.

The notes of `quality` say which values count; the rule is that whoever writes a value also writes its note. The values
themselves are then asked for by device and time.
"""

import re
from typing import Any

from cloud.store.influx_http import InfluxConnection
from cloud.store.lines import QUALITY, READING
from cloud.store.model import Before, Value

_NS = 1_000_000


def before(influx: InfluxConnection, station: str, channel: str, time_ns: int, without: str) -> list[Before]:
    """As Store.before; `channel` is one, so it may stand in a query."""
    note = f'("{channel}") FROM "{QUALITY}" WHERE "station" = $station AND time < $time'
    if without:
        note += f' AND "{channel}" !~ /^[{re.escape(without)}]/'
    note += ' GROUP BY "device"'
    params: dict[str, str | int] = {"station": station, "time": time_ns}
    # Alone: of a missing bucket the server says so to a single statement only.
    (found,) = influx.query(f"SELECT LAST{note}", params)
    lasts = _by_device(found)
    if not lasts:
        return []
    statements = [f"SELECT FIRST{note}"]
    for n, (device, (time_ms, _)) in enumerate(lasts.items()):
        params |= {f"device{n}": device, f"time{n}": time_ms * _NS}
        here = f'"station" = $station AND "device" = $device{n} AND time = $time{n}'
        statements.append(f'SELECT LAST("{channel}") FROM "{READING}" WHERE {here} GROUP BY "device"')
    firsts, *values = map(_by_device, influx.query(";".join(statements), params))
    return [
        Before(firsts[device][0], Value(time_ms, float(value[device][1]), quality, device))
        for (device, (time_ms, quality)), value in zip(lasts.items(), values, strict=True)
        if device in value and device in firsts  # else it was deleted meanwhile
    ]


def _by_device(series: list[dict[str, Any]]) -> dict[str, tuple[int, Any]]:
    """device → (time in ms, value)"""
    return {one["tags"]["device"]: (one["values"][0][0], one["values"][0][1]) for one in series}
