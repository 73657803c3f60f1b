"""What the built-in network says back to a device: acknowledgements and answers to MAC commands. Pure.

Downlinks go out in the first receive window, on the uplink's frequency and data rate, by the gateway that heard the
uplink best. Specification: LoRaWAN 1.0.4, sections 3.3 and 5; RP002-1.0.4 EU863-870.
"""

from dataclasses import dataclass

from edge.lorawan import mac, server
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.lorawan.dedup import Reception
from gateway.semtech.objects import Tx

GPS_EPOCH_S = 315964800
LEAP_SECONDS = 18  # GPS is ahead of UTC by these since 2017
REQUIRED_SNR_DB = {5: -2.5, 6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}


@dataclass(frozen=True, slots=True)
class Downlink:
    """A frame for a gateway to send."""

    gateway: str
    tx: Tx


def answer(session: Session, reception: Reception, ack: bool, fopts: bytes) -> tuple[Downlink | None, Session]:
    """A downlink without a payload, and the session after it."""
    phy, session = server.downlink(aes, session, ack=ack, fopts=fopts)
    return first_window(reception, phy, session.rx_delay), session


def first_window(reception: Reception, phy: bytes, delay_s: int) -> Downlink | None:
    """A downlink in RX1; None where the gateway did not say enough of the uplink to answer it."""
    rx = reception.best
    if rx.tmst is None or rx.freq_hz is None or rx.sf is None or rx.bw_hz is None:
        return None
    tmst = (rx.tmst + delay_s * 1_000_000) % 2**32
    return Downlink(rx.gateway, Tx(phy, rx.freq_hz, rx.sf, rx.bw_hz, tmst))


def to_commands(commands: list[mac.Command], reception: Reception) -> bytes:
    """Answers to the MAC commands that a network has to answer, as FOpts."""
    names = {command.name for command in commands}
    fopts = b""
    if "LinkCheckReq" in names:
        snr, sf = reception.best.snr_db or 0, reception.best.sf or 12
        margin = max(0, min(254, round(snr - REQUIRED_SNR_DB[sf])))
        fopts += mac.build("LinkCheckAns", margin=margin, gateway_count=min(255, len(reception.gateways)))
    if "DeviceTimeReq" in names:
        gps_ms = reception.received_ms - GPS_EPOCH_S * 1000 + LEAP_SECONDS * 1000
        seconds, rest_ms = divmod(gps_ms, 1000)
        fopts += mac.build("DeviceTimeAns", gps_seconds=seconds % 2**32, fraction_256ths=rest_ms * 256 // 1000)
    return fopts
