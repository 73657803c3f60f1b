"""What the QR code on a box says: LoRaWAN's identifier, or the station's page, or the device's name. Pure.

Source: LoRa Alliance TR005, "LoRaWAN Device Identification QR Codes":
`LW:D0:<JoinEUI>:<DevEUI>:<ProfileID>[:O<owner token>][:S<serial>][:P<proprietary>][:C<check sum>]`, hexadecimal in
capital letters, and nothing that a QR code could not say in its alphanumeric mode. The check sum is CRC-16/MODBUS of
what stands before it, as TR005's example has it. A ProfileID is a vendor's number with the LoRa Alliance and a
model's; 00000000 says that there is none.
"""

import re

from firmware.bench.identity.keys import JOIN_EUI
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from schemas.models import Activation, Device

NO_PROFILE = "00000000"
_ALPHANUMERIC = re.compile(r"[0-9A-Z $%*+./-]+")  # of QR codes, without the colon that separates


def of(device: Device, station: str | None = None, serial: str = "", profile: str = "", site: str = "") -> str:
    """`serial` is left out where no QR code's alphanumeric mode has its characters. `site`: URL of the pages."""
    if device.activation is not Activation.MQTT and device.dev_eui:
        return lorawan(device.dev_eui, device.join_eui or JOIN_EUI, profile or NO_PROFILE, serial or device.device)
    if site and station:
        return f"{site.rstrip('/')}/station/{station}"
    return device.device


def lorawan(dev_eui: str, join_eui: str, profile: str, serial: str = "") -> str:
    """Raises WrongUse for a profile that is none."""
    if not re.fullmatch("[0-9A-F]{8}", profile.upper()):
        raise WrongUse(
            say(
                "'%s' is no ProfileID: 4 hexadecimal digits of the vendor and 4 of the model",
                "'%s' ist keine ProfileID: 4 Hexadezimalziffern des Herstellers und 4 des Modells",
                profile,
            )
        )
    text = f"LW:D0:{join_eui}:{dev_eui}:{profile}".upper()
    if _ALPHANUMERIC.fullmatch(serial.upper()):
        text += f":S{serial.upper()}"
    return f"{text}:C{check_sum(text):04X}"


def check_sum(text: str) -> int:
    """CRC-16/MODBUS."""
    crc = 0xFFFF
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
