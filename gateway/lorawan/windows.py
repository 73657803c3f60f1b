"""Where a downlink may go: the receive windows that an uplink opens at every gateway that heard it. Pure.

The rule: the best link first, its first window before its second, then the next gateway; what does not fit, is too
late or has no air time left is for `transmitter` to skip. `tmst` is each gateway's own counter, so a window belongs to
its gateway; `opens_ms` is our clock's guess, good enough to know that it is too late.
Specification: LoRaWAN 1.0.4, section 3.3; RP002-1.0.4 EU863-870.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.lorawan import eu868
from edge.lorawan.link import Link
from gateway.lorawan.dedup import Reception
from gateway.semtech.objects import Rx

TMST_WRAP = 2**32


@dataclass(frozen=True, slots=True)
class Window:
    """One receive window at one gateway. `payload_max`: bytes of FRMPayload and FOpts that fit."""

    gateway: str
    freq_hz: int
    dr: int
    tmst: int
    opens_ms: int
    power_dbm: int

    @property
    def payload_max(self) -> int:
        return int(eu868.frm_payload_max(self.dr))


def after_uplink(reception: Reception, link: Link) -> tuple[Window, ...]:
    """The windows of a data frame, with what the network knows of the device's radio."""
    return _windows(reception, link, link.rx_delay_s)


def after_join(reception: Reception) -> tuple[Window, ...]:
    """The windows of a JoinRequest."""
    return _windows(reception, Link(), eu868.JOIN_RX1_DELAY_S)


def _windows(reception: Reception, link: Link, delay_s: int) -> tuple[Window, ...]:
    found: list[Window] = []
    gateways: set[str] = set()
    for heard in reception.heard:
        if heard.rx.gateway not in gateways:
            gateways.add(heard.rx.gateway)
            found += _at(heard.rx, reception.received_ms, link, delay_s)
    return tuple(found)


def _at(rx: Rx, received_ms: int, link: Link, delay_s: int) -> Iterator[Window]:
    """Both windows at one gateway; none where it did not say enough of the uplink."""
    if rx.tmst is None:
        return
    dr = eu868.data_rate(rx.sf, rx.bw_hz)
    if rx.freq_hz is not None and dr is not None:
        rx1_dr = eu868.rx1_data_rate(dr, link.rx1_dr_offset)
        yield _window(rx, _answer_hz(link, rx.freq_hz), rx1_dr, received_ms, delay_s)
    yield _window(rx, link.rx2_hz, link.rx2_dr, received_ms, delay_s + 1)


def _window(rx: Rx, freq_hz: int, dr: int, received_ms: int, delay_s: int) -> Window:
    assert rx.tmst is not None
    band = eu868.sub_band(freq_hz)
    tmst = (rx.tmst + delay_s * 1_000_000) % TMST_WRAP
    return Window(rx.gateway, freq_hz, dr, tmst, received_ms + delay_s * 1000, band.max_erp_dbm if band else 14)


def _answer_hz(link: Link, uplink_hz: int) -> int:
    """The downlink frequency of a channel: the uplink's own, unless DlChannelReq has moved it."""
    for channel in link.channels:
        if channel and channel[0] == uplink_hz:
            return int(channel[1])
    return uplink_hz
