"""Wi-Fi of the simulated chip: an access point that is there or not, with the ESP32 port's names and its habits.

`chip["wifi"]`: ssid, password, channel, and `away` and `refuses`: [[from_us, to_us], …] when nobody is there or let in.
Those habits: a full scan takes its time a channel; `connect(ssid, key)` forgets the channel that was set; a driver that
was once refused says so until it is restarted; when the network goes, so do its connections. `chip["hosts"]` maps
"name:port" to [host, port] of the real peer, `chip["no_dns"]` is like `away`. MicroPython only.
"""

import errno

from simulators.board import timeline

STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, STAT_BEACON_TIMEOUT = 201, 202, 200
SCAN_MS = 120  # a channel
JOIN_MS = 900  # association, keys, DHCP
DNS_GIVES_UP_MS = 10000
CHANNELS = 13
_streams = []  # sockets that end with the network


def there():
    """The access point, or None where it is away."""
    point = timeline.chip.get("wifi")
    return point if point and not _within(point.get("away", ())) else None


def names_answer():
    return WLAN.isconnected() and not _within(timeline.chip.get("no_dns", ()))


def follow(stream):
    """A socket that ends when the network goes."""
    _streams.append(stream)
    if len(_streams) > 8:
        del _streams[0]


def _within(spans):
    return any([first <= timeline.true_us < last for first, last in spans])


class _Wlan:
    """The one station; `WLAN(WLAN.IF_STA)` gives it."""

    IF_STA, IF_AP = 0, 1
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2

    def __init__(self):
        self._restart()

    def __call__(self, interface=0):
        if interface != self.IF_STA:
            raise NotImplementedError("only a station")
        return self

    def _restart(self):
        self._active = False
        self._ssid = self._key = self._done_us = None
        self._channel = 0  # where a scan begins
        self._status = STAT_IDLE
        self._joined = False

    def active(self, on=None):
        if on is not None and on != self._active:
            self._end()
            self._restart()
            self._active = on
        return self._active

    def connect(self, ssid=None, key=None, *, bssid=None):
        if not self._active:
            raise OSError("Wifi Not Started")
        if ssid is not None:
            self._ssid, self._key, self._channel = ssid, key, 0
        self._done_us = timeline.true_us + self._takes_ms() * 1000
        self._joined = False

    def _takes_ms(self):
        point = timeline.chip.get("wifi") or {}
        first, channel = self._channel or 1, point.get("channel", 6)
        return SCAN_MS * ((channel - first) % CHANNELS + 1) + JOIN_MS

    def disconnect(self):
        if not self._active:
            raise OSError("Wifi Not Started")
        self._done_us = None
        self._end()

    def _end(self):
        self._joined = False
        while _streams:
            _streams.pop().close()

    def _look(self):
        """What has become of connecting, and whether the network is still there."""
        point = there()
        if self._joined and point is None:
            self._end()
            self._status = STAT_BEACON_TIMEOUT
        if self._done_us is None or timeline.true_us < self._done_us:
            return
        self._done_us = None
        if point is None or point["ssid"] != self._ssid:
            self._status = STAT_NO_AP_FOUND
        elif point.get("password") != self._key or _within(point.get("refuses", ())):
            self._status = STAT_WRONG_PASSWORD
        elif self._status != STAT_WRONG_PASSWORD:
            self._join(point)

    def _join(self, point):
        self._joined = True
        for first_us, _ in point.get("away", ()):
            if first_us > timeline.true_us:
                timeline.at(first_us, self._look)

    def isconnected(self):
        timeline.look()
        self._look()
        return self._joined

    def status(self, what=None):
        if what == "rssi":
            if not self.isconnected():
                raise OSError("Wifi Not Connected")
            return -61
        timeline.look()
        self._look()
        if self._joined:
            return STAT_GOT_IP
        if self._status == STAT_IDLE and self._done_us is not None:
            return STAT_CONNECTING
        return self._status

    def config(self, what=None, **settings):
        if what == "channel":
            return timeline.chip["wifi"].get("channel", 6)
        if what == "mac":
            return b"\x24\xec\x4a\x00\x00\x01"
        if what is not None:
            raise ValueError("unknown config param")
        for name in settings:
            if name not in ("channel", "pm", "reconnects", "txpower"):
                raise ValueError("unknown config param")
        if "channel" in settings:
            if self._done_us is not None:
                raise OSError("Wifi State Error")
            self._channel = settings["channel"]

    def ifconfig(self):
        return ("192.0.2.17", "255.255.255.0", "192.0.2.1", "192.0.2.1")

    def scan(self):
        timeline.advance(SCAN_MS * CHANNELS * 1000)
        point = there()
        return (
            [(point["ssid"].encode(), b"\x02\x00\x00\x00\x00\x01", point.get("channel", 6), -61, 3, False)]
            if point
            else []
        )


def country(code=None):
    return code or "DE"


def hostname(name=None):
    return name or "mpy-esp32"


def check():
    """For whoever opens a socket: raises as the chip does where there is no network."""
    if not WLAN.isconnected():
        raise OSError(getattr(errno, "EHOSTUNREACH", 113))


WLAN = _Wlan()
