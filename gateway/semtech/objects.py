"""The JSON objects inside Semtech UDP datagrams, as values: rxpk → Rx, stat → Stat, txpk ↔ Tx.

Forwarders of many makes write these objects, so nothing but the payload is required: what is missing or not of
the right kind is None, and one broken object is a fault of its own, not of its neighbours. `tmst` is the
concentrator's 32-bit microsecond counter and never a time; `time` is there only with a GPS. The payload comes as
base64 or base64url or both mixed, with or without padding.

Specification: Lora-net/packet_forwarder PROTOCOL.TXT, sections 4 and 6; `rsig` (several antennas) as gateways send it.
"""

import base64
import binascii
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_DATR = re.compile(r"SF(\d{1,2})BW(\d{1,4}(?:\.\d{1,3})?)")
_TMST_WRAP = 2**32
PHY_MAX = 256  # bytes; the radio's length field has eight bits


class ObjectError(ValueError):
    """The object cannot be used; the message says why."""


class Crc(StrEnum):
    """What the concentrator says of the physical layer's checksum."""

    OK = "ok"
    FAILED = "failed"
    NONE = "none"


_CRC: dict[int | None, Crc] = {-1: Crc.FAILED, 0: Crc.NONE, 1: Crc.OK}


@dataclass(frozen=True, slots=True)
class Rx:
    """One frame as one antenna of one gateway heard it. None: the forwarder did not say."""

    gateway: str  # EUI, lower-case hex
    phy: bytes
    crc: Crc = Crc.OK
    freq_hz: int | None = None
    modulation: str = "LORA"
    sf: int | None = None  # LoRa
    bw_hz: int | None = None  # LoRa
    bitrate_bps: int | None = None  # FSK
    coding_rate: str | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None
    tmst: int | None = None  # µs, wraps at 2**32
    time: datetime | None = None  # the gateway's GPS time
    channel: int | None = None
    rf_chain: int | None = None
    antenna: int | None = None


@dataclass(frozen=True, slots=True)
class Stat:
    """A gateway's own state."""

    time: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude_m: float | None = None
    received: int | None = None
    received_ok: int | None = None
    forwarded: int | None = None
    acknowledged_percent: float | None = None
    downlinks: int | None = None
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class Tx:
    """A LoRa frame for a gateway to send, at `tmst` of its counter, or at once without one."""

    phy: bytes
    freq_hz: int
    sf: int
    bw_hz: int = 125000
    tmst: int | None = None
    power_dbm: int = 14
    coding_rate: str = "4/5"
    inverted: bool = True  # downlinks have inverted polarisation, so that devices hear gateways only


def rx_of(rxpk: Any, gateway: str) -> list[Rx]:
    """The receptions in one rxpk object, one for each antenna. Raises ObjectError."""
    if not isinstance(rxpk, dict):
        raise ObjectError("rxpk is not an object")
    phy = _payload(rxpk.get("data"))
    sf, bw_hz = _lora_rate(rxpk.get("datr"))
    rx = Rx(
        gateway=gateway,
        phy=phy,
        crc=_CRC.get(_whole(rxpk.get("stat"), -1, 1), Crc.OK),
        freq_hz=_hertz(rxpk.get("freq")),
        modulation=_modulation(rxpk),
        sf=sf,
        bw_hz=bw_hz,
        bitrate_bps=_whole(rxpk.get("datr"), 1, 10**6),
        coding_rate=_text(rxpk.get("codr")),
        rssi_dbm=_number(rxpk.get("rssi")),
        snr_db=_number(rxpk.get("lsnr")),
        tmst=_whole(rxpk.get("tmst"), 0, _TMST_WRAP - 1),
        time=time_of(rxpk.get("time")),
        channel=_whole(rxpk.get("chan"), 0, 255),
        rf_chain=_whole(rxpk.get("rfch"), 0, 255),
        antenna=_whole(rxpk.get("ant"), 0, 255),
    )
    signals = rxpk.get("rsig")
    antennas = [s for s in signals if isinstance(s, dict)] if isinstance(signals, list) else []
    return [_with_signal(rx, signal) for signal in antennas] or [rx]


