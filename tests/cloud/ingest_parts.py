"""A whole ingest on real embedded parts, without a broker."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.ingest.message import Message
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog
from cloud.ingest.work import Report
from cloud.ledger.ledger import Ledger
from cloud.registry import imports
from cloud.registry.registry import Registry, open_registry
from cloud.store import open_store
from cloud.store.model import Store

NOW_MS = 1_795_342_500_000  # 2026-11-22T10:15:00Z
STATIONS = b"station,name,latitude,longitude\nmarktplatz,Marktplatz,51.4828,11.9697\nneustadt,Neustadt,51.48,11.92\n"
DEVICES = b"device,station,activation\nkn-1,marktplatz,mqtt\nkn-2,neustadt,mqtt\n"


@dataclass
class Parts:
    registry: Registry
    store: Store
    ledger: Ledger
    raw: RawLog
    pipeline: Pipeline

    def take(self, *messages: Message) -> Report:
        """Capture and apply."""
        number = self.raw.append(messages)
        batch = self.raw.after(number - 1)
        assert batch is not None
        return self.pipeline.apply(batch)

    def values(self, station: str, channel: str) -> list[tuple[int, float, str]]:
        return [(v.time_ms, v.value, v.quality) for v in self.store.series(station, channel, 0, 2**42)]


def make(folder: Path, store: Store | None = None, registry_url: str = "") -> Parts:
    registry = open_registry(registry_url or f"sqlite:///{folder / 'registry.db'}", lambda: NOW_MS)
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, DEVICES)
    store = store or open_store(f"sqlite:///{folder / 'series.db'}")
    ledger, raw = Ledger(registry.engine), RawLog(folder / "spool")
    return Parts(registry, store, ledger, raw, Pipeline(store, ledger, registry, raw.id))


def reading(device: str = "kn-1", **fields: Any) -> dict[str, Any]:
    return {"device": device, "values": {"air_temperature": 3.42}, **fields}


def message(*readings: dict[str, Any], device: str = "kn-1", received_ms: int = NOW_MS) -> Message:
    body = readings[0] if len(readings) == 1 else list(readings)
    return Message(f"klimanetz/v1/up/{device}", json.dumps(body).encode(), received_ms)
