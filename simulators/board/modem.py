"""LoRa modems of micropython-lib (lora-sync) as doubles, and the air between them and a gateway on a real UDP port.

The rule: as on air. Sending takes its time; a gateway hears what is strong enough and counts in true microseconds; its
PULL_RESP is heard only by who listens then, on that frequency, with that spreading factor and inverted IQ, early enough
for five symbols of the preamble and until the header is over. Whatever is missed is lost.
In `chip.json`, "air": `server` (host, port of Semtech UDP), `gateway` (EUI), `snr_db`, `noise_db`, `loss` (of one, each
way), `seed`, `outages` ([[from_us, to_us], …] of true time), `grace_ms`. Virtual time cannot wait for a peer, so an
uplink returns when its PUSH_ACK is there, and the first window gives a PULL_RESP `grace_ms` of real time. In real time
datagrams are also taken in on the way to the windows.
Source: micropython-lib lora README and drivers (names, units); PROTOCOL.TXT of packet_forwarder. MicroPython only.
"""

import binascii
import json
import socket
import struct
import time

import uselect
import utime

from edge.lorawan.airtime import lora_us
from simulators.board import timeline

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
ACK_MS = 3000  # of real time: then nobody is there
TAKES_IN_MS = (300, 600, 900)  # after an uplink
REFERENCE_DBM = 14  # output power at which `snr_db` is meant
PREAMBLE_NEEDED = 5  # symbols
BANDWIDTHS = {"125": 125000, "250": 250000, "500": 500000}


DATAGRAM_MAX = 640  # a PULL_RESP of the longest frame


class ConfigError(ValueError):
    def __init__(self, field):
        super().__init__("Invalid lora_cfg {}".format(field))


class RxPacket(bytearray):
    """What `recv` gives. `snr` in quarters of a decibel, `rssi` in dBm."""

    def __init__(self, payload, ticks_ms=None, snr=None, rssi=None, valid_crc=True):
        super().__init__(payload)
        self.ticks_ms, self.snr, self.rssi, self.valid_crc = ticks_ms, snr, rssi, valid_crc


class _Modem:
    """What all of them share."""

    _sf_min = 5

    def __init__(self, lora_cfg, reset):
        self._lora = {"sf": 7, "bw": "125", "coding_rate": 5, "preamble_len": 12, "output_power": 14, "syncword": 0x12}
        self.crc_errors = 0
        if reset:
            time.sleep_ms(6)
        if lora_cfg:
            self.configure(lora_cfg)

    def configure(self, lora_cfg):
        new = dict(self._lora)
        new.update(lora_cfg)
        if not self._sf_min <= new["sf"] <= 12:
            raise ConfigError("sf")
        if not 5 <= new["coding_rate"] <= 8:
            raise ConfigError("coding_rate")
        if str(new["bw"]) not in BANDWIDTHS:
            raise ConfigError("bw")
        self._lora = new
        time.sleep_us(800)  # SPI

    def send(self, packet, tx_at_ms=None):
        if len(packet) > 255:
            raise ConfigError("packet too long")
        time.sleep_us(1500)
        if tx_at_ms is not None:
            time.sleep_ms(max(0, time.ticks_diff(tx_at_ms, time.ticks_ms())))
        us = self.get_time_on_air_us(len(packet))
        timeline.advance(us)
        _count("tx_us", us)
        ended = time.ticks_ms()
        air.uplink(bytes(packet), self._hz(), self._lora)
        return ended

    def recv(self, timeout_ms=None, rx_length=0xFF, rx_packet=None):
        if timeout_ms is None:
            raise NotImplementedError("a wait without end")
        begin_us = timeline.true_us
        ticks_us = timeout_ms * 1000
        end_us = begin_us + ticks_us - ticks_us * timeline.chip.get("awake_ppm", 0) // 1000000
        heard = air.downlink(self._hz(), self._lora, begin_us, end_us)
        timeline.advance((heard[1] if heard else end_us) - begin_us)
        _count("rx_us", timeline.true_us - begin_us)
        if not heard:
            return None
        return RxPacket(heard[0], time.ticks_ms(), int(heard[2] * 4), -100)

    def standby(self):
        pass

    def sleep(self, warm_start=True):
        pass

    def is_idle(self):
        return True

    def get_time_on_air_us(self, payload_len):
        lora = self._lora
        return lora_us(
            payload_len, lora["sf"], BANDWIDTHS[str(lora["bw"])], lora["coding_rate"] - 4, lora["preamble_len"]
        )

    def _hz(self):
        if "freq_khz" not in self._lora:
            raise ConfigError("freq_khz")
        return round(self._lora["freq_khz"] * 1000)


