"""Events from the broker to the spool: captured, dealt with once, kept when the spool cannot be written."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.counters import Faults, GatewayCounters
from gateway.database import Database, StorageError
from gateway.health_store import HealthStore
from gateway.lorawan.downlinks import Downlinks
from gateway.networks.downlinks import NetworkKind, Route, Routes
from gateway.networks.events import Events
from gateway.spool import Limits, Spool
from gateway.tell import Tell
from schemas.models import Device
from tests.gateway.helpers import DEV_EUI, Directory

TOPIC = f"application/a/device/{DEV_EUI}/event/"
UP = (TOPIC + "up", json.dumps({"time": "2026-11-22T10:15:00Z", "object": {"BatV": 3.3, "odd": 1}}).encode())


class Bench:
    def __init__(self, folder: Path, directory: Directory | None = None, limits: Limits | None = None) -> None:
        self.database = Database(folder)
        self.spool = Spool(self.database, limits)
        self.counters = GatewayCounters()
        faults = Faults(logging.getLogger(__name__), lambda: 0)
        known, downlinks = directory or Directory(), Downlinks(self.database)
        tell = Tell(self.database, known, downlinks, self.counters, faults)
        self.events = Events(self.database, self.spool, known, self.counters, faults, tell)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.database.close()


def test_captured_then_dealt_with_once(bench: Bench) -> None:
    bench.events.capture([UP, (TOPIC + "join", b"{}"), (TOPIC + "location", b"{}")], 1000)
    assert bench.spool.rows == {"captured": 2, "reading": 0, "undecoded": 0}
    for _ in range(2):
        bench.events.work()
        assert bench.spool.rows == {"captured": 0, "reading": 1, "undecoded": 0}
        assert bench.counters.events == {"up": 1, "join": 1, "location": 1}
        assert bench.counters.unmapped == {"odd": 1}


def test_the_same_event_again_is_no_new_reading(bench: Bench) -> None:
    bench.events.capture([UP, UP], 1000)
    bench.events.work()
    assert (bench.counters.readings, bench.spool.rows["reading"], bench.spool.rows["captured"]) == (1, 1, 0)


def test_when_the_spool_cannot_be_written_events_wait(bench: Bench) -> None:
    bench.events.capture([UP], 1000)
    bench.database.execute("CREATE TRIGGER full BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StorageError):
        bench.events.work()
    assert bench.spool.rows == {"captured": 1, "reading": 0, "undecoded": 0}
    bench.database.execute("DROP TRIGGER full")
    bench.events.work()
    assert bench.spool.rows == {"captured": 0, "reading": 1, "undecoded": 0}


def test_health_and_way_back_are_kept_with_the_readings_or_not_at_all(bench: Bench) -> None:
    health, routes, device = HealthStore(bench.database), Routes(bench.database), "eui-" + DEV_EUI
    error = (TOPIC + "log", b'{"level": "ERROR", "code": "UPLINK_MIC"}')
    bench.events.capture([error, UP], 1000)
    bench.database.execute("CREATE TRIGGER full BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StorageError):
        bench.events.work()
    assert (health.state(device), routes.get(device)) == ({}, None)
    bench.database.execute("DROP TRIGGER full")
    bench.events.work()
    assert health.state(device)["errors"] == {"UPLINK_MIC": 1}
    assert routes.get(device) == Route(NetworkKind.CHIRPSTACK, "a", DEV_EUI)


def test_an_event_that_is_new_to_us_is_kept(bench: Bench) -> None:
    for topic in (TOPIC + "surprise", "v3/a/devices/b/down/surprise", "v3/a"):
        bench.events.capture([(topic, b"{}")], 1000)
    bench.events.work()
    assert (bench.counters.events, bench.spool.rows["undecoded"]) == ({"unknown": 3}, 3)


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limits=Limits(reading=1, captured=2))
    later = (UP[0], UP[1].replace(b"10:15", b"10:30"))
    bench.events.capture([UP, later], 1000)
    with pytest.raises(StorageError, match="could not be dealt with"):
        bench.events.capture([UP], 1000)
    bench.events.work()
    assert (bench.spool.rows["reading"], bench.counters.dropped) == (1, {"reading": 1})
    bench.database.close()


def test_what_a_crash_left_is_taken_up(tmp_path: Path) -> None:
    before = Bench(tmp_path)
    before.events.capture([UP], 1000)
    before.database.close()
    after = Bench(tmp_path)
    after.events.replay(after.spool.captured(0, 9))
    after.events.work()
    assert after.spool.rows == {"captured": 0, "reading": 1, "undecoded": 0}
    after.database.close()


def test_an_error_of_our_own_costs_one_event_and_keeps_it(tmp_path: Path) -> None:
    class Broken(Directory):
        def by_dev_eui(self, dev_eui: str) -> Device | None:
            if dev_eui == "00" * 8:
                raise ZeroDivisionError
            return None

    bench = Bench(tmp_path, Broken())
    poison = ("application/a/device/0000000000000000/event/up", b'{"object": {"BatV": 3.3}}')
    bench.events.capture([poison, UP], 1000)
    bench.events.work()
    assert (bench.counters.faults, bench.spool.rows["reading"]) == (1, 1)
    assert [one.payload for one in bench.spool.undecoded()] == [poison[1]]
    bench.database.close()
