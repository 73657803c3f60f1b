"""The network role with the real device role: joins, data, what is refused and why, and what a crash may repeat."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan import frames
from edge.lorawan.control import EU868, Control
from edge.lorawan.device import Device as LoRaWANDevice
from edge.lorawan.device import Downlink as DeviceDownlink
from edge.lorawan.device import Joined
from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.lorawan.aes import aes
from gateway.lorawan.dedup import Deduplicator, Heard, Reception
from gateway.lorawan.downlinks import Downlinks
from gateway.lorawan.network import Handled, Network, Outcome
from gateway.lorawan.sessions import Sessions
from gateway.semtech.objects import Rx
from gateway.tell import Tell
from schemas.models import TimeSource
from tests.gateway.helpers import (
    APP_KEY,
    APP_SKEY,
    DEV_EUI,
    EUI,
    JOIN_EUI,
    NWK_SKEY,
    OTHER_EUI,
    Directory,
    PlainSeal,
    abp,
    abp_on_air,
    on_air,
    otaa,
    payload,
)

NOW_MS = 1_795_000_000_000
QUIET = EU868._replace(channels_hz=(), status_every_s=0)  # asks nothing of devices
TMST = 2**32 - 1_000_000  # so that every answer wraps


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    yield database
    database.close()


def heard(phy: bytes, *others: str, **more: Any) -> Reception:
    radio = {"freq_hz": 868_300_000, "sf": 9, "bw_hz": 125000, "rssi_dbm": -101, "snr_db": 4.5, "tmst": TMST}
    rx = Rx(gateway=EUI, phy=phy, **{**radio, **more})
    return Reception((Heard(rx, NOW_MS, 1), *(Heard(Rx(gateway=other, phy=phy), NOW_MS, 2) for other in others)))


def joined(network: Network, device: LoRaWANDevice) -> Handled:
    handled = network.handle(heard(device.join_request()))
    assert handled.outcome is Outcome.JOIN, handled
    assert handled.downlink is not None
    assert isinstance(device.on_join_accept(handled.downlink.phy), Joined)
    return handled


def network(database: Database, *devices: Any) -> Network:
    directory, downlinks = Directory(*(devices or (otaa(),))), Downlinks(database)
    tell = Tell(database, directory, downlinks, GatewayCounters(), Faults(logging.getLogger(__name__), lambda: 0))
    return Network(directory, Sessions(database, PlainSeal()), downlinks, tell, plan=QUIET)


def test_a_device_joins_and_its_readings_come_out(database: Database) -> None:
    net, device = network(database), on_air()
    rx1, rx2 = joined(net, device).downlink.windows  # type: ignore[union-attr]
    assert (rx1.gateway, rx1.tmst, rx1.freq_hz, rx1.dr, rx1.power_dbm) == (EUI, 4_000_000, 868_300_000, 3, 14)
    assert (rx2.gateway, rx2.tmst, rx2.freq_hz, rx2.dr, rx2.power_dbm) == (EUI, 5_000_000, 869_525_000, 0, 27)
    assert len(device.link.usable_channels()) == 3
    handled = net.handle(heard(device.uplink(payload(4711), 1), OTHER_EUI))
    assert (handled.outcome, handled.device, handled.downlink) == (Outcome.READINGS, "kn-0001", None)
    (reading,) = handled.read.readings
    assert (reading.device, reading.generation, reading.seq) == ("kn-0001", 1, 4711)
    assert reading.values == {"air_temperature": 3.42}
    assert device.session is not None
    assert reading.link is not None
    assert reading.link.model_dump() == {
        "via": "lorawan", "gateway": EUI, "gateways": [EUI, OTHER_EUI], "rssi_dbm": -101, "snr_db": 4.5, "sf": 9,
        "frequency_hz": 868_300_000, "fcnt": 0, "fport": 1, "dev_addr": frames.addr_text(device.session.dev_addr),
    }  # fmt: skip


def test_a_frame_without_a_time_is_as_old_as_its_reception(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    (reading,) = net.handle(heard(device.uplink(payload(1, time_s=None), 2))).read.readings
    assert reading.time is not None
    assert (reading.time.timestamp() * 1000, reading.time_source) == (NOW_MS, TimeSource.RECEIVER)


def test_a_foreign_device_is_counted_by_session_and_frame(database: Database) -> None:
    net, device = network(database, otaa(codec="cayenne-lpp")), on_air()
    joined(net, device)
    joined(net, device)
    for fcnt in range(2):
        (reading,) = net.handle(heard(device.uplink(bytes.fromhex("01670110"), 42))).read.readings
        assert (reading.generation, reading.seq, reading.index) == (2, fcnt, 0)
        assert reading.values == {"air_temperature": 27.2}


def test_personalised_devices(database: Database) -> None:
    neighbour = abp("kn-0003", nwk_skey="33" * 16)  # the same address, other keys
    net, device = network(database, neighbour, abp(codec="cayenne-lpp")), abp_on_air()
    (reading,) = net.handle(heard(device.uplink(bytes.fromhex("01670110"), 1))).read.readings
    assert (reading.device, reading.generation, reading.seq) == ("kn-0002", 0, 0)
    again = network(database, abp(codec="cayenne-lpp"))  # what a session knows is in the store
    assert again.handle(heard(abp_on_air().uplink(bytes.fromhex("01670110"), 1))).outcome is Outcome.RETRANSMISSION
    (reading,) = again.handle(heard(device.uplink(bytes.fromhex("01670110"), 1))).read.readings
    assert reading.seq == 1


def test_new_keys_of_a_personalised_device_start_new_counters(database: Database) -> None:
    device = abp_on_air()
    for _ in range(3):
        assert network(database, abp()).handle(heard(device.uplink(payload(1), 1))).outcome is Outcome.READINGS
    rekeyed = abp(nwk_skey="44" * 16)
    fresh = LoRaWANDevice.abp(device._aes, device.session.dev_addr, bytes.fromhex("44" * 16), device.session.app_skey)  # type: ignore[union-attr]
    assert network(database, rekeyed).handle(heard(fresh.uplink(payload(2), 1))).outcome is Outcome.READINGS


def test_a_device_that_now_joins_is_not_heard_by_its_old_keys(database: Database) -> None:
    device = abp_on_air()
    assert (
        network(database, abp(dev_eui=DEV_EUI)).handle(heard(device.uplink(payload(1), 1))).outcome is Outcome.READINGS
    )
    assert network(database, otaa()).handle(heard(device.uplink(payload(2), 1))).outcome is Outcome.NOT_FOR_US


def test_replay_retransmission_and_forgery(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    first, second = (device.uplink(payload(n), 1) for n in (1, 2))
    assert net.handle(heard(first)).outcome is Outcome.READINGS
    assert net.handle(heard(second)).outcome is Outcome.READINGS
    assert net.handle(heard(second)).outcome is Outcome.RETRANSMISSION
    replay = net.handle(heard(first))
    assert (replay.outcome, replay.read.readings) == (Outcome.REPLAY, ())
    assert replay.read.undecoded is not None
    assert (replay.read.undecoded.payload, replay.read.undecoded.fport) == (payload(1), 1)
    forged = second[:-5] + bytes((second[-5] ^ 1,)) + second[-4:]
    assert net.handle(heard(forged)).outcome is Outcome.BAD_MIC
    assert net.handle(heard(device.uplink(payload(3), 1))).outcome is Outcome.READINGS


def test_the_last_counter_with_other_bytes_is_no_retransmission(database: Database) -> None:
    net = network(database, abp())
    before, after = abp_on_air(), abp_on_air()
    assert net.handle(heard(before.uplink(payload(1), 1))).outcome is Outcome.READINGS
    other = net.handle(heard(after.uplink(payload(2), 1, confirmed=True)))
    assert (other.outcome, other.downlink) == (Outcome.REPLAY, None)
    assert other.read.undecoded is not None
    assert other.read.undecoded.payload == payload(2)
    assert net.handle(heard(after.uplink(payload(3), 1))).outcome is Outcome.READINGS


def test_a_device_that_counts_anew_after_65536_frames_is_known(database: Database) -> None:
    net, sessions = network(database, abp()), Sessions(database, PlainSeal())
    device = abp_on_air()
    session = device.session
    assert session is not None
    sessions.save("kn-0002", session.advanced(fcnt_up=70_000), Control(), b"last")
    handled = net.handle(heard(device.uplink(payload(1), 1)))
    assert handled.outcome is Outcome.REPLAY
    assert handled.read.undecoded is not None
    assert handled.read.undecoded.payload == payload(1)
    assert "frame 0 came after frame 69999" in handled.detail
    forged = device.uplink(payload(1), 1)[:-1] + b"\x00"
    assert net.handle(heard(forged)).outcome is Outcome.BAD_MIC


def test_a_confirmed_uplink_is_acknowledged_as_often_as_it_comes(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    phy = device.uplink(payload(1), 1, confirmed=True)
    fcnts = []
    for outcome in (Outcome.READINGS, Outcome.RETRANSMISSION):
        handled = net.handle(heard(phy))
        assert handled.outcome is outcome
        assert handled.downlink is not None
        assert handled.downlink.windows[0].tmst == 0  # one second later
        answer = device.on_downlink(handled.downlink.phy)
        assert isinstance(answer, DeviceDownlink)
        assert answer.ack
        fcnts.append(answer.fcnt)
    assert fcnts == [0, 1]


def test_keys_are_not_shown() -> None:
    shown = repr(otaa(nwk_skey=NWK_SKEY, app_skey=APP_SKEY))
    assert [key for key in (APP_KEY, NWK_SKEY, APP_SKEY) if key in shown] == []


def test_join_rules(database: Database) -> None:
    net, device = network(database), on_air()
    request = device.join_request()
    assert net.handle(heard(request)).outcome is Outcome.JOIN
    again = net.handle(heard(request))
    assert (again.outcome, again.downlink) == (Outcome.JOIN_REFUSED, None)
    assert "not above the last one" in again.detail
    other_join_eui = network(database, otaa(join_eui="00000000000000ff"))
    refused = other_join_eui.handle(heard(device.join_request()))
    assert (refused.outcome, refused.device) == (Outcome.JOIN_REFUSED, "kn-0001")
    other_key = network(database, otaa(app_key="00" * 16))
    assert other_key.handle(heard(device.join_request())).outcome is Outcome.BAD_MIC
    stranger = network(database, abp()).handle(heard(device.join_request()))
    assert (stranger.outcome, stranger.detail) == (Outcome.UNKNOWN_DEVICE, DEV_EUI)
    assert network(database, otaa(join_eui=None)).handle(heard(device.join_request())).outcome is Outcome.JOIN


def test_a_device_of_another_make_may_draw_its_nonces(database: Database) -> None:
    """LoRaWAN 1.0.2 and 1.0.3: not one that was used, in any order; 1.0.4, as ours are, counts up."""
    for codec, outcome in (("cayenne-lpp", Outcome.JOIN), ("klimanetz", Outcome.JOIN_REFUSED)):
        device = otaa(codec=codec, dev_eui=f"70b3d57ed000{len(codec):04x}")
        net = network(database, device)
        eui, key = int(device.dev_eui or "", 16), bytes.fromhex(APP_KEY)
        drawn = [LoRaWANDevice(aes, int(JOIN_EUI, 16), eui, key, {"dev_nonce": n}) for n in (500, 7, 500)]
        outcomes = [net.handle(heard(one.join_request())).outcome for one in drawn]
        assert outcomes == [Outcome.JOIN, outcome, Outcome.JOIN_REFUSED]


def test_a_device_with_new_keys_may_count_its_joins_anew(database: Database) -> None:
    joined(network(database), on_air())
    assert network(database).handle(heard(on_air().join_request())).outcome is Outcome.JOIN_REFUSED
    for join_eui, app_key in ((JOIN_EUI, "44" * 16), ("00000000000000ff", "44" * 16)):
        rekeyed = network(database, otaa(join_eui=join_eui, app_key=app_key))
        fresh = LoRaWANDevice(aes, int(join_eui, 16), int(DEV_EUI, 16), bytes.fromhex(app_key))
        request = fresh.join_request()
        handled = rekeyed.handle(heard(request))
        assert handled.outcome is Outcome.JOIN
        assert isinstance(fresh.on_join_accept(handled.downlink.phy), Joined)  # type: ignore[union-attr]
        assert rekeyed.handle(heard(request)).outcome is Outcome.JOIN_REFUSED
        assert rekeyed.handle(heard(fresh.uplink(payload(1), 1))).outcome is Outcome.READINGS


def test_the_session_before_lives_until_the_new_one_is_used(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    assert net.handle(heard(device.uplink(payload(1), 1))).outcome is Outcome.READINGS
    for _ in range(6):  # none of these answers is heard
        assert net.handle(heard(device.join_request())).outcome is Outcome.JOIN
    old = on_air(device.to_dict())
    assert net.handle(heard(old.uplink(payload(2), 1))).outcome is Outcome.READINGS
    joined(net, device)
    assert net.handle(heard(device.uplink(payload(3), 1))).outcome is Outcome.READINGS
    assert net.handle(heard(old.uplink(payload(4), 1))).outcome is Outcome.NOT_FOR_US


def test_frames_of_others(database: Database) -> None:
    net = network(database)
    assert net.handle(heard(abp_on_air().uplink(b"x", 1))).outcome is Outcome.NOT_FOR_US
    down = frames.build_data(frames.UNCONFIRMED_DOWN, 1, 0) + b"abcd"
    assert net.handle(heard(down)).outcome is Outcome.NOT_FOR_US
    assert net.handle(heard(b"")).outcome is Outcome.MALFORMED
    assert net.handle(heard(b"\xff\xff\xff")).outcome is Outcome.MALFORMED


def test_what_no_codec_reads_is_kept(database: Database) -> None:
    net, device = network(database, otaa()), on_air()
    joined(net, device)
    handled = net.handle(heard(device.uplink(b"\xff\xff", 1)))
    undecoded = handled.read.undecoded
    assert handled.outcome is Outcome.UNDECODED
    assert undecoded is not None
    assert (undecoded.device, undecoded.payload, undecoded.fport) == ("kn-0001", b"\xff\xff", 1)
    assert "wire format" in undecoded.reason
    assert net.handle(heard(device.uplink())).outcome is Outcome.EMPTY


def test_the_network_answers_what_a_device_asks(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    device.request("LinkCheckReq")
    device.request("DeviceTimeReq")
    handled = net.handle(heard(device.uplink(payload(1), 1), OTHER_EUI))
    assert handled.downlink is not None
    answer = device.on_downlink(handled.downlink.phy)
    assert isinstance(answer, DeviceDownlink)
    assert {c.name: c.fields for c in answer.mac} == {
        "LinkCheckAns": {"margin": 17, "gateway_count": 2},
        "DeviceTimeAns": {"gps_seconds": NOW_MS // 1000 - 315964800 + 18, "fraction_256ths": 0},
    }


def test_a_device_that_is_never_answered_asks_and_is_answered(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    answers = [net.handle(heard(device.uplink(payload(n), 1), snr_db=-5)).downlink for n in range(1, 70)]
    assert any(answers)
    assert not any(answers[:60])


def test_a_gateway_without_counter_cannot_answer(database: Database) -> None:
    device = on_air()
    handled = network(database).handle(heard(device.join_request(), tmst=None))
    assert (handled.outcome, handled.downlink) == (Outcome.JOIN, None)


def test_sessions_survive_a_restart(database: Database, tmp_path: Path) -> None:
    device = on_air()
    joined(network(database), device)
    sent = device.uplink(payload(1), 1)
    assert network(database).handle(heard(sent)).outcome is Outcome.READINGS
    database.close()
    again = Database(tmp_path)
    net = network(again)
    assert net.handle(heard(sent)).outcome is Outcome.RETRANSMISSION
    assert net.handle(heard(device.uplink(payload(2), 1))).outcome is Outcome.READINGS
    again.close()


def test_a_rolled_back_frame_is_new_again(database: Database) -> None:
    net, device = network(database), on_air()
    joined(net, device)
    sent = device.uplink(payload(1), 1)
    with contextlib.suppress(ZeroDivisionError), database.transaction():
        assert net.handle(heard(sent)).outcome is Outcome.READINGS
        1 / 0  # noqa: B018
    assert net.handle(heard(sent)).outcome is Outcome.READINGS


def test_one_transmission_heard_by_many() -> None:
    window = Deduplicator(200)

    def hear(gateway: str, phy: bytes, now_ms: int, **more: Any) -> bool:
        return window.add(Heard(Rx(gateway=gateway, phy=phy, **more), NOW_MS + now_ms, now_ms), now_ms)

    assert hear("a", b"1", 0, snr_db=-5, tmst=1)
    assert not hear("b", b"1", 50, snr_db=7.5, tmst=2)
    assert not hear("c", b"1", 60, snr_db=12)  # the best link, but it cannot answer
    assert not hear("b", b"1", 61, snr_db=1, tmst=2, antenna=1)
    assert hear("a", b"2", 100)
    assert window.next_due_ms() == 200
    assert window.due(199) == []
    (one,) = window.due(200)
    assert (one.best.gateway, one.gateways, one.received_ms) == ("b", ["b", "a", "c"], NOW_MS)
    assert hear("a", b"1", 201)  # after the window it is a frame of its own
    assert [r.best.phy for r in window.due(1000)] == [b"2", b"1"]
    assert window.next_due_ms() is None
