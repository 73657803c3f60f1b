"""The carrier for stations on LoRaWAN: readings, status and questions up, acknowledgements, commands and time down.

One `exchange` is one session with the network: join if due, the live lane, a status, what the network still holds for
us, and the backlog while it hears us. Live readings are not confirmed: each goes twice (the one before rides along),
and what is lost all the same stays in the outbox until the cloud says that it is stored. Confirmed is only a status
that answers a command or tells of a fault, for nothing else would make up for its loss. MicroPython only.
"""

import machine

from edge.aes_micropython import aes
from edge.lorawan import airtime, eu868
from edge.lorawan.budget import BACKLOG, LIVE, Budget
from edge.lorawan.class_a import CONFIRMED_TRIES, Transaction
from edge.lorawan.device import Downlink
from edge.lorawan.frames import FrameError
from edge.lorawan.silence import QUIET, asks, is_heard, is_lost
from firmware.device.loaded import Loaded
from firmware.device.lora_memory import Memory, Unkept
from firmware.device.lora_radio import Radio, random
from schemas.wire_base import WireError

READINGS_PORT, BACKLOG_PORT, STATUS_PORT, ACK_PORT, COMMAND_PORT = 1, 2, 3, 10, 11
HEADERS = 13  # MHDR, FHDR, FPort, MIC
LIVE_READINGS, BACKLOG_READINGS = 6, 16  # looked at for one frame: each takes some of the heap
BACKLOG_FRAMES = 8  # in one exchange
FETCHES = 3  # empty uplinks in one exchange, for what the network still holds
TIME_WANTED_S = 30  # a clock that may be off by more is set
TIME_EVERY = 8  # uplinks, until the question is answered
GPS_EPOCH_S, LEAP_SECONDS = 315964800, 18  # since 2017 (IERS Bulletin C)
NOT_OURS = ("for another device", "not a downlink", "the device has not joined yet")


