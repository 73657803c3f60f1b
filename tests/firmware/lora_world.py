"""A world for the LoRaWAN carrier in one process: a desk, a board whose memories can lose power, and a network on the air.

Runs under MicroPython. The network is the real network role of `edge.lorawan`; what it hears is remembered, so that a
nonce or a counter that comes twice is found. `PowerCut` is no Exception: nothing that handles trouble may catch it.
"""

import time

from edge.aes_micropython import aes
from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.session import Session
from schemas.wire import WireReading
from schemas.wire import decode as decode_readings

OTAA = {
    "device": "kn-0001", "activation": "otaa", "dev_eui": "70b3d57ed0000001", "join_eui": "0000000000000001",
    "app_key": "2b7e151628aed2a6abf7158809cf4f3c",
}  # fmt: skip
ABP = {"device": "kn-0002", "activation": "abp", "dev_addr": "26011bda", "nwk_skey": "11" * 16, "app_skey": "22" * 16}
CONFIG = {"interval_s": 900, "lorawan": {"dr": 3, "adr": True, "fair_use_s": 0}}
__all__ = ("ABP", "CONFIG", "OTAA", "Air", "Board", "Chance", "Desk", "PowerCut", "Session", "config")
APP_KEY = bytes.fromhex(OTAA["app_key"])


def config(**lorawan):
    """CONFIG with other settings."""
    return {"interval_s": 900, "lorawan": lorawan}


class Chance:
    """In place of a device's random numbers: `seed` gives the same ones again."""

    def __init__(self, seed):
        self.state = seed * 2654435761 & 0xFFFFFFFF

    def below(self, n):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % n


class PowerCut(BaseException):
    """The power is gone."""


class Moments:
    """Everything durable or on the air counts here; at number `cut` the power goes, before or after it took effect."""

    def __init__(self):
        self.count = 0
        self.cut = 0

    def step(self, happens):
        self.count += 1
        if self.count == self.cut:
            raise PowerCut()
        happens()
        if self.count == -self.cut:
            raise PowerCut()


class Nvs:
    def __init__(self, moments):
        self._moments, self.values, self.writes, self.broken = moments, {}, 0, False

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        if self.broken:
            raise OSError(5)
        self.writes += 1
        self._moments.step(lambda: self.values.update({key: value}))


class Files:
    def __init__(self, moments):
        self._moments, self.values, self.writes, self.broken = moments, {}, 0, False

    def read(self, name):
        if name not in self.values:
            raise OSError(2)
        return self.values[name]

    def write(self, name, data):
        if self.broken:
            raise OSError(28)
        self.writes += 1
        self._moments.step(lambda: self.values.update({name: data}))


class Board:
    rtc_ppm = 20

    def __init__(self, air):
        self.moments = air.moments
        self.nvs, self.files = Nvs(self.moments), Files(self.moments)
        self._air = air
        self.broken = 0  # so many times the modem does not answer

    def modem(self):
        return Modem(self._air, self)

    def battery_v(self):
        return 3.9


class Packet(bytearray):
    snr = 20  # quarters of a decibel
    rssi = -80  # dBm


class Modem:
    """As lora-sync's; what it sends reaches the Air at once."""

    def __init__(self, air, board):
        self._air, self._board = air, board
        self._lora = {}

    def configure(self, lora):
        if self._board.broken:
            self._board.broken -= 1
            raise RuntimeError("BUSY timeout")
        self._lora.update(lora)

    def send(self, packet, tx_at_ms=None):
        self._air.moments.step(lambda: self._air.uplink(bytes(packet), self._lora))
        time.sleep_ms(100)
        return time.ticks_ms()

    def recv(self, timeout_ms=None, rx_length=0xFF, rx_packet=None):
        heard = self._air.answer(self._lora)
        time.sleep_ms(timeout_ms)
        return Packet(heard) if heard else None

    def standby(self):
        pass

    def sleep(self):
        pass


