"""The application on a real SQLite store, with a registry of a few stations and a clock that stands."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.registry.adoption import NeverHeard
from cloud.store import Point, Store, open_store
from schemas.models import Station

NOW_MS = 1_795_344_300_000  # 2026-11-22T10:45:00Z
MINUTE = 60_000
HOUR = 60 * MINUTE


@dataclass
class Registry:
    listed: list[Station] = field(
        default_factory=lambda: [
            Station(station="marktplatz", name="Marktplatz", latitude=51.4825, longitude=11.96972, district="Altstadt"),
            Station(station="garten", name="Garten <Süd>", latitude=51.4825, longitude=11.96972, private=True),
            Station(station="delhi", name="Delhi", latitude=28.6, longitude=77.2, timezone="Asia/Kolkata"),
        ]
    )
    keys: dict[str, str] = field(default_factory=lambda: {"r": "read", "w": "write", "a": "admin"})

    def stations(self) -> list[Station]:
        return self.listed

    def station(self, station: str) -> Station | None:
        return next((one for one in self.listed if one.station == station), None)

    def revision(self) -> int:
        return 1

    def key_scope(self, key: str) -> str | None:
        return self.keys.get(key)


class Delivery:
    def delivery(self, device: str) -> dict[str, object] | None:
        if device != "kn-1":
            return None
        gap: dict[str, object] = {"generation": 1, "first": 118, "last": 119, "count": 2, "stage": "upstream"}
        times = {"first": "2026-10-03T08:00:00Z", "last": "2026-11-22T10:15:00Z"}
        return {
            "device": device,
            "received": 3,
            "duplicates": 1,
            "late": 0,
            "missing": 2,
            "gaps": [gap],
            **times,
            "stored": [(1, 117, 117), (1, 120, 121)],
        }


class DeadLetters:
    def dead_letters(self, limit: int) -> list[dict[str, object]]:
        told = {
            "topic": "klimanetz/v1/up/kn-1",
            "device": None,
            "reason": "not-json",
            "detail": "it is text",
            "size": 2,
        }
        return [{"id": n, **told, "received": "2026-11-22T10:15:00Z", "payload": "hi"} for n in range(min(limit, 5))]

    def dead_letter(self, number: int) -> dict[str, object] | None:
        return self.dead_letters(5)[number] if number < 5 else None

    def replay(self, number: int) -> bool:
        return number < 4

    def adopt(self, device: str, station: str) -> None:
        raise NeverHeard(device)

    def unknown(self) -> list[dict[str, object]]:
        times = {"first": "2026-11-21T10:15:00Z", "last": "2026-11-22T10:15:00.250Z"}
        return [{"device": "kn-99", "messages": 7, "last_letter": 12, **times}]


def point(
    minutes_ago: int, station: str = "marktplatz", quality: str = "S", device: str = "kn-1", **values: float
) -> Point:
    return Point(station, device, NOW_MS - minutes_ago * MINUTE, values, dict.fromkeys(values, quality), 1, minutes_ago)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> TestClient:
    app = create_app(store, Registry(), Delivery(), DeadLetters(), now_s=lambda: NOW_MS / 1000)
    return TestClient(app, raise_server_exceptions=False)