class Carrier:
    """As its fellow for MQTT: `exchange` never raises for trouble with the network, it says it to the desk."""

    def __init__(self, board, identity, config, kept):
        lorawan = config.get("lorawan", {})
        if not self._is_last(board, kept):
            kept = {}
        self._board, self._dr = board, min(5, lorawan.get("dr", 3))
        self._interval_s = config.get("interval_s", 900)
        self._otaa = identity["activation"] == "otaa"
        self.memory = Memory(board, kept)
        self.device = device = self.memory.load(aes, identity)
        device.adr = lorawan.get("adr", True)
        if not device.adr or device.session is None:
            device.link.dr = self._dr
        device.unheard = kept.get("unheard", QUIET)
        self._heard_ms, self._asked = kept.get("heard", 0), kept.get("asked", TIME_EVERY)
        self._joining = kept.get("join")
        self.budget = Budget(lorawan.get("fair_use_s", 0) * 1000000, board.rtc_ppm, kept.get("air"))
        if kept:
            self.budget.going_on(self.memory.air())
        self._new = not kept
        self.radio = None
        self._desk = None
        self._more = self._heard = self._unkept = False  # the network holds something for us; a downlink was heard

    def to_dict(self):
        """For the memory that outlives a deep sleep."""
        kept = self.memory.to_dict(self.device)
        kept["session"] = getattr(self._board, "lora_session", None)
        kept["unheard"], kept["heard"], kept["asked"] = self.device.unheard, self._heard_ms, self._asked
        kept["join"], kept["air"] = self._joining, self.budget.to_dict()
        return kept

    def close(self):
        if self.radio:
            self.radio.sleep()

    @staticmethod
    def _is_last(board, kept):
        """Whether nothing was sent since `kept` was made: it is this start's last, or a deep sleep has brought it."""
        session = getattr(board, "lora_session", None)
        if session is None:
            return getattr(board, "orderly", machine.reset_cause() == machine.DEEPSLEEP_RESET)
        return kept.get("session") == session

    def exchange(self, desk):
        """One session with the network; whether it was heard."""
        self._desk, heard_ms = desk, self._heard_ms
        self._board.lora_session = random(1 << 30)
        if self._new:
            self.budget.after_power_loss(self.memory.air(), self._now_s())
            self._new = False
        try:
            if self.radio is None:
                board = self._board
                self.radio = Radio(board.modem(), getattr(board, "feed", _nothing), getattr(board, "tell", _nothing))
            self._session()
            self.radio.sleep()
        except Unkept as error:
            desk.fault("flash", str(error))
        except (OSError, RuntimeError, ValueError, AssertionError) as error:  # of the modem and its bus
            self.radio = None
            desk.fault("modem", repr(error))
        finally:
            self._desk = None
        return self._heard_ms != heard_ms

    def _session(self):
        device = self.device
        lost = self._otaa and device.session and is_lost(device.unheard, self._desk.now_ms() - self._heard_ms)
        if lost:
            self._desk.fault("session", "%d uplinks without an answer" % device.unheard)
        if device.session is None or lost:
            joined = self._join()
            if device.session is None:
                return
            if joined:
                self._ask_time()
        try:
            self._live()
            self._status()
            self._fetch()
            self._backlog()
        except FrameError as error:  # the counters have run out
            self._desk.fault("counter", str(error))
            if self._otaa:
                device.session = None

    def _join(self):
        with Loaded("firmware.device.lora_join") as module:
            join, answered = module.Join(self, self._dr, self._joining), False
            try:
                answered = join.run(1 if self.device.session else module.ATTEMPTS, self._desk.now_ms)
            except FrameError as error:
                self._desk.fault("counter", str(error))
            finally:
                self._joining = join.to_list()
                del module, join
        return answered

    def joined(self):
        """A new session, which begins when it is stored."""
        self.memory.before_session(self.device)
        self._keep()
        self._listened()

    def run(self, transaction, lane, hear):
        """The Done of a transaction; nothing goes out before its air time is accounted for."""

        def before(send):
            promise = self.budget.promise(send.hz, send.airtime_us, self._now_s())
            if promise:
                self.memory.keep_air(promise)
            self.budget.sent(send.hz, send.airtime_us, self._now_s(), lane, self.device.link.max_duty_cycle)

        return self.radio.run(transaction, self._now_s, before, hear)

    def _live(self):
        device = self.device
        if asks(device.unheard):
            device.request("LinkCheckReq")
        payload, readings = self._packed(self._newest)
        if readings:
            self.budget.live_us = self._need_us(len(payload))
            if self._uplink(payload, READINGS_PORT):
                self._desk.sent(readings)
        elif device.session.fcnt_up == 0:
            self._uplink(b"", None)  # so that the network knows of the new session

    def _packed(self, pack):
        """What `pack(encode)` makes: (payload, the readings in it). The format is in memory for just that long."""
        try:
            with Loaded("schemas.wire") as wire:
                packed = pack(wire.encode)
                del wire
            return packed
        except WireError as error:
            self._desk.fault("size", str(error))
            return b"", ()

    def _ask_time(self):
        self.device.request("DeviceTimeReq")
        self._asked = 0

    def _newest(self, encode):
        """The newest and, where that fits into half as much again, the one before; further ones where they are free.

        LoRa fills whole blocks: what is left of the last one costs nothing.
        """
        device = self.device
        readings = self._desk.newest(LIVE_READINGS)
        if not readings:
            return b"", ()
        if self._asked >= TIME_EVERY and not self._is_timed(readings[0]):
            self._ask_time()
        room = device.room()
        alone = len(encode(readings[:1], room)[0])
        wanted = alone + alone // 2 + 2
        rate = eu868.DATA_RATES[device.link.dr]
        if rate.sf:
            wanted += airtime.spare(min(255, wanted + HEADERS + self._fopts()), rate.sf, rate.bw_hz)
        payload, n = encode(readings, min(wanted, room))
        return payload, readings[:n]

    def _gaps(self, encode):
        readings = self._desk.backlog(min(BACKLOG_READINGS, 2 + self.device.room() // 5))
        if not readings:
            return b"", ()
        payload, n = encode(readings, self.device.room())
        return payload, readings[:n]

    def _fopts(self):
        """Bytes of MAC commands that go with the next uplink."""
        return eu868.frm_payload_max(self.device.link.dr) - self.device.room()

    def _need_us(self, length):
        """Air time that live readings take in an hour."""
        link = self.device.link
        return max(1, 3600 // self._interval_s) * link.nb_trans * eu868.airtime_us(length + HEADERS, min(link.dr, 6))

    def _status(self):
        status = self._desk.status()
        if status is None:
            return
        try:
            with Loaded("schemas.wire_status") as wire_status:
                payload = wire_status.encode(status, self.device.room())
            del wire_status  # or it stays as long as this uplink
        except WireError as error:
            self._desk.fault("size", str(error))
            self._desk.status_sent()
            return
        confirmed = (status.answer is not None or bool(status.faults)) and is_heard(self.device.unheard)
        done = self._uplink(payload, STATUS_PORT, confirmed)
        if done and (done.answered or not confirmed):
            self._desk.status_sent()

    def _fetch(self):
        for _ in range(FETCHES):
            if not self._more or not self._uplink(b"", None):
                return

    def _backlog(self):
        for _ in range(BACKLOG_FRAMES):
            if not is_heard(self.device.unheard) or not self._has_air(self.device.room(), BACKLOG):
                return
            payload, readings = self._packed(self._gaps)
            if not readings:
                return
            if not self._uplink(payload, BACKLOG_PORT, lane=BACKLOG):
                return
            self._desk.sent(readings)

    def _has_air(self, length, lane):
        link = self.device.link
        dr = min(link.dr, 6)
        us, now_s = eu868.airtime_us(min(255, length + HEADERS), dr), self._now_s()
        return any(self.budget.wait_s(c[0], us, now_s, lane) == 0 for c in link.usable_channels(dr))

    def _uplink(self, payload, port, confirmed=False, lane=LIVE):
        """The Done of one uplink, None where there is no air time for it: then no counter is used up."""
        device = self.device
        if not self._has_air(len(payload) + self._fopts(), lane):
            self._desk.fault("duty", "no air time left")
            return None
        link = device.link
        dr, power = link.dr, link.tx_power  # `uplink` may change them for the next one
        self._more = self._heard = False
        phy = device.uplink(payload, port, confirmed)
        self._asked += 1
        self.memory.before_uplink(device)
        tries = CONFIRMED_TRIES if confirmed else link.nb_trans
        transaction = Transaction(
            phy, dr, link.usable_channels(dr), link.windows, self.budget, random, tries, confirmed, lane, power
        )
        done = self.run(transaction, lane, self._hear)
        if done.answered and transaction.dr < link.dr == dr:
            link.dr, link.tx_power = transaction.dr, 0
        if self._heard or self._unkept or (dr, power) != (link.dr, link.tx_power):
            self._keep()
        return done if done.times else None

    def _keep(self):
        self._unkept = not self.memory.keep(self.device)
        if self._unkept:
            self._desk.fault("flash", "the session could not be stored")

    def _hear(self, phy):
        """(whether it is for us, whether it acknowledges)."""
        ended_ms = self._desk.now_ms() - self.radio.since_ms()
        result = self.device.on_downlink(phy, self._battery(), self.radio.snr_db)
        if not isinstance(result, Downlink):
            self.unwelcome(result.reason)
            return False, False
        self.memory.heard(self.device)
        self._listened()
        self._more = result.f_pending
        self._take(result, ended_ms)
        return True, result.ack

    def _listened(self):
        self._heard_ms = self._desk.now_ms()
        self._heard = True

    def unwelcome(self, reason):
        if reason not in NOT_OURS:
            self._desk.fault("downlink", reason)

    def _take(self, downlink, ended_ms):
        for command in downlink.mac:
            if command.name == "DeviceTimeAns":
                seconds = command.fields["gps_seconds"] + GPS_EPOCH_S - LEAP_SECONDS
                utc_ms = seconds * 1000 + command.fields["fraction_256ths"] * 1000 // 256
                self._desk.synced(utc_ms, "lorawan", 1, ended_ms)
        if downlink.fport in (None, 0):
            return
        try:
            if downlink.fport == ACK_PORT:
                with Loaded("schemas.wire_down") as wire_down:
                    ranges = wire_down.decode_ack(downlink.payload)
                del wire_down
                self._desk.acked(ranges)
            elif downlink.fport == COMMAND_PORT:
                with Loaded("schemas.wire_down") as wire_down:
                    command = wire_down.decode_command(downlink.payload)
                del wire_down
                self._desk.command(command)
            else:
                raise WireError("port %d is not known" % downlink.fport)
        except WireError as error:
            self._desk.fault("downlink", str(error))

    def _is_timed(self, reading):
        quality_s = reading.uncertainty_s
        return reading.time_s is not None and quality_s is not None and quality_s <= TIME_WANTED_S

    def _battery(self):
        """As DevStatusAns wants it: 1 (3.0 V) to 254 (4.2 V), 255 where nobody knows."""
        volts = self._board.battery_v()
        return 255 if volts is None else max(1, min(254, int((volts - 3.0) / 1.2 * 253) + 1))

    def _now_s(self):
        return self._desk.now_ms() // 1000


def _nothing(*_, **__):
    pass
