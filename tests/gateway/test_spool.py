"""The spool: what is committed stays, identities are kept once, bounds hold, a full disk loses nothing."""

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.database import SCHEMA, Database, StorageError
from gateway.lorawan.sessions import Sessions
from gateway.spool import GWMP, MQTT, Input, Limits, Spool, Undecoded
from schemas.models import Link, Reading, TimeSource
from tests.gateway.helpers import PlainSeal

TIME = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


def reading(seq: int | None = 1, **more: Any) -> Reading:
    whole = {
        "device": "kn-1",
        "generation": None if seq is None else 1,
        "seq": seq,
        "time": TIME,
        "values": {"co2": 417.0},
    }
    return Reading(**{**whole, **more})


@pytest.fixture
def database(tmp_path: Path) -> Any:
    database = Database(tmp_path / "spool")
    yield database
    database.close()


def test_captured_input_survives_a_restart_as_it_came(tmp_path: Path) -> None:
    inputs = [Input(GWMP, "192.0.2.7", 1, b"\x00\xff"), Input(MQTT, "application/1/device/2/event/up", 2, b"{}")]
    database = Database(tmp_path)
    ids = Spool(database).capture(inputs)
    database.close()
    database = Database(tmp_path)
    spool = Spool(database)
    assert spool.captured(0, 10) == list(zip(ids, inputs, strict=True))
    assert spool.captured(ids[0], 10) == [(ids[1], inputs[1])]
    spool.release(ids)
    assert spool.captured(0, 10) == []
    assert spool.rows["captured"] == 0
    database.close()


def test_an_identity_is_kept_once_and_a_better_time_replaces(database: Database) -> None:
    spool = Spool(database)
    first = reading(1, time_source=TimeSource.RTC)
    assert spool.add([first, first]) == 1
    assert spool.add([reading(1, time=TIME + timedelta(hours=1), time_source=TimeSource.RECEIVER)]) == 0
    (kept,) = spool.waiting(0, 10)
    assert spool.add([reading(1, time=TIME + timedelta(seconds=2), time_source=TimeSource.GPS)]) == 1
    (better,) = spool.waiting(0, 10)
    assert better.id > kept.id
    assert orjson.loads(better.body)["time"] == "2026-11-22T10:15:02Z"
    assert spool.add([reading(1, index=1), reading(1, generation=2), reading(1, device="kn-2")]) == 3
    assert spool.rows["reading"] == 4


def test_what_goes_out_is_the_contract(database: Database) -> None:
    spool = Spool(database)
    whole = reading(7, link=Link(via="lorawan", sf=9, gateways=["aa"]), time_source=TimeSource.NTP, index=2)
    spool.add([whole])
    (row,) = spool.waiting(0, 10)
    assert Reading.model_validate_json(row.body) == whole
    assert orjson.loads(row.body) == {
        "device": "kn-1", "generation": 1, "seq": 7, "index": 2, "time": "2026-11-22T10:15:00Z", "time_source": "ntp",
        "values": {"co2": 417.0}, "link": {"via": "lorawan", "sf": 9, "gateways": ["aa"]},
    }  # fmt: skip


def test_an_acknowledgement_forgets_what_it_names_and_no_more(database: Database) -> None:
    spool = Spool(database)
    spool.add([reading(n) for n in range(1, 7)] + [reading(3, device="kn-2"), reading(3, generation=2), reading(None)])
    spool.waiting(0, 99)
    assert spool.forget("kn-1", [(1, 2, 3), (1, 5, 5), (9, 0, 99)]) == 3
    left = [orjson.loads(row.body) for row in spool.waiting(0, 99)]
    assert [(r["device"], r.get("generation"), r.get("seq")) for r in left] == [
        ("kn-1", 1, 1), ("kn-1", 1, 4), ("kn-1", 1, 6), ("kn-2", 1, 3), ("kn-1", 2, 3), ("kn-1", None, None),
    ]  # fmt: skip
    assert [row.counted for row in spool.waiting(0, 99)] == [True] * 5 + [False]
    assert spool.rows["reading"] == 6


def test_uncounted_readings_are_known_by_their_time(database: Database) -> None:
    spool = Spool(database)
    assert spool.add([reading(None), reading(None), reading(None, time=TIME + timedelta(seconds=1))]) == 2
    assert spool.add([reading(5, generation=None)]) == 0  # the same time, and no acknowledgement could name it
    spool.forget_ids([row.id for row in spool.waiting(0, 9)])
    assert spool.waiting(0, 9) == []


def test_bounds_drop_the_oldest_and_count(database: Database) -> None:
    spool = Spool(database, Limits(reading=2, undecoded=1))
    assert spool.trim() == {}
    spool.add(reading(n) for n in range(5))
    assert spool.trim() == {"reading": 3}
    assert [orjson.loads(row.body)["seq"] for row in spool.waiting(0, 9)] == [3, 4]
    for n in range(3):
        spool.add_undecoded(Undecoded("kn-1", n, "why", b"\x01", 7, Link(rssi_dbm=-90)))
    assert spool.trim() == {"undecoded": 2}
    assert spool.undecoded() == [Undecoded("kn-1", 2, "why", b"\x01", 7, Link(rssi_dbm=-90))]
    assert spool.rows == {"captured": 0, "reading": 2, "undecoded": 1}


