"""From a downlink to a gateway that sends it: windows tried in order until one is taken. No socket, no clock.

The rule: a gateway sends no more than its duty cycle allows and one frame at a time, and what it refuses (TX_ACK) goes
to the next window that is still ahead. Every downlink that no window took is counted, with the reason of the last.
Version 1 of the protocol has no TX_ACK: what was handed over there counts as sent.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from edge.lorawan import eu868
from edge.lorawan.duty import DutyCycle
from gateway.counters import Faults, GatewayCounters
from gateway.lorawan.answers import Downlink
from gateway.lorawan.windows import TMST_WRAP, Window
from gateway.semtech import datagrams
from gateway.semtech.forwarders import Address, Forwarders
from gateway.semtech.objects import Tx

Outgoing = list[tuple[bytes, Address]]
LEAD_MS = 50  # a gateway needs so long to get ready
UNDER_WAY_MAX = 4096
BUSY_MS = 30_000  # longer than any window lies ahead, far shorter than the counter takes to wrap
GATEWAYS_MAX = 10_000
TX_ERRORS = {"TOO_LATE", "TOO_EARLY", "COLLISION_PACKET", "COLLISION_BEACON", "TX_FREQ", "TX_POWER", "GPS_UNLOCKED"}


@dataclass(slots=True)
class _UnderWay:
    downlink: Downlink
    window: Window
    left: tuple[Window, ...]


class Transmitter:
    """Hands downlinks to gateways. `on_sent` is told which of them one has taken."""

    def __init__(
        self, forwarders: Forwarders, counters: GatewayCounters, faults: Faults, on_sent: Callable[[Downlink], None]
    ) -> None:
        self._forwarders = forwarders
        self._counters = counters
        self._faults = faults
        self._on_sent = on_sent
        self._token = 0
        self._under_way: OrderedDict[bytes, _UnderWay] = OrderedDict()
        self._duty: OrderedDict[str, DutyCycle] = OrderedDict()
        self._busy: dict[str, list[tuple[int, int, int]]] = {}  # gateway -> (tmst, µs, when we handed it over)

    def send(self, downlink: Downlink, now_ms: int) -> Outgoing:
        """The datagram that hands it over, or none."""
        return self._next(downlink, downlink.windows, now_ms, "NO_WINDOW")

    def answered(self, ack: datagrams.TxAck, now_ms: int) -> Outgoing:
        """A gateway's word on what it was handed; a refusal goes on to the next window."""
        under_way = self._under_way.get(ack.token)
        if under_way is None or under_way.window.gateway != ack.gateway:
            return []
        del self._under_way[ack.token]
        if not ack.error:
            self._on_sent(under_way.downlink)
            return []
        error = ack.error if ack.error in TX_ERRORS else "OTHER"
        self._counters.downlinks_refused[error] += 1
        return self._next(under_way.downlink, under_way.left, now_ms, error)

    def _next(self, downlink: Downlink, windows: tuple[Window, ...], now_ms: int, reason: str) -> Outgoing:
        for n, window in enumerate(windows):
            way = self._forwarders.way(window.gateway)
            refusal = "NO_PULL_DATA" if way is None else self._refusal(downlink, window, now_ms)
            if way is None or refusal:
                reason = refusal or reason
                continue
            self._token = (self._token + 1) % 65536
            token = self._token.to_bytes(2, "big")
            self._note(window, _airtime_us(downlink, window), now_ms)
            self._counters.downlinks += 1
            if way.version == 1:
                self._on_sent(downlink)
            else:
                self._under_way[token] = _UnderWay(downlink, window, windows[n + 1 :])
                while len(self._under_way) > UNDER_WAY_MAX:
                    self._under_way.popitem(last=False)
            return [(datagrams.pull_resp(token, _tx(downlink, window), way.version), way.address)]
        self._counters.downlinks_failed[reason] += 1
        if not downlink.awaited:
            return []
        line = "a downlink for %s found no gateway that could send it: %s"
        self._faults.report("downlink" + reason, line % (downlink.device, _WHY.get(reason, reason)))
        return []

    def _refusal(self, downlink: Downlink, window: Window, now_ms: int) -> str:
        """Why not this window; "" if nothing is against it."""
        if now_ms + LEAD_MS > window.opens_ms:
            return "TOO_LATE"
        airtime_us = _airtime_us(downlink, window)
        if not self._duty_of(window.gateway).allows(window.freq_hz, airtime_us, now_ms / 1000):
            return "DUTY_CYCLE"
        busy = self._busy.get(window.gateway, ())
        fresh = [(start, length) for start, length, given_ms in busy if now_ms - given_ms < BUSY_MS]
        if any(_overlap(window.tmst, airtime_us, start, length) for start, length in fresh):
            return "COLLISION_PACKET"
        return ""

    def _note(self, window: Window, airtime_us: int, now_ms: int) -> None:
        self._duty_of(window.gateway).sent(window.freq_hz, airtime_us, now_ms / 1000)
        busy = self._busy.setdefault(window.gateway, [])
        busy.append((window.tmst, airtime_us, now_ms))
        del busy[:-32]

    def _duty_of(self, gateway: str) -> DutyCycle:
        duty = self._duty.setdefault(gateway, DutyCycle())
        self._duty.move_to_end(gateway)
        while len(self._duty) > GATEWAYS_MAX:
            gone, _ = self._duty.popitem(last=False)
            self._busy.pop(gone, None)
        return duty


_WHY = {
    "NO_WINDOW": "none said when it heard the uplink",
    "NO_PULL_DATA": "none has sent PULL_DATA, so none can be told",
    "TOO_LATE": "the receive windows were over",
    "DUTY_CYCLE": "they have used up their air time of this hour",
}


def _airtime_us(downlink: Downlink, window: Window) -> int:
    return int(eu868.airtime_us(len(downlink.phy), window.dr, uplink=False))


def _overlap(start: int, length: int, other: int, other_length: int) -> bool:
    """Whether two transmissions of one gateway meet, on its counter that wraps."""
    ahead = (other - start + TMST_WRAP // 2) % TMST_WRAP - TMST_WRAP // 2
    return -other_length < ahead < length


def _tx(downlink: Downlink, window: Window) -> Tx:
    rate = eu868.DATA_RATES[window.dr]
    return Tx(downlink.phy, window.freq_hz, rate.sf, rate.bw_hz, window.tmst, window.power_dbm)
