"""Wi-Fi as a station: up within a bounded time, down before sleep.

The rule: every session starts the radio afresh, for a driver that has once lost its network may report a wrong password
until it is restarted (peterhinch/micropython-mqtt#154). What is kept is the channel: `connect(ssid, key)` of the ESP32
port forgets it, `connect()` after `config(channel=)` begins its scan there (ports/esp32/network_wlan.c). The BSSID
cannot be asked for after connecting, so it is not kept. MicroPython only.
"""

from time import sleep_ms, ticks_diff, ticks_ms

import network
from micropython import const

from firmware.device.trouble import Trouble

_LIMIT_MS = const(15000)
_GIVE_UP_MS = const(5000)  # for a network that is not found, or refuses: the driver tries twice in that time
_FAST_MS = const(4000)  # for the channel of last time
_STEP_MS = const(50)
_RECONNECTS = const(2)


class Wifi:
    """`config`: {"ssid", "password", "country"}; `kept`: what `to_dict` gave."""

    def __init__(self, config, name, kept):
        self._config = config
        self._name = name
        self._channel = kept.get("channel", 0)
        self._wlan = None

    def to_dict(self):
        return {"channel": self._channel}

    @property
    def router(self):
        """Its address, which often answers SNTP too."""
        return self._wlan.ifconfig()[2]

    def is_up(self):
        return self._wlan is not None and self._wlan.isconnected()

    def rssi_dbm(self):
        try:
            return self._wlan.status("rssi")
        except (OSError, ValueError):
            return None

    def up(self, feed):
        """Raises Trouble. `feed` is called all the while."""
        network.country(self._config.get("country", "DE"))
        network.hostname(self._name[:32])
        wlan = self._wlan = network.WLAN(network.WLAN.IF_STA)
        try:
            wlan.active(False)
            wlan.active(True)
            wlan.config(reconnects=_RECONNECTS)
            if self._channel and self._fast(wlan, feed):
                return
            wlan.connect(self._config["ssid"], self._config.get("password"))
            self._wait(wlan, _LIMIT_MS, feed)
            self._channel = wlan.config("channel")
            wlan.config(pm=network.WLAN.PM_PERFORMANCE)
        except (OSError, ValueError, RuntimeError) as error:
            raise Trouble("wifi", str(error)) from None

    def _fast(self, wlan, feed):
        """Begin where it was last time; False where that did not do."""
        try:
            wlan.connect(self._config["ssid"], self._config.get("password"))
            wlan.disconnect()
            wlan.config(channel=self._channel)
            wlan.connect()
            self._wait(wlan, _FAST_MS, feed)
            self._channel = wlan.config("channel")
            wlan.config(pm=network.WLAN.PM_PERFORMANCE)
            return True
        except (OSError, RuntimeError, Trouble):
            self._channel = 0
            wlan.disconnect()
            return False

    def _wait(self, wlan, limit_ms, feed):
        start = ticks_ms()
        while not wlan.isconnected():
            waited_ms = ticks_diff(ticks_ms(), start)
            status = wlan.status()
            if waited_ms >= _GIVE_UP_MS and status == network.STAT_NO_AP_FOUND:
                raise Trouble("wifi", "no network of that name")
            if waited_ms >= _GIVE_UP_MS and status == network.STAT_WRONG_PASSWORD:
                raise Trouble("wifi", "the network refuses the password", True)
            if waited_ms >= limit_ms:
                raise Trouble("wifi", "no address within %d s" % (limit_ms // 1000))
            sleep_ms(_STEP_MS)
            feed()

    def down(self):
        """Says good-bye to the access point and switches the radio off; never raises."""
        for what in ("disconnect", "active"):
            try:
                if self._wlan is not None and what == "disconnect":
                    self._wlan.disconnect()
                elif self._wlan is not None:
                    self._wlan.active(False)
            except (OSError, RuntimeError):
                pass
        self._wlan = None