def _with_signal(rx: Rx, signal: dict[str, Any]) -> Rx:
    rssi = _number(signal.get("rssic"))
    return replace(
        rx,
        antenna=_whole(signal.get("ant"), 0, 255),
        channel=_whole(signal.get("chan"), 0, 255),
        rssi_dbm=rx.rssi_dbm if rssi is None else rssi,
        snr_db=_number(signal.get("lsnr")),
    )


def stat_of(stat: Any) -> Stat | None:
    """The stat object, None where it is not one."""
    if not isinstance(stat, dict):
        return None
    return Stat(
        time=time_of(stat.get("time")),
        latitude=_number(stat.get("lati")),
        longitude=_number(stat.get("long")),
        altitude_m=_number(stat.get("alti")),
        received=_whole(stat.get("rxnb"), 0, 2**63),
        received_ok=_whole(stat.get("rxok"), 0, 2**63),
        forwarded=_whole(stat.get("rxfw"), 0, 2**63),
        acknowledged_percent=_number(stat.get("ackr")),
        downlinks=_whole(stat.get("dwnb"), 0, 2**63),
        sent=_whole(stat.get("txnb"), 0, 2**63),
    )


def tx_of(txpk: Any) -> Tx:
    """What a gateway is told to send (LoRa only). Raises ObjectError."""
    if not isinstance(txpk, dict):
        raise ObjectError("txpk is not an object")
    freq_hz = _hertz(txpk.get("freq"))
    sf, bw_hz = _lora_rate(txpk.get("datr"))
    if freq_hz is None or sf is None or bw_hz is None:
        raise ObjectError("txpk has no frequency or no LoRa data rate")
    return Tx(
        phy=_payload(txpk.get("data")),
        freq_hz=freq_hz,
        sf=sf,
        bw_hz=bw_hz,
        tmst=None if txpk.get("imme") is True else _whole(txpk.get("tmst"), 0, _TMST_WRAP - 1),
        power_dbm=_whole(txpk.get("powe"), -40, 40) or 0,
        coding_rate=_text(txpk.get("codr")) or "4/5",
        inverted=txpk.get("ipol") is True,
    )


def txpk_of(tx: Tx) -> dict[str, Any]:
    """The txpk object of a frame to send."""
    when = {"imme": True} if tx.tmst is None else {"imme": False, "tmst": tx.tmst % _TMST_WRAP}
    return when | {
        "freq": round(tx.freq_hz / 1e6, 6),
        "rfch": 0,
        "powe": tx.power_dbm,
        "modu": "LORA",
        "datr": "SF%dBW%g" % (tx.sf, tx.bw_hz / 1000),
        "codr": tx.coding_rate,
        "ipol": tx.inverted,
        "ncrc": tx.inverted,  # LoRaWAN downlinks carry no physical checksum (RP002: CRC is uplink only)
        "size": len(tx.phy),
        "data": base64.b64encode(tx.phy).decode(),
    }


def time_of(text: Any) -> datetime | None:
    """A time in either ISO 8601 form or as `2014-01-12 08:59:28 GMT`; in UTC, None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text.removesuffix(" GMT").removesuffix(" UTC"))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _payload(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ObjectError("no payload")
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        phy = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ObjectError("the payload is not base64") from None
    if len(phy) > PHY_MAX:
        raise ObjectError("the payload has %d bytes, a frame has at most %d" % (len(phy), PHY_MAX))
    return phy


def _lora_rate(datr: Any) -> tuple[int | None, int | None]:
    match = _DATR.match(datr) if isinstance(datr, str) else None
    if match is None or not 5 <= int(match[1]) <= 12:
        return None, None
    return int(match[1]), round(float(match[2]) * 1000)


def _modulation(rxpk: dict[str, Any]) -> str:
    said = _text(rxpk.get("modu"))
    return said.upper() if said else "FSK" if _number(rxpk.get("datr")) is not None else "LORA"


def _hertz(mhz: Any) -> int | None:
    number = _number(mhz)
    return round(number * 1e6) if number is not None and 0 < number < 10000 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e18 else None


def _whole(value: Any, low: int, high: int) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) and low <= number <= high else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 32 else None
