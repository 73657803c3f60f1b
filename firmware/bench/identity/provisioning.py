"""A board becomes a device: which identity it gets, and what has to be told to whom. Pure.

The rule: an identity that a board has is not written over unless that is said. Of a device that sent before, from
another board, readings go on in a generation above all that it can have used: `(device, generation, seq)` is one
reading for ever. Its DevNonces begin anew on this board, which a network refuses: give it a new key, or say so there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.config import ConfigError, checked
from edge.sensors.chips import CHIPS
from firmware.bench.board.backup import CONFIG, IDENTITY, OF_IDENTITY, Backup
from firmware.bench.board.restoring import SESSION
from firmware.bench.identity import keys
from firmware.bench.identity.places import Row
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say
from firmware.contents import board_pins, boards, buses
from schemas.device_rows import KEYS
from schemas.models import Activation, Device

SECRETS: dict[Activation, tuple[str, ...]] = {
    Activation.OTAA: ("app_key",), Activation.ABP: ("dev_addr", "nwk_skey", "app_skey"), Activation.MQTT: (),
}  # fmt: skip
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """`wanted`: the device, perhaps without keys; `known`: its row in the registry; `heard`: whether the cloud ever had
    a reading of it, None where nobody knows. `config`: the text of one, b"" for the one on the board.
    """

    wanted: Device
    known: Row | None = None
    heard: bool | None = False
    config: bytes = b""
    replace_identity: bool = False
    new_key: bool = False
    password: bool = False  # make one for the broker


@dataclass(frozen=True, slots=True)
class Plan:
    """`files`: what goes onto the board, the identity last; `clears`: what begins so belonged to the identity before.

    `row`: for the registry; `next`: what a person has to do, in sentences.
    """

    device: Device
    files: dict[str, bytes]
    clears: tuple[str, ...]
    row: Row
    next: tuple[str, ...]
    password: str = ""


def decide(wish: Wish, board: Backup, model: str, now: datetime) -> Plan:
    """`board`: what stands on it; `model`: which board it is, "" where nobody knows. Raises WrongUse."""
    there = board.identity
    same = there.get("device") == wish.wanted.device
    device = _completed(wish, there if same else {}, board.mac)
    config = _config(wish, board, model, device)
    fits = same and _agrees(there, device)
    if there and not fits and not wish.replace_identity:
        raise WrongUse(_refusal(there, device, same))
    password = keys.password() if wish.password and device.activation is Activation.MQTT else ""
    clears: tuple[str, ...] = () if fits or not there else (SESSION,) if same else OF_IDENTITY
    used_elsewhere = not fits and not same and wish.known is not None and wish.heard is not False
    generation = there.get("generation", 1) if same else _days(now) if used_elsewhere else 1
    identity = keys.identity_of(device, generation, password or str(there.get("mqtt_password", "")) * same)
    files = {} if config == board.files.get(CONFIG) else {CONFIG: config}
    if not fits or password:
        files[IDENTITY] = json.dumps(identity).encode()
    row = {name: value for name, value in device.model_dump(mode="json").items() if value is not None}
    told = tuple(_next(wish, device, used_elsewhere, not fits, password))
    return Plan(device, files, clears, row, told, password)


def _completed(wish: Wish, there: Mapping[str, Any], mac: str) -> Device:
    """What the wish lacks is the registry's, then the board's, then made here."""
    device = wish.wanted
    for other in (wish.known or {}, there):
        lacks = {name: other[name] for name in KEYS if not getattr(device, name) and other.get(name)}
        device = device.model_copy(update=lacks)
    lacks_keys = any(not getattr(device, name) for name in SECRETS[device.activation])
    if wish.known is not None and lacks_keys and not wish.new_key:
        raise WrongUse(
            say(
                "the keys of %s are not known here; use an API key of the scope admin, give them in a file (--row), or"
                " make new ones (--new-key)",
                "die Schlüssel von %s sind hier nicht bekannt; einen API-Schlüssel für admin benutzen, sie in einer"
                " Datei angeben (--row) oder neue machen (--new-key)",
                device.device,
            )
        )
    if wish.new_key and device.activation is Activation.OTAA:
        device = device.model_copy(update={"app_key": None})
    if wish.new_key and device.activation is Activation.ABP:
        device = device.model_copy(update={"dev_addr": None, "nwk_skey": None, "app_skey": None})
    return keys.completed(device, mac or None)


def _agrees(there: Mapping[str, Any], device: Device) -> bool:
    """Whether the board's identity is this one."""
    identity = keys.identity_of(device)
    return all(there.get(name) == value for name, value in identity.items() if name != "generation")


