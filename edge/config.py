"""The configuration of a device: one JSON object, checked as a whole before anything of it is used. Pure.

The rule: a configuration is right or it is refused, and the refusal names the key, what stands there and what may. A
change that comes over the air is a part: it is laid over the configuration in use, `null` takes a key away, and the
result is checked as a whole. The tables here are the schema, and docs/device.md is made from them.
"""

from collections import namedtuple

from schemas.channels import is_place
from schemas.quantities import BY_NAME

# kind: "int", "bool", "text", "choice", "list", "object"; `low` and `high`: of an int, or the length of a text.
Key = namedtuple("Key", ("kind", "default", "low", "high", "choices"))
REQUIRED = "required"  # as a default


def _int(default, low, high):
    return Key("int", default, low, high, None)


def _text(default, high):
    return Key("text", default, 1, high, None)


def _flag(default):
    return Key("bool", default, 0, 0, None)


def _choice(default, *choices):
    return Key("choice", default, 0, 0, choices)


def _object(default):
    return Key("object", default, 0, 0, None)


TOP = {
    "interval_s": _int(900, 10, 86400),
    "radio": _choice(REQUIRED, "lorawan", "mqtt"),
    "sleep": _choice("deep", "deep", "light", "awake"),
    "sensors": _object(REQUIRED),
    "status_every_s": _int(86400, 3600, 604800),
    "low_battery_mv": _int(3400, 0, 30000),
    "lorawan": _object(None),
    "mqtt": _object(None),
    "wifi": _object(None),
    "ntp": _text(None, 64),
}
LORAWAN = {"dr": _int(3, 0, 5), "adr": _flag(True), "fair_use_s": _int(0, 0, 3600)}
MQTT = {"host": _text(REQUIRED, 64), "port": _int(None, 1, 65535), "tls": _flag(True), "ca": _text(None, 32)}
WIFI = {"ssid": _text(REQUIRED, 32), "password": _text(None, 64), "country": _text("DE", 2)}
SENSOR = {
    "chip": _text(REQUIRED, 16),
    "bus": _text(REQUIRED, 12),
    "address": _int(None, 0, 127),
    "place": _text(None, 16),
    "only": Key("list", None, 1, 16, None),
    "as": _object(None),
    "samples": _int(1, 1, 60),
    "spacing_s": _int(1, 0, 60),
    "every": _int(1, 1, 96),
    "options": _object(None),
}
SENSORS_MAX = 16
_KINDS: dict = {"int": int, "bool": bool, "text": str, "choice": str, "list": list, "object": dict}
_NAMES = {"int": "a whole number", "bool": "true or false", "text": "a text", "list": "a list", "object": "an object"}


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the key and what is allowed."""


def laid_over(config, change):
    """A configuration with a change over it; `None` takes a key away. Neither argument is touched."""
    out = dict(config)
    for key, value in change.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = laid_over(out[key], value)
        else:
            out[key] = value
    return out


def checked(given, chips, buses=None):
    """The configuration with every default in place, and the `channels` of each sensor.

    `chips`: edge.sensors.chips.CHIPS; `buses`: of the board, if known. Raises ConfigError.
    """
    config = _keys("", given, TOP)
    radio = config["radio"]
    config["lorawan"] = _keys("lorawan.", config["lorawan"] or {}, LORAWAN)
    for name, table in (("mqtt", MQTT), ("wifi", WIFI)):
        if config[name] is not None:
            config[name] = _keys(name + ".", config[name], table)
        elif radio == "mqtt":
            raise ConfigError('with "radio": "mqtt" there has to be "%s"' % name)
    if radio == "mqtt" and config["mqtt"]["tls"] and config["mqtt"]["ca"] is None:
        raise ConfigError('mqtt.ca: with TLS the file of the authority is needed, like "ca.der"')
    if not 1 <= len(config["sensors"]) <= SENSORS_MAX:
        raise ConfigError("sensors: 1 to %d" % SENSORS_MAX)
    taken: dict = {}
    config["sensors"] = {
        name: _sensor(name, one, chips, buses, taken) for name, one in sorted(config["sensors"].items())
    }
    return config


def channels_of(sensor, chip):
    """{quantity as measured: channel} of a checked sensor."""
    renamed, place = sensor["as"] or {}, sensor["place"]
    out = {}
    for quantity in sensor["only"] or chip.quantities:
        name = renamed.get(quantity, quantity)
        out[quantity] = name + "@" + place if place else name
    return out


def _sensor(name, given, chips, buses, taken):
    where = "sensors.%s" % name
    if not (is_place(name) and len(name) <= 12):
        raise ConfigError("%s: a sensor's name has 1 to 12 of a-z 0-9 . _ -" % where)
    if not isinstance(given, dict):
        raise ConfigError("%s: %r is not an object" % (where, given))
    sensor = _keys(where + ".", given, SENSOR)
    chip = chips.get(sensor["chip"])
    if chip is None:
        raise ConfigError("%s.chip: %r is none of %s" % (where, sensor["chip"], ", ".join(sorted(chips))))
    if buses is not None and sensor["bus"] not in buses:
        raise ConfigError("%s.bus: %r is none of %s" % (where, sensor["bus"], ", ".join(buses)))
    kind = sensor["bus"].rstrip("0123456789")
    if kind != chip.bus and not (isinstance(chip.bus, tuple) and kind in chip.bus):
        raise ConfigError("%s.bus: %s is on %s, not on %s" % (where, sensor["chip"], chip.bus, sensor["bus"]))
    if sensor["place"] is not None and not is_place(sensor["place"]):
        raise ConfigError("%s.place: %r is none, like 30cm" % (where, sensor["place"]))
    for quantity in list(sensor["only"] or ()) + list(sensor["as"] or ()):
        if quantity not in chip.quantities:
            raise ConfigError(
                "%s: %s measures %s, not %s" % (where, sensor["chip"], ", ".join(chip.quantities), quantity)
            )
    for quantity in (sensor["as"] or {}).values():
        if quantity not in BY_NAME:
            raise ConfigError("%s.as: %r is no quantity" % (where, quantity))
    for option in sensor["options"] or ():
        if option not in chip.options:
            raise ConfigError(
                "%s.options: %r is none of %s" % (where, option, ", ".join(sorted(chip.options)) or "none")
            )
    sensor["channels"] = channels_of(sensor, chip)
    sensor["gives_pressure"] = "air_pressure" in chip.quantities
    for channel in sensor["channels"].values():
        if channel in taken:
            raise ConfigError(
                "%s measures %s, and so does %s: give one of them a place" % (name, channel, taken[channel])
            )
        taken[channel] = name
    return sensor


def _keys(where, given, table):
    if not isinstance(given, dict):
        raise ConfigError("%s %r is not an object" % (where[:-1] or "the configuration", given))
    for key in given:
        if key not in table:
            raise ConfigError("%s%s is not known; there are %s" % (where, key, ", ".join(sorted(table))))
    out = {}
    for key, rule in table.items():
        value = given.get(key)
        if value is None:
            if rule.default is REQUIRED:
                raise ConfigError("%s%s is missing" % (where, key))
            out[key] = rule.default
            continue
        out[key] = _value(where + key, value, rule)
    return out


def _value(where, value, rule):
    kind = _KINDS[rule.kind]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        allowed = _NAMES.get(rule.kind) or "one of " + ", ".join(rule.choices)
        raise ConfigError("%s: %r is not %s" % (where, value, allowed))
    if rule.kind == "choice" and value not in rule.choices:
        raise ConfigError("%s: %r is none of %s" % (where, value, ", ".join(rule.choices)))
    if rule.kind == "int" and not rule.low <= value <= rule.high:
        raise ConfigError("%s: %d is not from %d to %d" % (where, value, rule.low, rule.high))
    if rule.kind in ("text", "list") and not rule.low <= len(value) <= rule.high:
        raise ConfigError("%s: %d to %d of it, not %d" % (where, rule.low, rule.high, len(value)))
    return value


def check_sum(text):
    """16 bits (CRC-16/CCITT-FALSE) of the configuration's JSON: what a status says is in use."""
    crc = 0xFFFF
    for byte in text:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
