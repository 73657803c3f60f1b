"""From datagrams to the spool, step by step: what is committed when, and what one bad frame may not do to others."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.lorawan.downlinks import Downlinks
from gateway.lorawan.network import Network
from gateway.lorawan.sessions import Sessions
from gateway.radio import Now, Radio
from gateway.semtech import datagrams
from gateway.semtech.forwarders import WAYS_MAX, Forwarders
from gateway.spool import Limits, Spool
from gateway.tell import Tell
from gateway.unread import UnreadPayloads
from schemas.models import Device
from tests.gateway.helpers import (
    DEV_ADDR,
    DEV_EUI,
    EUI,
    OTHER_EUI,
    Directory,
    PlainSeal,
    abp,
    abp_on_air,
    on_air,
    otaa,
    payload,
    rxpk,
)

ADDRESS = ("192.0.2.7", 1700)
CLOSED = 10_000.0  # every window is
FULL = "CREATE TRIGGER full BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no'); END"


class Bench:
    """A Radio with everything real but socket and clock."""

    def __init__(self, folder: Path, *devices: Device, limits: Limits | None = None) -> None:
        self.database = Database(folder)
        self.spool = Spool(self.database, limits)
        self.directory = Directory(*devices)
        self.counters, self.forwarders = GatewayCounters(), Forwarders()
        downlinks = Downlinks(self.database)
        faults = Faults(logging.getLogger(__name__), lambda: 0)
        tell = Tell(self.database, self.directory, downlinks, self.counters, faults)
        unread = UnreadPayloads(self.database, self.spool, self.directory, self.counters, faults)
        self.network = Network(self.directory, Sessions(self.database, PlainSeal()), downlinks, tell)
        self.radio = Radio(
            self.database, self.spool, self.network, downlinks, unread, self.forwarders, self.counters, faults
        )

    def push(self, *objects: dict[str, Any], gateway: str = EUI, at_ms: float = 0) -> list[Any]:
        answers = self.radio.take([(push(*objects, gateway=gateway), ADDRESS)], Now(1000, at_ms))
        return [datagrams.parse(datagram) for datagram, _ in answers]

    def seqs(self) -> list[int]:
        found = self.database.execute("SELECT seq FROM reading ORDER BY id")
        return [row[0] for row in found]


def push(*objects: dict[str, Any], gateway: str = EUI) -> bytes:
    return datagrams.push_data(b"ab", gateway, {"rxpk": list(objects)})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, abp())
    yield bench
    bench.database.close()


def test_captured_then_acknowledged_then_decoded(bench: Bench) -> None:
    device = abp_on_air()
    (answer,) = bench.push(rxpk(device.uplink(payload(1), 1)), rxpk(device.uplink(payload(2), 1)))
    assert answer == datagrams.PushAck(2, b"ab")
    assert (bench.spool.rows["captured"], bench.seqs()) == (1, [])
    assert bench.radio.next_due_ms() == 200
    bench.radio.work(Now(1000, 199))
    assert bench.spool.rows["captured"] == 1
    bench.radio.work(Now(1000, 200))
    assert (bench.spool.rows["captured"], bench.seqs()) == (0, [1, 2])
    assert bench.radio.next_due_ms() is None


def test_a_datagram_stays_until_all_its_frames_are_dealt_with(bench: Bench) -> None:
    device = abp_on_air()
    first, second = (device.uplink(payload(n), 1) for n in (1, 2))
    bench.push(rxpk(first))
    bench.push(rxpk(first), rxpk(second), gateway=OTHER_EUI, at_ms=100)
    bench.radio.work(Now(1000, 200))
    assert (bench.spool.rows["captured"], bench.seqs()) == (1, [1])
    bench.radio.work(Now(1000, 300))
    assert (bench.spool.rows["captured"], bench.seqs()) == (0, [1, 2])


def test_only_frames_with_a_good_checksum_are_captured(bench: Bench) -> None:
    assert len(bench.push(rxpk(b"x", stat=-1), rxpk(b"y", stat=0))) == 1
    assert (bench.counters.bad_checksums, bench.counters.frames, bench.spool.rows["captured"]) == (2, 0, 0)
    bench.push(rxpk(b"z" * 20), rxpk(b"y" * 20, stat=-1), {"data": 3})
    assert (bench.counters.bad_objects, bench.counters.frames, bench.spool.rows["captured"]) == (1, 1, 1)
    bench.radio.work(Now(1000, CLOSED))
    assert bench.spool.rows["captured"] == 0


def test_what_a_crash_left_is_taken_up_and_nothing_twice(tmp_path: Path) -> None:
    device = abp_on_air()
    before = Bench(tmp_path, abp())
    before.push(rxpk(device.uplink(payload(1), 1)))
    before.push(rxpk(device.uplink(payload(2), 1)))
    before.database.close()  # nothing was decoded
    after = Bench(tmp_path, abp())
    after.radio.replay(after.spool.captured(0, 99), Now(9000, 0))
    after.radio.work(Now(9000, 0), flush=True)
    assert (after.spool.rows["captured"], after.seqs()) == (0, [1, 2])
    after.database.close()


def test_a_late_answer_is_not_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, otaa())
    bench.radio.take([(datagrams.pull_data(b"ab", EUI), ADDRESS)], Now(1000, 0))
    device = on_air()
    bench.push(rxpk(device.join_request()))
    assert bench.radio.work(Now(1000, CLOSED), flush=True) == []
    bench.push(rxpk(device.join_request()))
    ((datagram, address),) = bench.radio.work(Now(1000, CLOSED))
    assert (address, datagram[3]) == (ADDRESS, datagrams.PULL_RESP)
    bench.database.close()


def test_when_the_spool_cannot_be_written_frames_wait(bench: Bench) -> None:
    device = abp_on_air()
    bench.push(rxpk(device.uplink(payload(1), 1)))
    bench.database.execute(FULL)
    assert bench.radio.work(Now(1000, 200)) == []
    assert (bench.spool.rows, bench.counters.readings) == ({"captured": 1, "reading": 0, "undecoded": 0}, 0)
    assert bench.radio.next_due_ms() == 5200
    bench.database.execute("DROP TRIGGER full")
    bench.radio.work(Now(1000, 5200))
    assert (bench.spool.rows["captured"], bench.seqs()) == (0, [1])
    assert bench.radio.next_due_ms() is None


def test_frames_that_wait_are_not_overtaken(bench: Bench) -> None:
    device = abp_on_air()
    bench.push(rxpk(device.uplink(payload(1), 1)))
    bench.database.execute(FULL)
    bench.radio.work(Now(1000, 200))
    bench.database.execute("DROP TRIGGER full")
    bench.push(rxpk(device.uplink(payload(2), 1)), at_ms=1000)
    assert bench.radio.next_due_ms() == 1200
    bench.radio.work(Now(1000, 1200))
    assert (bench.seqs(), bench.radio.next_due_ms()) == ([], 5200)
    bench.radio.work(Now(1000, 5200))
    assert (bench.seqs(), bench.counters.outcomes) == ([1, 2], {"readings": 2})
    bench.push(rxpk(device.uplink(payload(3), 1)), at_ms=5300)  # and from then on as ever
    bench.radio.work(Now(1000, 5500))
    assert bench.seqs() == [1, 2, 3]


def test_a_disk_that_is_full_at_the_start_is_tried_again(tmp_path: Path) -> None:
    before = Bench(tmp_path, abp())
    before.push(rxpk(abp_on_air().uplink(payload(1), 1)))
    before.database.close()
    after = Bench(tmp_path, abp())
    after.database.execute(FULL)
    after.radio.replay(after.spool.captured(0, 99), Now(9000, 0))
    after.radio.work(Now(9000, 0), flush=True)
    assert after.radio.next_due_ms() == 5000
    after.database.execute("DROP TRIGGER full")
    after.radio.work(Now(9000, 4000))
    assert after.seqs() == []
    after.radio.work(Now(9000, 4000), flush=True)
    assert (after.spool.rows["captured"], after.seqs()) == (0, [1])
    after.push(rxpk(b"\xff" * 20), at_ms=4000)
    after.radio.work(Now(9000, 4200))  # nothing waits any more, so neither does this
    assert after.counters.outcomes["malformed"] == 1
    after.database.close()


def test_what_has_no_room_is_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench, device = Bench(tmp_path, abp(), limits=Limits(reading=2, undecoded=1)), abp_on_air()
    for n in range(1, 6):
        bench.push(rxpk(device.uplink(payload(n), 1)), rxpk(device.uplink(b"\xff", 1)))
        bench.radio.work(Now(1000, CLOSED * n))
    assert bench.seqs() == [4, 5]
    assert bench.counters.as_dict()["dropped"] == {"reading": 3, "undecoded": 4}
    said = [r.getMessage() for r in caplog.records if "dropped" in r.getMessage()]
    assert len(said) == 2
    assert "1 readings dropped that the cloud has not acknowledged" in said[1]
    bench.database.close()


def test_a_spool_full_of_frames_does_not_acknowledge_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench, device = Bench(tmp_path, abp(), limits=Limits(captured=1)), abp_on_air()
    first, second = (device.uplink(payload(n), 1) for n in (1, 2))
    assert len(bench.push(rxpk(first))) == 1
    assert bench.push(rxpk(second)) == []
    assert bench.counters.not_captured == 1
    assert "could not be dealt with, see the log; frames are not acknowledged until then" in caplog.text
    bench.radio.work(Now(1000, CLOSED))
    assert len(bench.push(rxpk(second), at_ms=CLOSED)) == 1
    bench.radio.work(Now(1000, 2 * CLOSED))
    assert bench.seqs() == [1, 2]
    bench.database.close()


def test_a_device_that_begins_to_count_anew_is_no_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for start in (0, 3):  # new batteries in between
        device = abp_on_air()
        for n in range(start, start + 3):
            bench.push(rxpk(device.uplink(payload(n), 1)))
            bench.radio.work(Now(1000, CLOSED * (n + 1)))
    assert (bench.seqs(), bench.counters.outcomes) == ([0, 1, 2], {"readings": 3, "replay": 3})
    assert [one.payload for one in bench.spool.undecoded()] == [payload(n) for n in (5, 4, 3)]
    (line,) = (r.getMessage() for r in caplog.records)
    assert "frame 0 came after frame 2" in line
    assert "needs new keys" in line


def test_an_error_of_our_own_costs_one_frame_and_keeps_it(bench: Bench) -> None:
    device = abp_on_air()

    def broken(dev_addr: str) -> list[Device]:
        if dev_addr != DEV_ADDR:
            raise ZeroDivisionError
        return Directory.by_dev_addr(bench.directory, dev_addr)

    bench.directory.by_dev_addr = broken  # type: ignore[method-assign]
    poison = bytes.fromhex("40ffffffff000000") + b"\x01abcd"
    bench.push(rxpk(poison), rxpk(device.uplink(payload(1), 1)))
    bench.radio.work(Now(1000, CLOSED))
    assert bench.seqs() == [1]
    assert bench.counters.faults == 1
    assert [one.payload for one in bench.spool.undecoded()] == [poison]
    assert bench.spool.rows["captured"] == 0


def test_undecoded_payloads_are_kept_and_counted(bench: Bench) -> None:
    bench.push(rxpk(abp_on_air().uplink(b"\xff", 1)))
    bench.radio.work(Now(1000, CLOSED))
    (one,) = bench.spool.undecoded()
    assert (one.device, one.payload, bench.counters.undecoded) == ("kn-0002", b"\xff", 1)
    assert bench.counters.outcomes == {"undecoded": 1}


def test_devices_that_nobody_registered_are_listed(bench: Bench) -> None:
    stranger = on_air()
    for _ in range(2):
        bench.push(rxpk(stranger.join_request()))
        bench.radio.work(Now(1000, CLOSED))
    assert bench.counters.unknown_devices == {DEV_EUI: 2}


def test_strangers_do_not_fill_the_memory() -> None:
    forwarders = Forwarders()
    for n in range(WAYS_MAX + 10):
        forwarders.pulled("%016x" % n, ADDRESS, 2)
    assert len(forwarders) == WAYS_MAX
    assert forwarders.way("%016x" % 9) is None
    assert forwarders.way("%016x" % 10) is not None


def test_listed_gateways() -> None:
    forwarders = Forwarders({EUI.upper(): None, OTHER_EUI: "192.0.2.7"})
    assert forwarders.admits(EUI, ("198.51.100.1", 1))
    assert forwarders.admits(OTHER_EUI, ("192.0.2.7", 1))
    assert forwarders.admits(OTHER_EUI, ("::ffff:192.0.2.7", 1, 0, 0))
    assert not forwarders.admits(OTHER_EUI, ("192.0.2.8", 1))
    assert not forwarders.admits("00" * 8, ("192.0.2.7", 1))


def test_a_repeated_fault_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock_s = iter((0, 1, 59, 60, 61, 61))
    faults = Faults(logging.getLogger(__name__), lambda: next(clock_s))
    for _ in range(5):
        faults.report("kind", "it broke")
    faults.report("other", "something else")
    assert [r.getMessage() for r in caplog.records] == ["it broke", "it broke (and 2 more like it)", "something else"]
