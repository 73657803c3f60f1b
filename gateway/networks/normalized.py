"""The Things Stack's `normalized_payload`: a decoder's output under agreed names, in agreed units.

It is a list of measurements, or one; each may have a time of its own and a soil depth. Where several say the same
channel, the first is plain and the others are `@chN` by their place in the list; a depth is a place, `@30cm`. Names
that are not in the table go the way of any decoder's (`mapping`).

Specification: The Things Network device repository, payload schema 1 (lib/payload.json).
"""

from collections import Counter
from datetime import datetime
from typing import Any

from gateway.codecs.codec import numbered
from gateway.networks.event import decoder_output, number
from gateway.networks.history import Entry, Frame, map_frame, merged
from gateway.networks.mapping import NO_NAMES, Named, Names, map_object
from schemas.channels import join

AGREED: Names = {
    "air.temperature": Named("air_temperature"),
    "air.relativeHumidity": Named("relative_humidity"),
    "air.pressure": Named("air_pressure"),
    "air.co2": Named("co2"),
    "air.lightIntensity": Named("illuminance"),
    "soil.temperature": Named("soil_temperature"),
    "soil.moisture": Named("soil_moisture"),
    "wind.speed": Named("wind_speed"),
    "wind.direction": Named("wind_direction"),
    "rain.cumulative": Named("precipitation_total"),
    "battery": Named("battery"),
}
DEPTH_MAX_CM = 9999


def normalized_frame(payload: Any, received: datetime, names: Names = NO_NAMES) -> Frame:
    """The readings in it, current values as entry 0. `names`: the operators', which go before the agreed ones."""
    items = [decoder_output(one, "normalized_payload") for one in (payload if isinstance(payload, list) else [payload])]
    parts = [_measurement(item, received, {**AGREED, **names}) for item in items]
    said = Counter(channel for part in parts for entry in part.entries if not entry.time for channel in entry.values)
    frame = Frame()
    for place, part in enumerate(parts, 1):
        for entry in part.entries:
            several = {channel for channel in entry.values if said[channel] > 1 and entry.time is None}
            values = {_at(c, numbered(place)) if c in several else c: value for c, value in entry.values.items()}
            frame = merged(frame, Frame((Entry(entry.index, entry.time, values),)))
        frame = Frame(frame.entries, frame.unmapped + part.unmapped)
    return frame


def _measurement(item: dict[str, Any], received: datetime, names: Names) -> Frame:
    """One measurement: current, or at its own time."""
    soil = item.get("soil")
    depth_cm = number(soil.get("depth")) if isinstance(soil, dict) else None
    place = ""
    if isinstance(soil, dict) and depth_cm is not None and 0 <= depth_cm <= DEPTH_MAX_CM:
        place = "%gcm" % depth_cm
        item = item | {"soil": {key: value for key, value in soil.items() if key != "depth"}}
    if isinstance(item.get("time"), str):
        frame = map_frame({"normalized": [item]}, received, names)
    else:
        mapped = map_object(item, names)
        frame = Frame((Entry(0, None, mapped.values),), mapped.unmapped)
    entries = (
        Entry(one.index, one.time, {_in_soil(c, place): v for c, v in one.values.items()}) for one in frame.entries
    )
    return Frame(tuple(entry for entry in entries if entry.values), frame.unmapped)


def _in_soil(channel: str, place: str) -> str:
    return _at(channel, place) if channel.startswith("soil_") else channel


def _at(channel: str, place: str) -> str:
    return join(channel, place) if "@" not in channel else channel
