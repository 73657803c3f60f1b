"""What people paste for a frame: hex in any dress, base64 as packet forwarders log it, a whole rxpk or txpk.

The rule: hex wins where a text could be both; base64 is believed only where it gives a LoRaWAN frame, and everything
that was understood beyond plain hex is said in `notes`. What is neither is a PastedError that names the place.
Specification of the JSON: `gateway.semtech.objects`.
"""

import json
import re
from typing import Any, NamedTuple

from edge.lorawan.frames import FrameError, parse
from gateway.semtech.objects import Crc, ObjectError, Rx, rx_of

_DRESS = re.compile(r"0[xX](?=[0-9a-fA-F])|\\x|[\s:,;{}\[\]-]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")  # 16 characters are the shortest frame
MOSTLY_HEX = 0.75  # of the characters: base64 has about a third


class PastedError(ValueError):
    """Neither hex nor base64 nor an object with a frame; the message says what is wrong with it."""


class Pasted(NamedTuple):
    """The frame, and how it was read."""

    phy: bytes
    notes: tuple[str, ...] = ()


def read(texts: list[str]) -> Pasted:
    """The frame in one or several arguments. Raises PastedError, and FrameError for base64 that is no frame."""
    text = " ".join(texts).strip()
    if '"' in text and "{" in text:
        return _from_json(text)
    octets = hex_of(text)
    if octets is not None:
        return Pasted(octets)
    packed = "".join(text.split())
    if _BASE64.fullmatch(packed):
        phy = _base64(packed)
        try:
            if phy is not None and parse(phy):
                return Pasted(phy, ("read as base64, not as hex",))
        except FrameError as error:
            if _share_of_hex(packed) < MOSTLY_HEX:
                raise FrameError(f"read as base64, {error}") from None
    raise PastedError(_what_is_wrong(text))


def hex_of(text: str) -> bytes | None:
    """Bytes from hex with `0x`, `:`, `-`, commas, brackets and blanks in it; None where it is not hex."""
    digits = _DRESS.sub("", text)
    try:
        return bytes.fromhex(digits) if digits.isascii() else None
    except ValueError:
        return None


def _from_json(text: str) -> Pasted:
    """The first frame of an rxpk or txpk object, of a list of them, or of a whole datagram's JSON."""
    start = min(at for at in (text.find("{"), text.find("[")) if at >= 0)
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise PastedError(f"this looks like JSON and is none ({error}); put it between single quotes") from None
    while isinstance(value, dict) and "data" not in value and ("rxpk" in value or "txpk" in value):
        value = value.get("rxpk", value.get("txpk"))
    others = len(value) - 1 if isinstance(value, list) else 0
    if isinstance(value, list):
        value = value[0] if value else {}
    try:
        rx = rx_of(value, "")[0]
    except ObjectError as error:
        raise PastedError(f"this JSON has no frame in `data`: {error}") from None
    notes = [f"read from the `data` of a JSON object{_heard(rx)}"]
    if others:
        notes.append(f"the JSON holds {others} more, this is the first")
    if rx.crc is not Crc.OK:
        notes.append(f"the gateway found its checksum {_CRC[rx.crc]}: some bytes may be wrong")
    return Pasted(rx.phy, tuple(notes))


_CRC = {Crc.FAILED: "WRONG", Crc.NONE: "missing"}


def _heard(rx: Rx) -> str:
    said: list[tuple[Any, str]] = [
        (rx.freq_hz, f"{(rx.freq_hz or 0) / 1e6:.10g} MHz"),
        (rx.sf, f"SF{rx.sf}"),
        (rx.rssi_dbm, f"RSSI {rx.rssi_dbm} dBm"),
        (rx.snr_db, f"SNR {rx.snr_db} dB"),
    ]
    known = [words for value, words in said if value is not None]
    return f" ({', '.join(known)})" if known else ""


def _base64(packed: str) -> bytes | None:
    try:
        return rx_of({"data": packed}, "")[0].phy
    except ObjectError:
        return None


def _share_of_hex(packed: str) -> float:
    return sum(c in "0123456789abcdefABCDEF" for c in packed) / len(packed)


def _what_is_wrong(text: str) -> str:
    """One sentence, with the first character that is no hex digit."""
    undressed = _DRESS.sub(lambda found: " " * len(found[0]), text)
    for at, character in enumerate(undressed):
        if character not in "0123456789abcdefABCDEF ":
            where = f"{character!r} at position {at + 1}"
            return f"this is not hexadecimal ({where}): give the frame as two hex digits a byte, or as base64"
    digits = len(undressed.replace(" ", ""))
    return f"this is not hexadecimal ({digits} digits, an odd number): give the frame as two hex digits a byte"
