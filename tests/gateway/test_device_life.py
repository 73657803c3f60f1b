"""The life of a device, as a table: the real device role, three gateways on the real UDP port, the air simulated.

Each row is what happens to the device and what is to be seen of it afterwards. The air delivers a downlink only in a
receive window of the device: right frequency, right data rate.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge.lorawan import eu868
from edge.lorawan.device import Device, Downlink, Joined
from tests.brokers import Broker
from tests.gateway.helpers import EUI, Forwarder, on_air, otaa, payload, rxpk
from tests.gateway.test_service import Listener, Running, broker, brokers, gateway, listener

__all__ = ["broker", "brokers", "listener"]  # fixtures
EUIS = (EUI, "a84041ffff1ec1f6", "a84041ffff1ec1f7")
JOIN_DELAYS_US = (5_000_000, 6_000_000)


@dataclass
class Air:
    """A device, three gateways that hear it with these SNRs (None: not at all), and what went through the air."""

    running: Running
    listener: Listener
    device: Device = field(default_factory=on_air)
    snr_db: tuple[float | None, ...] = (8.0, 5.0, -3.0)
    deaf: bool = False  # the device hears no downlink
    refusals: list[str] = field(default_factory=list)  # what gateways say to what they are told, in order
    seq: int = 0
    tmst: int = 1_000_000
    heard: list[Downlink] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)  # gateway, frequency of each downlink
    random: Random = field(default_factory=lambda: Random(7))

    def __post_init__(self) -> None:
        self.gateways = [Forwarder(self.running.address, eui) for eui in EUIS]
        for one in self.gateways:
            one.pull()

    def _on_air(self, phy: bytes, windows: list[tuple[int, int, int]], hz: int) -> list[bytes]:
        """Send an uplink; the downlinks that fell into (delay in µs, frequency, data rate)."""
        before = sum(self.running.counters.outcomes.values())
        rate = eu868.DATA_RATES[self.device.link.dr]
        self.tmst = (self.tmst + 60_000_000) % 2**32
        radio = {"freq": hz / 1e6, "datr": f"SF{rate.sf}BW125", "tmst": self.tmst}
        for one, snr in zip(self.gateways, self.snr_db, strict=True):
            if snr is not None:
                one.push_and_wait(rxpk(phy, lsnr=snr, **radio))
        self.running.until(lambda c: sum(c.outcomes.values()) > before)
        self.running.settled()
        arrived = []
        while told := [(one, each) for one in self.gateways for each in one.told()]:
            all_of = self.running.counters.datagrams + len(told)
            for one, each in told:
                refusal = self.refusals.pop(0) if self.refusals else None
                one.answer(each, refusal)
                self.sent.append((one.eui, each.tx.freq_hz))
                delay_us = (each.tx.tmst - self.tmst) % 2**32
                dr = eu868.data_rate(each.tx.sf, each.tx.bw_hz)
                if not refusal and not self.deaf and (delay_us, each.tx.freq_hz, dr) in windows:
                    arrived.append(each.tx.phy)
            self.running.until(lambda c, all_of=all_of: c.datagrams >= all_of)
            self.running.settled()
        return arrived

    def join(self) -> bool:
        """One JoinRequest; whether the device is in."""
        windows = [
            (JOIN_DELAYS_US[0], 868_100_000, eu868.rx1_data_rate(self.device.link.dr, 0)),
            (JOIN_DELAYS_US[1], eu868.RX2_HZ, eu868.RX2_DR),
        ]
        accepts = self._on_air(self.device.join_request(), windows, 868_100_000)
        return any(isinstance(self.device.on_join_accept(phy), Joined) for phy in accepts)

    def uplink(self, times: int = 1, confirmed: bool = False) -> None:
        """Readings, one after the other."""
        for _ in range(times):
            self.seq += 1
            channel = self.random.choice(self.device.link.usable_channels())
            windows = [(delay * 1_000_000, hz, dr) for delay, hz, dr in self.device.link.windows(channel)]
            phy = self.device.uplink(payload(self.seq), 1, confirmed)
            for down in self._on_air(phy, windows, channel[0]):
                told = self.device.on_downlink(down, battery=200, margin_db=5)
                assert isinstance(told, Downlink), told
                self.heard.append(told)

    def commands(self) -> set[str]:
        """MAC commands that the device has heard since it was asked last."""
        names = {command.name for told in self.heard for command in told.mac}
        self.heard.clear()
        return names


def reboot(air: Air, keep: bool) -> None:
    air.device = on_air(air.device.to_dict() if keep else None)


def ask_time(air: Air) -> None:
    air.device.request("DeviceTimeReq")
    air.uplink()


Step = tuple[str, Callable[[Air], Any], Callable[[Air], bool]]
LIFE: list[Step] = [
    ("it joins, and has the network's eight channels", Air.join, lambda a: len(a.device.link.usable_channels()) == 8),
    ("it is asked how it is", Air.uplink, lambda a: a.commands() == {"DevStatusReq"}),
    ("it gets its time", ask_time, lambda a: _is_now(a) and a.commands() == {"DeviceTimeAns"}),
    ("it follows ADR: 20 strong receptions at SF12, and it is fast", lambda a: a.uplink(20),
     lambda a: a.commands() == {"LinkADRReq"} and a.device.link.dr == 5),
    ("and then quieter", lambda a: a.uplink(45), lambda a: a.device.link.tx_power > 0),
    ("its answer is lost: the next uplink asks again, and is answered", lambda a: (_deaf(a), a.uplink(confirmed=True)),
     lambda a: a.heard[-1].ack),
    ("the best gateway refuses: the other window, then the other gateway",
     lambda a: (a.sent.clear(), a.refusals.extend(["COLLISION_PACKET", "TX_FREQ"]), a.uplink(confirmed=True)),
     lambda a: [eui for eui, _ in a.sent] == [EUIS[0], EUIS[0], EUIS[1]] and a.sent[1][1] == eu868.RX2_HZ),
    ("it is rebooted with its counters: no gap, no new join",
     lambda a: (reboot(a, True), a.uplink()), lambda a: a.running.counters.outcomes["join"] == 1),
    ("it goes out of reach of the best gateway", lambda a: (_hear(a, None, 5.0, -3.0), a.sent.clear(),
     a.uplink(confirmed=True)), lambda a: {eui for eui, _ in a.sent} == {EUIS[1]}),
    ("it is rebooted without its counters: its first DevNonces were used, and it says so",
     lambda a: (reboot(a, False), a.join()), lambda a: a.running.counters.outcomes["join_refused"] == 1),
    ("and gets in with the next one", Air.join, lambda a: a.running.counters.outcomes["join"] == 2),
    ("all goes on in the new session", lambda a: a.uplink(2), lambda a: a.running.counters.outcomes["replay"] == 0),
]  # fmt: skip


def _deaf(air: Air) -> None:
    air.deaf = True
    air.uplink(confirmed=True)
    air.deaf = False


def _hear(air: Air, *snr_db: float | None) -> None:
    air.snr_db = snr_db


def _is_now(air: Air) -> bool:
    (answer,) = [c for told in air.heard for c in told.mac if c.name == "DeviceTimeAns"]
    utc_s = answer.fields["gps_seconds"] + 315_964_800 - 18 + answer.fields["fraction_256ths"] / 256
    return abs(utc_s - time.time()) < 2


@pytest.fixture
def air(broker: Broker, listener: Listener, tmp_path: Path) -> Iterator[Air]:
    with gateway(broker.port, tmp_path, otaa()) as running:
        yield Air(running, listener)


def test_the_life_of_a_device(air: Air) -> None:
    for what, happens, is_seen in LIFE:
        happens(air)
        assert is_seen(air), what
    readings = air.listener.readings(air.seq)
    assert sorted(reading["seq"] for reading in readings) == list(range(1, air.seq + 1)), "each once, none lost"
    first = readings[0]["link"]
    assert (first["gateway"], first["gateways"]) == (EUIS[0], list(EUIS))
    assert air.running.counters.faults == 0
