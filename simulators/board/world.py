"""What is attached to the simulated chip, from `parts` in its chip.json. MicroPython only.

A part: {"chip": "sht4x", "bus": "i2c0", "address": 68, "place": "2m", "faults": {"stuck": [from_us, to_us]}}; on a
pin or an ADC {"chip": "rain", "pin": 6}. `"held_low": {"i2c0": [from_us, to_us]}` holds a whole bus down.
"""

from simulators.board import buses, pins, timeline, truth

_MODULES = {
    "sht4x": ("sensirion", "Sht4x"), "sht3x": ("sensirion", "Sht3x"), "scd4x": ("sensirion", "Scd4x"),
    "scd30": ("sensirion", "Scd30"), "sps30": ("sensirion", "Sps30"), "bme280": ("bosch", "Bme280"),
    "bme680": ("bosch", "Bme680"), "ds18b20": ("others", "Ds18b20"), "pms": ("others", "Pms"),
    "sds011": ("others", "Sds011"), "mhz19": ("others", "Mhz19"), "max17048": ("others", "Max17048"),
    "bh1750": ("others", "Bh1750"), "veml7700": ("others", "Veml7700"), "rain": ("others", "RainGauge"),
    "wind": ("others", "Anemometer"),
}  # fmt: skip


def build():
    """Attach everything."""
    for bus, span in timeline.chip.get("held_low", {}).items():
        buses.held_low[bus] = span
    for part in timeline.chip.get("parts", ()):
        _attach(part)


def _attach(part):
    chip, place = part["chip"], part.get("place", "")
    true = lambda quantity: truth.value(quantity, place, timeline.true_us)  # noqa: E731
    if chip in ("battery", "soil", "vane"):
        buses.attach("adc%d" % part["pin"], lambda: _microvolts(chip, part, true))
        return
    module, name = _MODULES[chip]
    if chip == "sps30" and part["bus"].startswith("uart"):
        name = "Sps30Uart"
    kind = getattr(__import__("simulators.board.chips." + module, None, None, (name,)), name)
    if chip == "rain":
        pins.sources[part["pin"]] = kind()
    elif chip == "wind":
        pins.sources[part["pin"]] = kind(true)
    elif chip == "ds18b20":
        rom = bytes([int(part["rom"][i : i + 2], 16) for i in range(0, 16, 2)])
        buses.attach(part["bus"], kind(true, part.get("faults"), rom, part.get("quantity", "air_temperature")))
    else:
        buses.attach(part["bus"], kind(true, part.get("faults")), part.get("address"))


def _microvolts(chip, part, true):
    if chip == "battery":
        return true("battery") * 1000000 / part.get("divider", 2)
    if chip == "soil":
        return 2500000 - true("soil_moisture") / 100 * 1500000  # 2.5 V dry, 1 V in water
    ohm = (33000, 6570, 8200, 891, 1000, 688, 2200, 1410, 3900, 3140, 16000, 14120, 120000, 42120, 64900, 21880)[
        int(true("wind_direction") / 22.5 + 0.5) % 16
    ]
    return 3000000 * ohm / (ohm + 10000)
