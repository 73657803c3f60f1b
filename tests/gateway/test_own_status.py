"""A status of our own devices on port 3 becomes the device's health, whichever network brings it; nothing is lost."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.decode import Payload, decode
from gateway.health import Note, apply
from gateway.health_store import HealthStore
from gateway.networks import chirpstack, things_stack
from gateway.radio import Now
from gateway.unread import UnreadPayloads
from schemas.models import Link
from schemas.wire_status import Status, as_object, encode
from tests.gateway.helpers import DEV_EUI, Directory, abp, abp_on_air, otaa, payload, rxpk
from tests.gateway.test_radio import CLOSED, Bench

STATUS = Status("1.0.0", 0xBEEF, 259_200, 3, "sleep", 12, 0, 81_234, 3.91, [("soil-30", "crc")], (41394, True, "done"))
REPORT = as_object(STATUS)
NOW_MS = 1_795_000_000_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, abp())
    yield bench
    bench.database.close()


def test_over_our_own_gateways(bench: Bench) -> None:
    device = abp_on_air()
    bench.push(rxpk(device.uplink(encode(STATUS), 3)), rxpk(device.uplink(payload(1), 1)))
    bench.radio.work(Now(NOW_MS, CLOSED))
    assert bench.counters.outcomes == {"status": 1, "readings": 1}
    (told,) = HealthStore(bench.database).due(NOW_MS)
    state = HealthStore(bench.database).state("kn-0002")
    assert (told.device, state["via"], state["online"]) == ("kn-0002", "lorawan", True)
    assert {key: state[key] for key in REPORT} == REPORT
    assert not bench.spool.undecoded()


@pytest.mark.parametrize("broken", [b"", b"\xff", encode(STATUS)[:-1], encode(STATUS) + b"\x00", payload(1)])
def test_what_is_no_status_is_kept_and_said(bench: Bench, broken: bytes) -> None:
    bench.push(rxpk(abp_on_air().uplink(broken, 3)))
    bench.radio.work(Now(NOW_MS, CLOSED))
    if not broken:
        assert bench.counters.outcomes == {"empty": 1}
        return
    (one,) = bench.spool.undecoded()
    assert (one.device, one.payload, one.fport) == ("kn-0002", broken, 3)
    assert one.reason.startswith("not a status: ")
    assert not HealthStore(bench.database).state("kn-0002")


def uplink(kind: str, fport: int, data: bytes) -> Any:
    text = base64.b64encode(data).decode()
    if kind == "chirpstack":
        body: dict[str, Any] = {"time": "2026-11-22T10:15:00Z", "deviceInfo": {"devEui": DEV_EUI}, "fPort": fport}
        return chirpstack.uplink(body | {"data": text, "devAddr": "01a2b3c4", "fCnt": 7}, NOW_MS, Directory(otaa()))
    message = {"f_port": fport, "f_cnt": 7, "frm_payload": text, "received_at": "2026-11-22T10:15:00Z"}
    ids = {"device_id": "dev1", "dev_eui": DEV_EUI.upper(), "dev_addr": "01A2B3C4"}
    return things_stack.uplink({"end_device_ids": ids, "uplink_message": message}, NOW_MS, Directory(otaa()))


@pytest.mark.parametrize("kind", ["chirpstack", "things-stack"])
def test_through_other_networks(kind: str) -> None:
    event = uplink(kind, 3, encode(STATUS))
    assert (event.device, event.read.readings, event.read.undecoded) == ("kn-0001", (), None)
    (note,) = event.notes
    assert (note.via, note.report) == (kind, REPORT)
    broken = uplink(kind, 3, b"\xff")
    assert (broken.notes, broken.read.undecoded.payload) == ((), b"\xff")


def test_port_3_of_another_make_is_its_own_affair() -> None:
    read = decode(Payload("lpp", "cayenne-lpp", bytes.fromhex("0167002a"), 3, 1, 7, NOW_MS, Link(via="lorawan")))
    assert (len(read.readings), read.notes) == (1, ())


def test_one_that_came_before_its_device_was_registered(bench: Bench) -> None:
    bench.directory.devices.clear()
    stranger = replace(
        _undecoded(bench, encode(STATUS)), device="eui-" + DEV_EUI, codec="", reason="the device is not registered"
    )
    with bench.database.transaction():
        bench.spool.add_undecoded(stranger)
    bench.directory.devices.append(otaa())
    unread = UnreadPayloads(bench.database, bench.spool, bench.directory, bench.counters, None)  # type: ignore[arg-type]
    assert unread.try_again() == 0
    assert HealthStore(bench.database).state("kn-0001")["firmware"] == "1.0.0"
    assert not bench.spool.undecoded()


def _undecoded(bench: Bench, data: bytes) -> Any:
    event = uplink("chirpstack", 3, b"\xff")
    return replace(event.read.undecoded, payload=data)


def note(after_ms: int, **changes: Any) -> Note:
    return Note(via="lorawan", time_ms=NOW_MS + after_ms, report=as_object(STATUS._replace(**changes)))


def test_the_newest_report_counts_and_an_answer_stays() -> None:
    state, urgent = apply({}, note(0))
    assert urgent, "somebody waits for the answer"
    state, urgent = apply(state, note(1000, waiting=13, answer=None, battery=None))
    assert (state["waiting"], state["answer"]["detail"], "battery" in state, urgent) == (13, "done", False, False)
    state, urgent = apply(state, note(2000, faults=[], answer=None))
    assert (state["faults"], urgent) == ([], True)
    late, urgent = apply(state, note(500, firmware="0.9"))
    assert (late, urgent) == (state, False)
