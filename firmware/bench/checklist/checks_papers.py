"""What a device is and what it is to do: identity.json and config.json as they stand on it. Pure.

The rule: a configuration is judged by the firmware's own `edge.config`, and by what really hangs on the buses.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from edge.config import ConfigError, checked
from edge.sensors.chips import CHIPS
from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.check import Check, green, red, yellow
from firmware.bench.words import say

_KEYS = {
    "otaa": {"dev_eui": 16, "app_key": 32},
    "abp": {"dev_addr": 8, "nwk_skey": 32, "app_skey": 32},
    "mqtt": {},
}


def identity(text: bytes | None, registered: Mapping[str, Any] | None, asked: bool, station: str = "") -> Check:
    """`text`: identity.json; `registered`: the device's row where somebody was `asked`; `station`: expected."""
    provision = say("provision it: klimanetz device provision", "einrichten: klimanetz device provision")
    given = object_of(text)
    if given is None or not given.get("device"):
        return red("identity", say("it has no identity", "es hat keine Identität"), provision)
    device, activation = str(given["device"]), given.get("activation")
    values = {
        "device": device,
        "activation": activation,
        "dev_eui": given.get("dev_eui"),
        "generation": given.get("generation", 1),
    }
    wrong = _wrong_keys(given)
    if wrong:
        return red("identity", say("%s: %s cannot be used", "%s: %s ist unbrauchbar", device, wrong), provision, values)
    if not asked:
        return yellow(
            "identity",
            say("%s; not asked whether it is registered", "%s; nicht gefragt, ob es registriert ist", device),
            say(
                "verify again online, or merge the manifest", "online noch einmal prüfen, oder das Manifest übernehmen"
            ),
            values,
        )
    if registered is None:
        return red("identity", say("%s is not registered", "%s ist nicht registriert", device), provision, values)
    values["station"] = registered.get("station")
    theirs = registered.get("dev_eui")
    if activation != registered.get("activation") or (theirs and _hex(theirs) != _hex(given.get("dev_eui"))):
        return red(
            "identity",
            say(
                "%s is registered as another device (%s, DevEUI %s)",
                "%s ist als ein anderes Gerät registriert (%s, DevEUI %s)",
                device,
                registered.get("activation"),
                theirs,
            ),
            provision,
            values,
        )
    if station and registered.get("station") != station:
        return red(
            "identity",
            say(
                "%s is registered at %s, not at %s",
                "%s ist an %s registriert, nicht an %s",
                device,
                registered.get("station") or say("no station", "keiner Station"),
                station,
            ),
            say(
                "deploy it: klimanetz device provision --station, or replace",
                "zuordnen: klimanetz device provision --station, oder replace",
            ),
            values,
        )
    if not registered.get("station"):
        return yellow(
            "identity",
            say("%s stands at no station yet", "%s gehört noch zu keiner Station", device),
            say("deploy it: klimanetz device provision --station", "zuordnen: klimanetz device provision --station"),
            values,
        )
    return green(
        "identity", say("%s at %s, registered", "%s an %s, registriert", device, registered["station"]), values
    )


def configuration(
    text: bytes | None,
    buses: list[str],
    files: Collection[str],
    told: Fact | None,
    answering: Mapping[str, Any],
    radio: str = "",
) -> Check:
    """`told`: what the firmware says of it; `answering`: {bus: addresses that acknowledge}; `radio`: of the image."""
    mend = say("correct config.json and provision it again", "config.json berichtigen und neu einrichten")
    given = object_of(text)
    if given is None:
        return red(
            "configuration",
            say(
                "there is no configuration on it, or it is not JSON",
                "es hat keine Konfiguration, oder sie ist kein JSON",
            ),
            mend,
        )
    try:
        config = checked(given, CHIPS, buses)
    except ConfigError as error:
        return red("configuration", str(error), mend)
    values = {
        "interval_s": config["interval_s"],
        "radio": config["radio"],
        "sleep": config["sleep"],
        "sensors": {name: one["chip"] for name, one in config["sensors"].items()},
    }
    if told and told.get("trouble"):
        return red(
            "configuration",
            say("the device does not use it: %s", "das Gerät nutzt sie nicht: %s", told["trouble"]),
            mend,
            values,
        )
    if radio and radio != config["radio"]:
        return red(
            "configuration",
            say("it wants %s, and the image has %s", "sie will %s, und das Image hat %s", config["radio"], radio),
            say("build the image with this configuration", "das Image mit dieser Konfiguration bauen"),
            values,
        )
    missing = missing_drivers(config, files)
    if missing:
        return red(
            "configuration",
            say("no driver on the board for %s", "kein Treiber auf der Karte für %s", ", ".join(missing)),
            say("build the image with this configuration", "das Image mit dieser Konfiguration bauen"),
            values,
        )
    strangers = unconfigured(config, answering)
    if strangers:
        return yellow(
            "configuration",
            say(
                "something answers that is not configured: %s",
                "es antwortet etwas, das nicht konfiguriert ist: %s",
                ", ".join(strangers),
            ),
            say("add that sensor, or take it off the bus", "den Sensor eintragen oder abklemmen"),
            values,
        )
    return green(
        "configuration",
        say(
            "usable: %s, every %s s over %s",
            "brauchbar: %s, alle %s s über %s",
            ", ".join(f"{name} ({one['chip']})" for name, one in config["sensors"].items()),
            config["interval_s"],
            config["radio"],
        ),
        values,
    )


def missing_drivers(config: Mapping[str, Any], files: Collection[str]) -> list[str]:
    """Chips without a driver among the board's files; [] where the firmware is frozen in and no file tells."""
    folder = "/lib/firmware/device/drivers/"
    if not any(path.startswith("/lib/firmware/device/") for path in files):
        return []
    wanted = {one["chip"] for one in config["sensors"].values()}
    return sorted(chip for chip in wanted if not {folder + chip + ".mpy", folder + chip + ".py"} & set(files))


def unconfigured(config: Mapping[str, Any], answering: Mapping[str, Any]) -> list[str]:
    """What acknowledges on an I2C bus and belongs to no configured sensor, like `i2c0 119 (bme280, bme680)`."""
    out = []
    for bus, addresses in answering.items():
        known: set[int] = set()
        for one in config["sensors"].values():
            if one["bus"] == bus:
                known |= {one["address"]} if one["address"] is not None else set(CHIPS[one["chip"]].addresses)
        for address in addresses or ():
            if address not in known:
                like = [name for name, chip in CHIPS.items() if address in chip.addresses]
                out.append(f"{bus} {address}" + (f" ({', '.join(like)})" if like else ""))
    return out


def _wrong_keys(given: Mapping[str, Any]) -> str:
    """The name of the first part of an identity that cannot be used, "" where all can."""
    wanted = _KEYS.get(str(given.get("activation")))
    if wanted is None:
        return "activation"
    for name, digits in wanted.items():
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", str(given.get(name, ""))):
            return name
    return ""


def object_of(text: bytes | None) -> dict[str, Any] | None:
    """The JSON object of a file, None where it is none."""
    try:
        found = json.loads(text or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _hex(text: object) -> str:
    return re.sub(r"[^0-9a-f]", "", str(text).lower())