class Air:
    """The network: it answers in RX1. `deaf`: it hears nothing; `mute`: nobody hears it."""

    def __init__(self):
        self.moments = Moments()
        self.deaf = self.mute = False
        self.sessions = []
        self.nonces, self.seen = [], []  # DevNonces; (session, counter, frame)
        self.join_nonce = 0
        self.readings = {}  # (generation, seq) -> how often
        self.frames = []  # (session, fcnt, port, payload, mac names, confirmed, ack, adr)
        self.say = []  # (payload, port, confirmed) to be told, one with each answer
        self.ask = b""  # MAC commands with the next answer
        self.time_s = 1800000000
        self.always = False  # answer every uplink
        self.radio = []  # (freq_khz, sf, power) of each uplink
        self.times = []  # (ms, µs on air) of each uplink
        self.record = None  # downlinks, as they went out
        self.inject = None  # heard in place of an answer
        self.sessions_open = True
        self.forget = False  # for long runs
        self._answer = self._unconfirmed = None
        self._ms, self._ticks = 0, time.ticks_ms()

    def uplink(self, phy, lora):
        now = time.ticks_ms()
        self._ms += time.ticks_diff(now, self._ticks)
        self._ticks = now
        if self.forget:
            for grown in (self.radio, self.times, self.frames, self.seen):
                grown.clear()
            self.readings.clear()
        self.times.append((self._ms, eu868.airtime_us(len(phy), 12 - lora["sf"])))
        self.radio.append((lora["freq_khz"], lora["sf"], lora["output_power"]))
        assert lora["syncword"] == 0x34
        assert lora["preamble_len"] == 8
        assert not lora["invert_iq_tx"]
        self._answer = None
        frame = frames.parse(phy)
        if isinstance(frame, frames.JoinRequest):
            assert frame.dev_nonce not in self.nonces, "DevNonce %d came twice" % frame.dev_nonce
            self.nonces.append(frame.dev_nonce)
            if not self.deaf:
                self._join(frame)
            return
        self._remember(frame)
        if not self.deaf and self.sessions_open:
            self._data(frame)

    def answer(self, lora):
        assert lora["invert_iq_rx"]
        answer, self._answer = self._answer, None
        if self.inject is not None:
            return self.inject
        if answer and self.record is not None:
            self.record.append(answer)
        return None if self.mute else answer

    def _join(self, frame):
        self.join_nonce += 1
        self.sessions_open = True
        last = self.nonces[-2] if len(self.nonces) > 1 else None
        made = server.accept_join(aes, frame, APP_KEY, self.join_nonce, 0, 0x01020300 + self.join_nonce, last)
        assert isinstance(made, server.JoinAnswer), made
        self.sessions.append(made.session)
        self._answer = made.phy

    def _remember(self, frame):
        for at, session in enumerate(self.sessions):
            opened = server.open_uplink(aes, session.advanced(fcnt_up=0), frame)
            if isinstance(opened, server.Uplink):
                one = (at, opened.fcnt)
                assert not [phy for of, phy in self.seen if of == one and phy != frame.phy], "counter twice %r" % (one,)
                self.seen.append((one, frame.phy))

    def _data(self, frame):
        for at in range(len(self.sessions) - 1, -1, -1):
            opened = server.open_uplink(aes, self.sessions[at], frame)
            if isinstance(opened, server.Uplink):
                self._take(at, opened)
                return
            if isinstance(opened, server.Retransmission):
                if opened.confirmed:
                    self._answer, self.sessions[at] = server.downlink(aes, self.sessions[at], ack=True)
                return
        raise AssertionError("a frame that no session opens")

    def _take(self, at, opened):
        self.sessions[at] = opened.session
        names = [command.name for command in opened.mac]
        self.frames.append(
            (at, opened.fcnt, opened.fport, opened.payload, names, opened.confirmed, opened.ack, opened.adr)
        )
        if opened.fport in (1, 2):
            for reading in decode_readings(opened.payload).readings:
                key = (reading.generation, reading.seq)
                self.readings[key] = self.readings.get(key, 0) + 1
        fopts = self.ask
        if "LinkCheckReq" in names:
            fopts += mac.build("LinkCheckAns", margin=10, gateway_count=1)
        if "DeviceTimeReq" in names:
            fopts += mac.build("DeviceTimeAns", gps_seconds=self.time_s - 315964800 + 18, fraction_256ths=128)
        if opened.ack:
            self._unconfirmed = None
        told = self._unconfirmed or (self.say.pop(0) if self.say else (b"", None, False))
        self._unconfirmed = told if told[2] else None  # goes out until the device has confirmed it
        if not (fopts or told[1] or opened.confirmed or opened.adr_ack_req or self.always):
            return
        self.ask = b""
        self._answer, self.sessions[at] = server.downlink(
            aes, self.sessions[at], told[0], told[1], opened.confirmed, told[2], fopts, f_pending=bool(self.say)
        )


class Desk:
    """An outbox in a list."""

    def __init__(self, start_ms=0, before=None):
        self._start_ms, self._ticks, self._passed = start_ms, time.ticks_ms(), 0
        self.waiting = before.waiting if before else []  # seqs, the oldest first
        self.sent_seqs = before.sent_seqs if before else {}
        self.commands_before = before.commands_before + len(before.commands) if before else 0
        self.large = False
        self.commands, self.faults, self.syncs, self.acks, self.due = [], [], [], [], None
        self.statuses = 0
        self.uncertainty_s = 1
        self.allow_backlog = True

    def measure(self, seq):
        self.waiting.append(seq)
        if len(self.waiting) > 500:
            self.waiting.pop(0)

    def outage(self, newest):
        """Whatever was under way is sent again: nobody knows what came of it."""
        for seq in range(max(0, newest - 2), newest + 1):
            self.sent_seqs.pop(seq, None)

    def now_ms(self):
        now = time.ticks_ms()
        self._passed += time.ticks_diff(now, self._ticks)
        self._ticks = now
        return self._start_ms + self._passed

    def newest(self, limit):
        return [self._reading(seq) for seq in reversed(self.waiting[-limit:])]

    def backlog(self, limit):
        if not self.allow_backlog:
            return []
        return [self._reading(seq) for seq in reversed(self.waiting) if not self.sent_seqs.get(seq, 0)][:limit]

    def sent(self, readings):
        for reading in readings:
            self.sent_seqs[reading.seq] = self.sent_seqs.get(reading.seq, 0) + 1

    def acked(self, ranges):
        self.acks.append(ranges)
        for _, first, last in ranges:
            self.waiting = [seq for seq in self.waiting if not first <= seq <= last]
        self.sent_seqs = {seq: n for seq, n in self.sent_seqs.items() if seq in self.waiting}

    def command(self, command):
        self.commands.append(command)

    def synced(self, utc_ms, source, uncertainty_s, at_ms):
        self.syncs.append((utc_ms, source, uncertainty_s, at_ms))

    def status(self):
        return self.due

    def status_sent(self):
        self.statuses += 1
        self.due = None

    def fault(self, code, detail):
        self.faults.append((code, detail))

    def _reading(self, seq):
        values = {"air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8, "battery": 3.91}
        if self.large:
            values = {"air_temperature@%d.5m" % n: 3.42 + n for n in range(20)}
        return WireReading(1, seq, 1800000000 + 900 * seq, None, "lorawan", self.uncertainty_s, values, 0)
