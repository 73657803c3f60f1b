"""The registry as rows of its files: what an import would take without changing anything.

A deployment whose start is only assumed has an empty `from`, so that the file does not say more than is known.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

from cloud.registry import files
from cloud.registry.registry import Registry
from schemas.models import utc_text_ms

Row = dict[str, Any]
WITHOUT_KEYS = ("device", "station", "activation", "dev_eui", "join_eui", "dev_addr", "codec")


def station_rows(registry: Registry) -> list[Row]:
    rows = [station.model_dump() for station in registry.stations()]
    return [{**row, "private": "yes" if row["private"] else ""} for row in rows]


def device_rows(registry: Registry) -> list[Row]:
    """With the station where each stands now, and with its keys."""
    snapshot, now_ms = registry.snapshot(), registry.now_ms()
    return [
        {**device.model_dump(mode="json"), "station": snapshot.whereabouts.station(device.device, now_ms)}
        for device in snapshot.devices.values()
    ]


def deployment_rows(registry: Registry) -> list[Row]:
    return [
        {
            "station": stay.station,
            "device": stay.device,
            "from": None if stay.assumed_start else utc_text_ms(stay.since_ms),
            "to": utc_text_ms(stay.until_ms) if stay.until_ms is not None else None,
            "height_m": stay.height_m,
            "note": stay.note,
        }
        for stay in registry.stays()
    ]


def stations_csv(registry: Registry) -> str:
    return _csv(station_rows(registry), files.STATION_COLUMNS)


def devices_csv(registry: Registry, with_keys: bool) -> str:
    return _csv(device_rows(registry), files.DEVICE_COLUMNS if with_keys else WITHOUT_KEYS)


def deployments_csv(registry: Registry) -> str:
    return _csv(deployment_rows(registry), files.DEPLOYMENT_COLUMNS)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