def _refusal(there: Mapping[str, Any], device: Device, same: bool) -> str:
    if same:
        names = ", ".join(n for n in (*KEYS, "activation") if there.get(n) != keys.identity_of(device).get(n))
        return say(
            "this board is %s with another %s than the registry's; if that one is right: --replace-identity",
            "diese Karte ist %s, aber mit anderem %s als im Register; wenn jenes gilt: --replace-identity",
            device.device,
            names,
        )
    return say(
        "this board is %s, not %s; if it is to become another device: --replace-identity (a backup is made first)",
        "diese Karte ist %s, nicht %s; soll sie ein anderes Gerät werden: --replace-identity (vorher wird gesichert)",
        there["device"],
        device.device,
    )


def _days(now: datetime) -> int:
    """A generation above any that a board began by itself: those rise by one, and not every day."""
    return max(2, (now - _EPOCH).days)


def _config(wish: Wish, board: Backup, model: str, device: Device) -> bytes:
    """The configuration that will stand on the board, checked. Raises WrongUse."""
    text = wish.config or board.files.get(CONFIG, b"")
    if not text:
        raise WrongUse(
            say(
                "this board has no configuration, name one: --config config.json",
                "diese Karte hat keine Konfiguration, bitte eine nennen: --config config.json",
            )
        )
    try:
        config = checked(json.loads(text), CHIPS, buses(board_pins(model)) if model in boards() else None)
    except ConfigError as error:
        raise WrongUse(say("the configuration: %s", "die Konfiguration: %s", error)) from None
    except (ValueError, TypeError, AttributeError):
        raise WrongUse(
            say("the configuration is not a JSON object", "die Konfiguration ist kein JSON-Objekt")
        ) from None
    if (config["radio"] == "mqtt") != (device.activation is Activation.MQTT):
        raise WrongUse(
            say(
                "%s is a device on %s, and the configuration says radio %s",
                "%s ist ein Gerät mit %s, die Konfiguration sagt radio %s",
                device.device,
                "MQTT" if device.activation is Activation.MQTT else "LoRaWAN",
                config["radio"],
            )
        )
    if model in boards() and config["radio"] == "lorawan" and board_pins(model).RADIO is None:
        raise WrongUse(say("%s has no LoRa radio", "%s hat kein LoRa-Funkteil", model))
    return text


def _next(wish: Wish, device: Device, used_elsewhere: bool, new: bool, password: str) -> list[str]:
    out = []
    if used_elsewhere:
        out.append(
            say(
                "%s sent before from another board: that one must not be switched on again",
                "%s hat schon von einer anderen Karte gesendet: die darf nicht mehr eingeschaltet werden",
                device.device,
            )
        )
    old_key = wish.known is not None and wish.known.get("app_key") in (device.app_key, None) and not wish.new_key
    if new and used_elsewhere and device.activation is Activation.OTAA and old_key:
        out.append(
            say(
                "its DevNonces begin anew: with --new-key the network takes them; else flush them there (ChirpStack:"
                " Flush OTAA device nonces; The Things Stack: Reset used DevNonces)",
                "ihre DevNonces beginnen von vorn: mit --new-key nimmt das Netz sie an; sonst dort löschen (ChirpStack:"
                " Flush OTAA device nonces; The Things Stack: Reset used DevNonces)",
            )
        )
    if new and device.activation is Activation.ABP and used_elsewhere and not wish.new_key:
        out.append(
            say(
                "its frame counters begin anew: use --new-key, or reset them at the network",
                "ihre Frame-Zähler beginnen von vorn: --new-key benutzen oder im Netz zurücksetzen",
            )
        )
    if password:
        out.append(
            say(
                "at the broker: mosquitto_passwd FILE %s, with the password told here once: %s",
                "am Broker: mosquitto_passwd DATEI %s, mit dem Passwort, das nur hier steht: %s",
                device.device,
                password,
            )
        )
    return out
