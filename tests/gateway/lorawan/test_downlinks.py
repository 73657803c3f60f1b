"""What goes down: which window, which gateway, what waits in the queue, and what devices are told of their readings."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.lorawan import eu868
from edge.lorawan.control import EU868
from edge.lorawan.device import Downlink as Heard_
from edge.lorawan.device import Joined
from edge.lorawan.link import Link
from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.lorawan import windows
from gateway.lorawan.answers import LEAP_SECONDS, Downlink, heard_ms
from gateway.lorawan.dedup import Heard, Reception
from gateway.lorawan.downlinks import TRIES_MAX, WAITING_MAX, Downlinks
from gateway.lorawan.network import Network, Outcome
from gateway.lorawan.sessions import Sessions
from gateway.lorawan.transmitter import Transmitter
from gateway.semtech import datagrams
from gateway.semtech.forwarders import Forwarders
from gateway.semtech.objects import Rx, time_of
from gateway.tell import ACK_READINGS, Tell
from schemas.models import Device
from schemas.wire_down import decode_ack, decode_command
from tests.gateway.helpers import EUI, OTHER_EUI, Directory, PlainSeal, abp, abp_on_air, on_air, otaa, payload

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
ADDRESS, OTHER_ADDRESS = ("192.0.2.1", 1), ("192.0.2.2", 2)


@dataclass
class House:
    """The network role with everything that belongs to it, and a clock that stands."""

    folder: Path
    directory: Directory
    plan: Any = field(default_factory=lambda: EU868._replace(channels_hz=(), status_every_s=0))

    def __post_init__(self) -> None:
        self.database = Database(self.folder)
        self.counters = GatewayCounters()
        faults = Faults(logging.getLogger(__name__), lambda: 0)
        self.lost: list[tuple[str, str]] = []
        self.downlinks = Downlinks(self.database, lambda device, how: self.lost.append((device, how)))
        self.tell = Tell(self.database, self.directory, self.downlinks, self.counters, faults)
        self.network = Network(
            self.directory, Sessions(self.database, PlainSeal()), self.downlinks, self.tell, plan=self.plan
        )
        self.forwarders = Forwarders()
        self.forwarders.pulled(EUI, ADDRESS, 2)
        self.forwarders.pulled(OTHER_EUI, OTHER_ADDRESS, 2)
        self.sent: list[Downlink] = []
        self.transmitter = Transmitter(self.forwarders, self.counters, faults, self.sent.append)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, Directory(otaa(), abp()))
    yield house
    house.database.close()


def heard(phy: bytes, *others: str, at_ms: int = NOW_MS, **more: Any) -> Reception:
    radio = {"freq_hz": 868_300_000, "sf": 9, "bw_hz": 125000, "rssi_dbm": -101, "snr_db": 4.5, "tmst": 1_000_000}
    first = Heard(Rx(gateway=EUI, phy=phy, **{**radio, **more}), at_ms, 1)
    rest = [
        Heard(Rx(gateway=other, phy=phy, **{**radio, "tmst": 7, "snr_db": -3.0}), at_ms + 20, 2) for other in others
    ]
    return Reception((first, *rest))


def ack(pull_resp: bytes, error: str | None = None, gateway: str = EUI) -> datagrams.TxAck:
    return datagrams.TxAck(2, pull_resp[1:3], gateway, error)


# --- windows


def test_the_windows_of_every_gateway_the_best_link_first() -> None:
    found = windows.after_uplink(heard(b"x", OTHER_EUI), Link())
    assert [(w.gateway, w.freq_hz, w.dr, w.tmst, w.opens_ms - NOW_MS) for w in found] == [
        (EUI, 868_300_000, 3, 2_000_000, 1000),
        (EUI, 869_525_000, 0, 3_000_000, 2000),
        (OTHER_EUI, 868_300_000, 3, 1_000_007, 1000),
        (OTHER_EUI, 869_525_000, 0, 2_000_007, 2000),
    ]
    assert [w.opens_ms - NOW_MS for w in windows.after_join(heard(b"x"))] == [5000, 6000]


def test_windows_follow_what_the_device_was_told() -> None:
    link = Link()
    link.rx1_dr_offset, link.rx2_dr, link.rx2_hz, link.rx_delay_s = 2, 3, 869_525_000, 5
    link.channels[1][1] = 868_800_000  # DlChannelReq
    rx1, rx2 = windows.after_uplink(heard(b"x"), link)
    assert (rx1.freq_hz, rx1.dr, rx1.opens_ms - NOW_MS, rx1.tmst) == (868_800_000, 1, 5000, 6_000_000)
    assert (rx2.dr, rx2.opens_ms - NOW_MS, rx2.payload_max) == (3, 6000, 115)
    (only,) = windows.after_uplink(heard(b"x", sf=None), Link())
    assert only.freq_hz == 869_525_000, "the second window does not ask how the uplink came"
    assert windows.after_uplink(heard(b"x", tmst=None), Link()) == ()


# --- the transmitter


def test_a_refusal_goes_to_the_next_window_and_gateway(house: House) -> None:
    downlink = Downlink("kn-1", b"p" * 20, windows.after_uplink(heard(b"x", OTHER_EUI), Link()))
    seen = []
    out = house.transmitter.send(downlink, NOW_MS + 200)
    while out:
        ((datagram, address),) = out
        tx = datagrams.parse(datagram).tx  # type: ignore[union-attr]
        seen.append((address, tx.freq_hz, tx.sf, tx.tmst, tx.power_dbm))
        gateway = EUI if address == ADDRESS else OTHER_EUI
        out = house.transmitter.answered(ack(datagram, "COLLISION_PACKET", gateway), NOW_MS + 300)
    assert seen == [
        (ADDRESS, 868_300_000, 9, 2_000_000, 14),
        (ADDRESS, 869_525_000, 12, 3_000_000, 27),
        (OTHER_ADDRESS, 868_300_000, 9, 1_000_007, 14),
        (OTHER_ADDRESS, 869_525_000, 12, 2_000_007, 27),
    ]
    assert (house.counters.downlinks_refused, house.counters.downlinks_failed) == (
        {"COLLISION_PACKET": 4},
        {"COLLISION_PACKET": 1},
    )
    assert house.sent == []


@pytest.mark.parametrize(("late_ms", "freq_hz"), [(0, 868_300_000), (960, 869_525_000), (1960, None)])
def test_a_window_that_is_over_is_not_tried(house: House, late_ms: int, freq_hz: int | None) -> None:
    downlink = Downlink("kn-1", b"p" * 20, windows.after_uplink(heard(b"x"), Link()))
    out = house.transmitter.send(downlink, NOW_MS + late_ms)
    assert [datagrams.parse(d).tx.freq_hz for d, _ in out] == ([freq_hz] if freq_hz else [])  # type: ignore[union-attr]
    assert house.counters.downlinks_failed["TOO_LATE"] == (freq_hz is None)


def test_only_the_gateway_that_was_told_can_answer(house: House) -> None:
    downlink = Downlink("kn-1", b"p" * 20, windows.after_uplink(heard(b"x"), Link()))
    ((datagram, _),) = house.transmitter.send(downlink, NOW_MS)
    assert house.transmitter.answered(ack(datagram, "TOO_LATE", OTHER_EUI), NOW_MS) == []
    assert house.transmitter.answered(ack(datagram), NOW_MS) == []
    assert house.sent == [downlink]
    assert house.transmitter.answered(ack(datagram, "TOO_LATE"), NOW_MS) == [], "it has answered"


def test_two_frames_of_one_gateway_do_not_meet(house: House) -> None:
    ways = windows.after_uplink(heard(b"x"), Link())
    first, second = Downlink("kn-1", b"p" * 20, ways), Downlink("kn-2", b"q" * 20, ways)
    house.transmitter.send(first, NOW_MS)
    ((datagram, _),) = house.transmitter.send(second, NOW_MS)
    assert datagrams.parse(datagram).tx.freq_hz == 869_525_000  # type: ignore[union-attr]
    assert house.transmitter.send(Downlink("kn-3", b"r" * 20, ways), NOW_MS) == []
    assert house.counters.downlinks_failed == {"COLLISION_PACKET": 1}


def test_a_gateway_of_the_first_version_says_nothing_and_counts_as_sent(house: House) -> None:
    house.forwarders.pulled(EUI, ADDRESS, 1)
    downlink = Downlink("kn-1", b"p" * 20, windows.after_uplink(heard(b"x"), Link()))
    ((datagram, _),) = house.transmitter.send(downlink, NOW_MS)
    assert datagram[0] == 1
    assert house.sent == [downlink]


def test_a_gateway_s_air_time_is_not_exceeded(house: House) -> None:
    """SF12 answers for an hour: 1 % of the first window's band, 10 % of the second's, and then no more."""
    used = {868_300_000: 0, 869_525_000: 0}
    for n in range(900):
        reception = heard(b"x", at_ms=NOW_MS + n * 4000, sf=12, tmst=n * 4_000_000 % 2**32)
        downlink = Downlink("kn-1", b"p" * 64, windows.after_uplink(reception, Link()))
        for datagram, _ in house.transmitter.send(downlink, reception.received_ms):
            tx = datagrams.parse(datagram).tx  # type: ignore[union-attr]
            used[tx.freq_hz] += eu868.airtime_us(len(tx.phy), 0, uplink=False)
    assert 33_000_000 < used[868_300_000] <= 36_000_000
    assert 350_000_000 < used[869_525_000] <= 360_000_000
    assert house.counters.downlinks_failed["DUTY_CYCLE"] > 300


@given(st.integers(0, 2**32 - 1), st.integers(1, 3_000_000), st.integers(-4_000_000, 4_000_000))
@settings(max_examples=200)
def test_transmissions_meet_also_where_the_counter_wraps(start: int, length: int, step: int) -> None:
    from gateway.lorawan.transmitter import _overlap

    other = (start + step) % 2**32
    assert _overlap(start, length, other, 500_000) == (-500_000 < step < length)


# --- the queue


def test_items_leave_the_queue_by_a_reason(house: House) -> None:
    queue = house.downlinks
    for n in range(WAITING_MAX + 3):
        queue.add("kn-1", 5, b"%d" % n, NOW_MS)
    head = queue.head("kn-1", NOW_MS)
    assert head is not None
    assert (head.payload, head.more, queue.ended) == (b"3", True, {"too_many": 3})
    queue.add("kn-2", 10, b"old", NOW_MS, reference="ack")
    queue.add("kn-2", 10, b"new", NOW_MS, reference="ack")
    assert queue.head("kn-2", NOW_MS).payload == b"new"  # type: ignore[union-attr]
    assert queue.head("kn-2", NOW_MS + 8 * DAY_MS) is None
    assert queue.ended == {"too_many": 3, "replaced": 1, "expired": 1}


def test_a_command_is_repeated_until_the_device_confirms_it(house: House) -> None:
    device = abp_on_air()
    house.tell.command("kn-0002", b'{"id": "c-1", "command": "status"}', NOW_MS)
    for seq in (1, 2):  # the first answer is not heard
        handled = house.network.handle(heard(device.uplink(payload(seq), 1)))
        assert handled.downlink is not None
        assert handled.downlink.item is not None
    told = device.on_downlink(handled.downlink.phy)  # type: ignore[union-attr]
    assert isinstance(told, Heard_)
    assert (told.fport, told.confirmed) == (11, True)
    assert decode_command(told.payload).command == "status"
    assert house.network.handle(heard(device.uplink(payload(3), 1))).downlink is None
    assert house.downlinks.ended == {"confirmed": 1}


def test_a_command_that_nobody_confirms_ends(house: House) -> None:
    device = abp_on_air()
    house.tell.command("kn-0002", b'{"id": "c-1", "command": "status"}', NOW_MS)
    answers = []
    for n in range(1, 15):
        answers.append(house.network.handle(heard(device.uplink(payload(n), 1))).downlink)
        if answers[-1] is not None:
            house.downlinks.sent(answers[-1].item)  # type: ignore[arg-type]
    assert [answer is not None for answer in answers] == [True] * TRIES_MAX + [False] * (14 - TRIES_MAX)
    assert house.downlinks.ended == {"unanswered": 1}
    assert house.lost == [("kn-0002", "unanswered")]


def test_what_no_window_takes_is_sent_with_the_next_uplink(house: House) -> None:
    device = abp_on_air()
    house.downlinks.add("kn-0002", 20, b"hello", NOW_MS)
    first = house.network.handle(heard(device.uplink(payload(1), 1))).downlink
    assert first is not None
    assert house.transmitter.send(first, NOW_MS + 5000) == []  # far too late
    second = house.network.handle(heard(device.uplink(payload(2), 1))).downlink
    assert second is not None
    told = device.on_downlink(second.phy)
    assert isinstance(told, Heard_)
    assert (told.payload, told.fport) == (b"hello", 20)
    house.downlinks.sent(second.item)  # type: ignore[arg-type]
    assert house.network.handle(heard(device.uplink(payload(3), 1))).downlink is None


def test_what_is_too_long_for_the_data_rate_waits_for_a_faster_one(house: House) -> None:
    device = abp_on_air()
    house.downlinks.add("kn-0002", 20, b"x" * 100, NOW_MS)
    assert house.network.handle(heard(device.uplink(payload(1), 1), sf=12)).downlink is None
    downlink = house.network.handle(heard(device.uplink(payload(2), 1), sf=9)).downlink
    assert downlink is not None
    assert [window.dr for window in downlink.windows] == [3], "the second window is too slow for it"


# --- what devices are told


def test_acknowledgements_are_gathered(house: House) -> None:
    device, told = abp_on_air(), []
    for seq in range(1, 3 * ACK_READINGS + 1):
        downlink = house.network.handle(
            heard(device.uplink(payload(seq), 1), at_ms=NOW_MS + seq * 900_000, snr_db=-5)
        ).downlink
        house.tell.acknowledged("kn-0002", [(1, seq, seq)])
        if downlink is not None:
            answer = device.on_downlink(downlink.phy)
            assert isinstance(answer, Heard_)
            assert answer.fport == 10
            told.append(decode_ack(answer.payload))
            house.downlinks.sent(downlink.item)  # type: ignore[arg-type]
    assert 2 <= len(told) <= 4
    assert told[-1] == [(1, 1, told[-1][0][2])]
    assert told[-1][0][2] >= 2 * ACK_READINGS


def test_an_acknowledgement_names_gaps_and_generations(house: House) -> None:
    device = abp_on_air()
    house.tell.acknowledged("kn-0002", [(1, 1, 10), (2, 5, 30)])
    house.tell.acknowledged("kn-0002", [(1, 12, 20), (1, 11, 11), (2, 32, 40)])
    downlink = house.network.handle(heard(device.uplink(payload(1), 1))).downlink
    assert downlink is not None
    answer = device.on_downlink(downlink.phy)
    assert isinstance(answer, Heard_)
    assert decode_ack(answer.payload) == [(2, 32, 40), (2, 5, 30), (1, 1, 20)]


def test_only_our_own_lorawan_devices_are_told(house: House) -> None:
    house.directory.devices += [abp("lpp", codec="cayenne-lpp"), Device(device="wifi", activation="mqtt")]
    for device in ("lpp", "wifi", "nobody"):
        house.tell.acknowledged(device, [(1, 1, 100)])
        house.tell.heard(device, NOW_MS)
        house.tell.command(device, b'{"id": "c", "command": "status"}', NOW_MS)
    assert house.downlinks.waiting() == 0
    assert house.counters.bad_commands == 0


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b'{"id": "c", "command": "reboot"}',
        b'{"id": "c", "command": "resend"}',
        b'{"id": "c", "command": "resend", "ranges": [[1, 5, 4294967296]]}',
        b'{"id": "c", "command": "configure", "configuration": {"much": "' + b"x" * 60 + b'"}}',
    ],
)
def test_a_command_that_cannot_be_sent_is_said(house: House, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    house.tell.command("kn-0002", body, NOW_MS)
    assert (house.downlinks.waiting(), house.counters.bad_commands) == (0, 1)
    assert "a command for kn-0002 cannot be sent: " in caplog.text


def test_a_resend_reaches_the_device(house: House) -> None:
    device = abp_on_air()
    house.tell.command("kn-0002", b'{"id": "c", "command": "resend", "ranges": [[1, 118, 119], [1, 7, 7]]}', NOW_MS)
    downlink = house.network.handle(heard(device.uplink(payload(1), 1))).downlink
    assert downlink is not None
    answer = device.on_downlink(downlink.phy)
    assert isinstance(answer, Heard_)
    assert decode_command(answer.payload).ranges == [(1, 118, 119), (1, 7, 7)]


# --- time


@pytest.mark.parametrize(
    ("ahead_ms", "expected_ms"), [(None, 0), (-40, -40), (-4000, -4000), (-6000, 0), (3_600_000, 0)]
)
def test_whose_time_a_device_is_told(ahead_ms: int | None, expected_ms: int) -> None:
    text = None
    if ahead_ms is not None:
        from schemas.models import utc_text_ms

        text = utc_text_ms(NOW_MS + ahead_ms)
    assert heard_ms(heard(b"x", time=time_of(text))) - NOW_MS == expected_ms


def test_gps_time_is_ahead_by_the_leap_seconds(house: House) -> None:
    """2026-11-22T10:15:00Z is GPS second 1,479,377,718: 46 years of seconds since 1980-01-06 and 18 leap seconds."""
    device = on_air()
    joined = house.network.handle(heard(device.join_request()))
    assert joined.outcome is Outcome.JOIN
    assert isinstance(device.on_join_accept(joined.downlink.phy), Joined)  # type: ignore[union-attr]
    device.request("DeviceTimeReq")
    reception = heard(device.uplink(payload(1), 1), at_ms=1_795_342_500_000 + 250)
    answer = device.on_downlink(house.network.handle(reception).downlink.phy)  # type: ignore[union-attr]
    assert isinstance(answer, Heard_)
    (time,) = answer.mac
    assert time.fields == {"gps_seconds": 1_795_342_500 - 315_964_800 + 18, "fraction_256ths": 64}
    assert LEAP_SECONDS == 18
