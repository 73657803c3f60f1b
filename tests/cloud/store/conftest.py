"""Every contract test runs on both stores; the InfluxDB is a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.store import Point, Store, open_store
from tests.servers import influx_server

__all__ = ["influx_server"]

T0 = 1_795_300_200_000  # 2026-11-22T00:30:00Z; nothing depends on it


@pytest.fixture(params=["sqlite", pytest.param("influxdb", marks=pytest.mark.influxdb)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens one and the same empty store, as often as one likes."""
    if request.param == "sqlite":
        return lambda: open_store(f"sqlite:///{tmp_path}/series.db")
    server = request.getfixturevalue("influx_server")
    url = server.store_url(server.new_bucket())
    return lambda: open_store(url, server.token)


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Iterator[Store]:
    store = reopen()
    yield store
    store.close()


def point(n: int = 0, station: str = "markt", device: str = "kn-1", **values: float) -> Point:
    """Reading number n, one a minute."""
    given = values or {"air_temperature": 20.0 + n}
    return Point(station, device, T0 + 60_000 * n, given, dict.fromkeys(given, "S"), 1, n)
