"""The carrier for stations on Wi-Fi: readings and status to an MQTT broker, acknowledgements and commands from it.

The rule: `exchange` ends within its time and never raises, whatever the network does; readings stay in the outbox until
the cloud has stored them. With TLS nothing is sent before the clock is set, for a certificate cannot be judged without
it, and never without a check. After failures the next session waits (edge/mqtt/backoff.py). MicroPython only.
"""

import json
import os

from micropython import const

from edge.mqtt import backoff
from edge.mqtt.client import Client
from firmware.device.addresses import Addresses
from firmware.device.ntp import Ntp, clock_is_set
from firmware.device.stream import Stream, tls_context
from firmware.device.talk import Talk
from firmware.device.trouble import Trouble
from firmware.device.wifi import Wifi
from schemas import topics

_IN_FLIGHT = const(4)
_KEEP_ALIVE_S = const(60)
_CONNECT_MS = const(10000)
_SESSION_MIN_MS, _SESSION_MAX_MS = const(30000), const(120000)
_BUFFER_BYTES = const(512)
_OFF_MS = const(500)  # the time is asked for again when the clock may have run off by so much
_STATUS_FIELDS = ("firmware", "config", "uptime_s", "boots", "reset", "waiting", "forgotten", "free_heap", "battery")
_OFFLINE = b'{"online": false}'


class Carrier:
    """See the contract in docs/device.md. `config` is the whole configuration, `kept` what `to_dict` gave."""

    def __init__(self, board, identity, config, kept):
        self._board = board
        self._mqtt = config["mqtt"]
        self.device = identity["device"]
        self.feed = getattr(board, "feed", _nothing)
        self.buffer = bytearray(_BUFFER_BYTES)
        self._limit_ms = min(_SESSION_MAX_MS, max(_SESSION_MIN_MS, config.get("interval_s", 900) * 500))
        self._wifi = Wifi(config["wifi"], self.device, kept.get("wifi", {}))
        servers = [config["ntp"]] if config.get("ntp") else []
        self._ntp = Ntp(servers, board.rtc_ppm, kept.get("ntp", {}))
        self._addresses = Addresses(kept.get("addresses", {}))
        self._patience = backoff.Patience(kept.get("patience"))
        self._asked = kept.get("asked", "")
        self.said_online = kept.get("said_online", False)
        self.acks_in_vain = kept.get("acks_in_vain", False)
        self._context = None
        will = (topics.topic(topics.STATUS, self.device), _OFFLINE, 1, True)
        user, password = identity.get("mqtt_user") or self.device, identity.get("mqtt_password")
        self.client = Client(self.device, user, password, will, _KEEP_ALIVE_S, _IN_FLIGHT)

    def to_dict(self):
        return {
            "wifi": self._wifi.to_dict(),
            "ntp": self._ntp.to_dict(),
            "addresses": self._addresses.to_dict(),
            "patience": self._patience.to_dict(),
            "asked": self._asked,
            "said_online": self.said_online,
            "acks_in_vain": self.acks_in_vain,
        }

    def close(self):
        self._wifi.down()

    def exchange(self, desk):
        """One session; whether the broker was reached."""
        if not self._patience.may_try(desk.now_ms()):
            return False
        talk = None
        try:
            self._wifi.up(self.feed)
            self._know_the_time(desk)
            talk = Talk(self, desk, self._open, self._limit_ms)
            talk.run()
            self._patience.succeeded()
        except Trouble as trouble:
            _say(desk, trouble)
            self.lost(trouble)
            if talk is not None and talk.captured:
                self._patience.succeeded()
            else:
                why = backoff.REFUSED if trouble.refused else backoff.LOST
                self._patience.failed(why, desk.now_ms(), self.chance())
        except (OSError, MemoryError, ValueError, RuntimeError) as error:  # not foreseen: the station goes on
            desk.fault("other", repr(error))
            self._patience.failed(backoff.LOST, desk.now_ms(), self.chance())
        finally:
            self._wifi.down()
        return talk is not None and talk.heard

    def lost(self, trouble):
        """A connection ended without a word: the broker has published our will, and an address may have changed."""
        self.said_online = False
        if trouble.code == "connect":
            self._addresses.failed(self._mqtt["host"], self._port)

    def chance(self):
        return int.from_bytes(os.urandom(2), "big") / 65536

    def is_new(self, name, command):
        """A command that comes again (a lost PUBACK, a retained message) is carried out once."""
        if name == self._asked:
            return False
        self._asked = name
        return True

    @property
    def _port(self):
        return self._mqtt.get("port") or (8883 if self._mqtt.get("tls", True) else 1883)

    def _know_the_time(self, desk):
        off_ms = self._ntp.off_ms(desk.now_ms())
        if clock_is_set() and off_ms is not None and off_ms < _OFF_MS:
            return
        try:
            self._ntp.sync(desk, (self._wifi.router, self._mqtt["host"]), self.feed)
        except Trouble as trouble:
            if self._mqtt.get("tls", True) and not clock_is_set():
                raise Trouble("clock", "certificates cannot be judged: " + trouble.detail) from None
            _say(desk, trouble)

    def _open(self):
        """A connected Stream: at the address of last time, or at the one that the name has now."""
        host, port = self._mqtt["host"], self._port
        context = self._tls()
        address = self._addresses.known(host, port)
        if address is not None:
            try:
                return Stream(address, context, host, _CONNECT_MS, self.feed)
            except Trouble:
                self._addresses.failed(host, port)
        address = self._addresses.ask(host, port)
        self.feed()
        stream = Stream(address, context, host, _CONNECT_MS, self.feed)
        self._addresses.worked(host, port, address)
        return stream

    def _tls(self):
        if not self._mqtt.get("tls", True):
            return None
        if self._context is None:
            try:
                authority = self._board.files.read(self._mqtt["ca"])
            except (OSError, KeyError) as error:
                raise Trouble("tls", "no certificate of an authority: %r" % error, True) from None
            self._context = tls_context(authority)
        return self._context

    def status_body(self, status):
        """JSON for `status/<device>`, with the keys of docs/wire.md. Without a status only that we are there."""
        body: dict = {"online": True}
        rssi_dbm = self._wifi.rssi_dbm()
        if rssi_dbm is not None:
            body["rssi_dbm"] = rssi_dbm
        if status is not None:
            for name in _STATUS_FIELDS:
                if getattr(status, name) is not None:
                    body[name] = getattr(status, name)
            body["faults"] = [{"sensor": sensor, "fault": fault} for sensor, fault in status.faults]
            if status.answer is not None:
                reference, ok, detail = status.answer
                body["answer"] = {"reference": reference, "ok": bool(ok), "detail": detail}
        return json.dumps(body).encode()


def _say(desk, trouble):
    """The word that a status has for it, and ours for whoever looks at the device."""
    word = trouble.code if trouble.code in ("tls", "clock") else "refused" if trouble.refused else "network"
    desk.fault(word, trouble.code + ": " + trouble.detail)


def _nothing():
    pass
