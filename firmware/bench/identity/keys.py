"""What a device is known by: DevEUI, JoinEUI, keys, and the file that holds them on the board. Pure but for chance.

The rule: keys come from the operating system's source of chance and from nowhere else. A DevEUI is the maker's, the
registry's, or made of the board's MAC with FFFE in its middle, the range that is kept free for that (IEEE, "Guidelines
for Use of Extended Unique Identifier"; RFC 4291, appendix A, whose inverted bit is for IPv6 only). One made by chance
has the bit "locally administered" set, so that it lies in nobody's OUI. A DevAddr made here is of NetID 0, which is
for networks of one's own (LoRaWAN Backend Interfaces, "NetID").
"""

import secrets
from typing import Any

from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from schemas.models import Activation, Device

JOIN_EUI = "0000000000000000"  # nobody's: the network that holds the AppKey answers
_GROUP, _LOCAL = 0x01, 0x02  # bits of an EUI's first byte


def dev_eui_of_mac(mac: str) -> str:
    """`24:58:7c:00:00:01` -> `24587cfffe000001`. Raises WrongUse for what is no board's MAC."""
    plain = mac.replace(":", "").replace("-", "").lower()
    try:
        octets = bytes.fromhex(plain)
    except ValueError:
        octets = b""
    if len(octets) != 6 or octets[0] & _GROUP or octets in (bytes(6), b"\xff" * 6):
        raise WrongUse(
            say("'%s' is no MAC of a board, like 24:58:7c:00:00:01", "'%s' ist keine MAC einer Karte, etwa"
                " 24:58:7c:00:00:01", mac)
        )  # fmt: skip
    return f"{octets[:3].hex()}fffe{octets[3:].hex()}"


def dev_eui_by_chance() -> str:
    """For a board whose MAC nobody knows."""
    first, *rest = secrets.token_bytes(8)
    return bytes((first & ~_GROUP | _LOCAL, *rest)).hex()


def key() -> str:
    """An AES-128 key, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def dev_addr() -> str:
    """25 bits by chance below NetID 0's prefix."""
    return f"{secrets.randbits(25):08x}"


def password() -> str:
    """Of a device at the MQTT broker, 192 bits."""
    return secrets.token_urlsafe(24)


def completed(device: Device, mac: str | None) -> Device:
    """The device with what it lacks for its activation; what is there stays. `mac`: of the board, if known."""
    made: dict[str, str] = {}
    if device.activation is not Activation.MQTT and not device.dev_eui:
        made["dev_eui"] = dev_eui_of_mac(mac) if mac else dev_eui_by_chance()
    if device.activation is Activation.OTAA:
        made |= {} if device.join_eui else {"join_eui": JOIN_EUI}
        made |= {} if device.app_key else {"app_key": key()}
    if device.activation is Activation.ABP:
        makers = {"dev_addr": dev_addr, "nwk_skey": key, "app_skey": key}
        made |= {name: make() for name, make in makers.items() if not getattr(device, name)}
    return device.model_copy(update=made)


def identity_of(device: Device, generation: int = 1, mqtt_password: str = "") -> dict[str, Any]:
    """/identity.json of a completed device: what its carrier reads, and no more (docs/device.md)."""
    identity: dict[str, Any] = {"device": device.device, "activation": device.activation.value}
    if device.activation is Activation.OTAA:
        identity |= {"dev_eui": device.dev_eui, "join_eui": device.join_eui, "app_key": device.app_key}
    elif device.activation is Activation.ABP:
        identity |= {"dev_eui": device.dev_eui} if device.dev_eui else {}
        identity |= {name: getattr(device, name) for name in ("dev_addr", "nwk_skey", "app_skey")}
    elif mqtt_password:
        identity["mqtt_password"] = mqtt_password
    return {**identity, "generation": generation}