class SX1262(_Modem):
    def __init__(
        self, spi, cs, busy, dio1=None, dio2_rf_sw=True, dio3_tcxo_millivolts=None, dio3_tcxo_start_time_us=1000,
        reset=None, lora_cfg=None, ant_sw=None,
    ):  # fmt: skip
        super().__init__(lora_cfg, reset)


class SX1261(SX1262):
    pass


class SX1276(_Modem):
    _sf_min = 6

    def __init__(self, spi, cs, dio0=None, dio1=None, reset=None, lora_cfg=None, ant_sw=None):
        super().__init__(lora_cfg, reset)


SX1277 = SX1278 = SX1279 = SX1276


class Air:
    """One gateway that hears this chip, as `chip.json` has it."""

    def __init__(self):
        self._settings = timeline.chip.get("air", {})
        self._socket = None
        self._coming = []  # (start in true µs, txpk)
        self._token = 0
        self._graced = True

    def uplink(self, phy, hz, lora):
        """The end of a transmission."""
        self._coming = []
        snr_db = self._snr_db(1) + lora["output_power"] - REFERENCE_DBM
        plain = lora["syncword"] == 0x34 and not lora.get("invert_iq_tx", False)
        if not plain or self._is_away() or snr_db < _needed_db(lora["sf"]) or self._is_lost(2):
            return
        _count("uplinks", 1)
        rxpk = {
            "tmst": timeline.true_us & 0xFFFFFFFF, "time": _iso(timeline.true_us), "freq": hz / 1000000, "chan": 0,
            "rfch": 0, "stat": 1, "modu": "LORA", "datr": "SF%dBW%s" % (lora["sf"], lora["bw"]), "codr": "4/5",
            "rssi": -100, "lsnr": round(snr_db, 1), "size": len(phy), "data": _base64(phy),
        }  # fmt: skip
        if self._open():
            self._told(PULL_DATA, b"", PULL_ACK)
            self._told(PUSH_DATA, json.dumps({"rxpk": [rxpk]}).encode(), PUSH_ACK)
            self._graced = False
            if timeline.real:  # a forwarder takes in what comes when it comes, not first when the device listens
                for ms in TAKES_IN_MS:
                    timeline.at(timeline.true_us + 1000 * ms, self._take_in)

    def _take_in(self):
        self._wait(1, lambda kind, token: False)

    def downlink(self, hz, lora, begin_us, end_us):
        """(frame, when it is over, SNR) of what is heard from `begin_us` to `end_us`, or None."""
        if not self._graced:
            self._graced = True
            if not self._coming and self._settings.get("grace_ms", 0):
                self._wait(self._settings["grace_ms"], lambda kind, token: kind == PULL_RESP)
        bw_hz = BANDWIDTHS[str(lora["bw"])]
        symbol_us = (1 << lora["sf"]) * 1000000 / bw_hz
        for start_us, txpk in self._coming:
            fits = round(txpk["freq"] * 1000000) == hz and txpk["datr"] == "SF%dBW%s" % (lora["sf"], lora["bw"])
            fits = fits and txpk.get("ipol", False) == lora.get("invert_iq_rx", False) and lora["syncword"] == 0x34
            in_time = begin_us <= start_us + (8 - PREAMBLE_NEEDED) * symbol_us
            in_time = in_time and start_us + 20.25 * symbol_us <= end_us
            snr_db = self._snr_db(3)
            if fits and in_time and not self._is_away() and snr_db >= _needed_db(lora["sf"]) and not self._is_lost(4):
                phy = binascii.a2b_base64(txpk["data"])
                return phy, start_us + lora_us(len(phy), lora["sf"], bw_hz, crc=False), snr_db
        return None

    def _open(self):
        if self._socket is None and "server" in self._settings:
            host, port = self._settings["server"]
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.connect(socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)[0][-1])
            self._poll = uselect.poll()
            self._poll.register(self._socket, uselect.POLLIN)
        return self._socket is not None

    def _told(self, kind, body, answer):
        """Send a datagram and wait until it is acknowledged."""
        self._token = (self._token + 1) & 0xFFFF
        token = self._token
        self._send(kind, token, body)
        self._wait(ACK_MS, lambda kind, answered: kind == answer and answered == token)

    def _send(self, kind, token, body):
        eui = binascii.unhexlify(self._settings.get("gateway", "a84041ffff1ec1f5"))
        try:
            self._socket.send(struct.pack(">BHB", 2, token, kind) + eui + body)
        except OSError:
            pass  # nobody listens there

    def _wait(self, ms, until):
        """Take in datagrams for at most `ms` of real time, or until one is the awaited."""
        deadline = utime.ticks_add(utime.ticks_ms(), ms)
        while True:
            left_ms = utime.ticks_diff(deadline, utime.ticks_ms())
            if left_ms <= 0 or not self._poll.poll(left_ms):
                return
            try:
                datagram = self._socket.recv(DATAGRAM_MAX)
            except OSError:
                return  # nobody listens there
            if len(datagram) < 4:
                continue
            _, token, kind = struct.unpack_from(">BHB", datagram)
            if kind == PULL_RESP:
                self._pull_resp(token, json.loads(memoryview(datagram)[4:])["txpk"])
            if until(kind, token):
                return

    def _pull_resp(self, token, txpk):
        now_us = timeline.true_us
        ahead_us = (txpk.get("tmst", 0) - now_us) & 0xFFFFFFFF
        late = ahead_us >= 1 << 31
        error = json.dumps({"txpk_ack": {"error": "TOO_LATE"}}).encode() if late else b""
        if not late:
            _count("downlinks", 1)
            self._coming.append((now_us + ahead_us, txpk))
        self._send(TX_ACK, token, error)

    def _is_away(self):
        return any(begin <= timeline.true_us < end for begin, end in self._settings.get("outages", ()))

    def _is_lost(self, salt):
        return _chance(self._settings.get("seed", 1), salt) < self._settings.get("loss", 0)

    def _snr_db(self, salt):
        seed = self._settings.get("seed", 1)
        drawn = sum([_chance(seed, 16 * salt + n) for n in range(12)]) - 6  # nearly normal
        return self._settings.get("snr_db", 8) + self._settings.get("noise_db", 2) * drawn


def _needed_db(sf):
    """SX1276 datasheet, table 13."""
    return -7.5 - 2.5 * (sf - 7)


def _chance(seed, salt):
    """From 0 to 1, always the same at one moment: it needs no memory that outlives a sleep."""
    x = (seed * 2654435761 + salt * 40503 + timeline.true_us // 1000 * 69069) & 0xFFFFFFFF
    for _ in range(3):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
    return x / 4294967296


def _count(name, more):
    radio = timeline.chip.setdefault("radio", {})
    radio[name] = radio.get(name, 0) + more


def _iso(us):
    year, month, day, hour, minute, second = utime.gmtime(us // 1000000)[:6]
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (year, month, day, hour, minute, second, us % 1000000)


def _base64(data):
    return binascii.b2a_base64(data).decode().strip()


air = Air()
