"""The world around the simulated chip: `chip.json`'s "parts" become chips on its buses. MicroPython only.

{"parts": [{"chip": "sht4x", "bus": "i2c0", "address": 68, "place": "2m", "faults": {"stuck": [from_us, to_us]},
"options": {}, "rail": [36, 0]}], "seed": 1, "wiring": {"onewire0": "pin5"}}. A part's bus is one of
simulators.board.buses, or a name of "wiring"; "pin": 6 is short for the bus "pin6"; `rail` is the pin and the level
that give it power. "held_low": {"i2c0": [from_us, to_us]} shorts a bus. What a part keeps outlives the interpreter
in "kept", as its power does.
"""

from simulators.board import buses, pins, timeline, truth


def build():
    """Attach all parts."""
    chip = timeline.chip
    buses.held_low.update(chip.get("held_low", {}))
    kept = chip.setdefault("kept", {})
    for i, what in enumerate(chip.get("parts", ())):
        own = kept.setdefault(str(i), {})
        if chip.get("reset", "power") == "power" or "rail" in what:
            _forget(own)
        _attach(what, own)


def _forget(kept):
    """The power is gone."""
    eeprom = kept.get("eeprom")
    kept.clear()
    if eeprom:
        kept["eeprom"] = eeprom


def _attach(what, kept):
    bus = "pin%d" % what["pin"] if "pin" in what else what["bus"]
    bus = timeline.chip.get("wiring", {}).get(bus, bus)
    faults = what.get("faults") or {}
    options = dict(what.get("options") or {})
    for name in ("quantity", "divider"):
        if name in what:
            options[name] = what[name]
    place, seed = what.get("place", ""), timeline.chip.get("seed", 1)
    name = what["chip"]
    if name in ("rain", "wind"):
        pins.attach(int(bus[3:]), _contact(name, place, seed, faults, kept, options))
        return
    if name in ("vane", "soil", "battery"):
        from simulators.board.chips import analog

        make = {"vane": analog.Vane, "soil": analog.Soil, "battery": analog.Cell}[name]
    else:
        if name == "sps30" and bus.startswith("uart"):
            name = "sps30_uart"
        make = __import__("simulators.board.chips." + name, None, None, ("Part",)).Part
    sees = _truth_at(place, seed, faults)
    part = make(sees, faults, kept, **options)
    if "rail" in what:
        number, on = what["rail"]

        def switched(level):
            if level != on:
                _forget(kept)
            part.__init__(sees, faults, kept, **options)
            part.unpowered = lambda: pins.driven(number) != on

        pins.watch(number, switched)
        switched(1 - on)
    address = what.get("address")
    if name == "ds18b20":
        from simulators.board.chips.ds18b20 import rom

        serial = what.get("rom")
        address = rom(int.from_bytes(bytes.fromhex(serial)[1:7], "little") if serial else address)
    buses.attach(bus, address, part)


def _truth_at(place, seed, faults):
    """What a part at this place sees; one that is stuck sees what was true when it got stuck."""

    def value(quantity):
        us = timeline.true_us
        span = faults.get("stuck")
        if span and span[0] <= us < span[1]:
            us = span[0]
        return truth.truth(quantity, place, us, seed)

    return value


def _contact(name, place, seed, faults, kept, options):
    from simulators.board.chips.contacts import Contact

    if name == "rain":
        train = truth.rain(place, seed, options.pop("nm_per_tip", 279400))
    else:
        train = truth.wind(place, seed, timeline.true_us, options.pop("um_per_pulse", 666667))
        options.setdefault("closed_us", 20000)
    return Contact(train, faults, kept, **options)