def test_what_is_acknowledged_is_never_dropped(database: Database) -> None:
    spool = Spool(database, Limits(captured=3))
    ids = spool.capture([Input(GWMP, "x", n, b"") for n in range(3)])
    with pytest.raises(StorageError, match="full: 3 frames and events could not be dealt with, see the log"):
        spool.capture([Input(GWMP, "x", 3, b"")])
    assert [row.received_ms for _, row in spool.captured(0, 9)] == [0, 1, 2]
    spool.release(ids[:1])
    assert len(spool.capture([Input(GWMP, "x", 4, b"")])) == 1


def test_an_acknowledgement_speaks_of_what_was_published(database: Database) -> None:
    spool = Spool(database)
    spool.add([reading(1, time_source=TimeSource.RECEIVER)])
    assert spool.forget("kn-1", [(1, 1, 1)]) == 0  # it has never left
    spool.waiting(0, 9)
    spool.add([reading(1, time=TIME + timedelta(seconds=2), time_source=TimeSource.GPS)])
    assert spool.forget("kn-1", [(1, 1, 1)]) == 0  # that was the version before
    (better,) = spool.waiting(0, 9)
    assert spool.waiting(better.id, 9) == []
    assert spool.forget("kn-1", [(1, 1, 1)]) == 1


def test_what_one_acknowledgement_names_goes_out_in_one_round(database: Database) -> None:
    spool = Spool(database)
    spool.add([reading(1), *(reading(2, index=n) for n in range(3)), reading(3), reading(None)])
    assert [len(spool.waiting(0, rows)) for rows in (1, 2, 3, 4, 5, 6)] == [1, 1, 1, 4, 5, 6]
    first = spool.waiting(0, 3)
    assert [len(spool.waiting(first[-1].id, rows)) for rows in (1, 2, 3, 4)] == [1, 2, 3, 4]  # a round is too small


def test_a_round_is_no_larger_than_a_message_may_be(database: Database) -> None:
    spool = Spool(database)
    spool.add(reading(n, values={f"soil_moisture@place-{m}": 20.25 for m in range(64)}) for n in range(300))
    seen, last = 0, 0
    while rows := spool.waiting(last, 500):
        assert sum(len(row.body) + 1 for row in rows) <= 256 * 1024
        seen, last = seen + len(rows), rows[-1].id
    assert seen == 300
    assert len(spool.waiting(0, 500, bytes_max=1)) == 1  # one that is too large alone still goes


def test_the_order_of_time_sources_is_the_rank(database: Database) -> None:
    spool = Spool(database)
    for source in reversed(TimeSource):
        assert spool.add([reading(1, time_source=source)]) == 1
        assert spool.add([reading(1, time_source=source)]) == 0
    assert [source.value for source in TimeSource] == ["gps", "lorawan", "ntp", "network", "rtc", "device", "receiver"]


def test_a_spool_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    first = sqlite3.connect(tmp_path / "gateway.db")
    first.executescript(SCHEMA[0] + "PRAGMA user_version=1")
    first.execute("INSERT INTO dev_nonce VALUES ('70b3d57ed0000001', 7)")
    first.executemany(
        "INSERT INTO reading (device, generation, seq, position, time, time_rank, body) VALUES (?, 1, 1, 0, '', ?, '')",
        [("rtc", 3), ("device", 4), ("network", 5), ("receiver", 6)],
    )
    first.commit()
    first.close()
    database = Database(tmp_path)
    assert Sessions(database, PlainSeal()).is_used("70b3d57ed0000001", "any key", 7)
    found = database.execute("SELECT device, time_rank FROM reading").fetchall()
    assert found == [(name, TimeSource(name).rank) for name, _ in found]
    database.close()


def test_a_full_disk_is_said_and_nothing_is_lost(database: Database) -> None:
    spool = Spool(database)
    ids = spool.capture([Input(GWMP, "x", 1, b"first")])
    fill_disk(database)
    with pytest.raises(StorageError, match="is full; free some space, what it holds stays"):
        spool.capture([Input(GWMP, "x", n, bytes(4000)) for n in range(100)])
    assert spool.rows["captured"] == 1
    assert [i for i, _ in spool.captured(0, 9)] == ids
    database.execute("PRAGMA max_page_count=1000000")
    spool.capture([Input(GWMP, "x", n, bytes(4000)) for n in range(100)])
    assert spool.rows["captured"] == 101


def fill_disk(database: Database) -> None:
    """No page more than there are: what SQLite then says is what it says on a full disk."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute("PRAGMA max_page_count=%d" % pages)


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    spool = Spool(database)
    ids = spool.capture([Input(GWMP, "x", 1, b"")])
    with contextlib.suppress(ZeroDivisionError), database.transaction():
        spool.add([reading(1)])
        spool.release(ids)
        1 / 0  # noqa: B018
    assert spool.waiting(0, 9) == []
    assert spool.rows == {"captured": 1, "reading": 0, "undecoded": 0}
    with database.transaction():
        spool.add([reading(1)])
        spool.release(ids)
    assert spool.rows == {"captured": 0, "reading": 1, "undecoded": 0}


def test_one_folder_one_gateway(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="another gateway uses the spool"):
        Database(tmp_path / "spool")


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="set another"):
        Database(tmp_path / "file")


def test_a_spool_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(StorageError, match="newer klimanetz"):
        Database(tmp_path)


def test_commits_reach_the_disk(database: Database) -> None:
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
