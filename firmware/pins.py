"""What each chip's pins may be used for, and whether a board keeps to it. CPython; the device never asks.

Sources: ESP-IDF programming guide, GPIO summary of each chip (esp-idf
`docs/en/api-reference/peripherals/gpio/*.inc`); strapping pins of the ESP32: its datasheet, section 3.3. ADC2 cannot
be used beside Wi-Fi (same page), so it counts for no board.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple


class ChipPins(NamedTuple):
    """One chip: which GPIOs there are, and which have a second life."""

    gpios: frozenset[int]
    strapping: frozenset[int]
    flash: frozenset[int]  # SPI0/1: flash and PSRAM
    usb: frozenset[int]
    uart0: frozenset[int]  # boot messages and the REPL
    adc1: frozenset[int]
    rtc: frozenset[int]  # can wake the chip from deep sleep
    input_only: frozenset[int]


def _pins(*parts: int | range) -> frozenset[int]:
    return frozenset(n for part in parts for n in ((part,) if isinstance(part, int) else part))


CHIPS = {
    "esp32": ChipPins(
        gpios=_pins(range(20), 21, 22, 23, 25, 26, 27, range(32, 40)),
        strapping=_pins(0, 2, 5, 12, 15),
        flash=_pins(range(6, 12), 16, 17),
        usb=_pins(),
        uart0=_pins(1, 3),
        adc1=_pins(range(32, 40)),
        rtc=_pins(0, 2, 4, range(12, 16), 25, 26, 27, range(32, 40)),
        input_only=_pins(range(34, 40)),
    ),
    "esp32s3": ChipPins(
        gpios=_pins(range(22), range(26, 49)),
        strapping=_pins(0, 3, 45, 46),
        flash=_pins(range(26, 33)),  # 33 to 37 too where the PSRAM is octal: see OCTAL
        usb=_pins(19, 20),
        uart0=_pins(43, 44),
        adc1=_pins(range(1, 11)),
        rtc=_pins(range(22)),
        input_only=_pins(),
    ),
    "esp32c3": ChipPins(
        gpios=_pins(range(22)),
        strapping=_pins(2, 8, 9),
        flash=_pins(range(11, 18)),  # 11 is VDD_SPI on modules
        usb=_pins(18, 19),
        uart0=_pins(20, 21),
        adc1=_pins(range(5)),
        rtc=_pins(range(6)),
        input_only=_pins(),
    ),
}
OCTAL = {
    "esp32s3": _pins(33, 34)
}  # to be said on purpose; 35 to 37 drive LED, Vext and the like on boards without PSRAM


def used(board: Any) -> Iterator[tuple[str, int]]:
    """`(what for, GPIO)` of every pin that a board definition uses."""
    for kind in ("I2C", "UART"):
        for i, pair in enumerate(getattr(board, kind)):
            yield from ((f"{kind.lower()}{i}", pin) for pin in pair)
    for kind in ("ONEWIRE", "ADC", "PULSE"):
        yield from ((f"{kind.lower()}{i}", pin) for i, pin in enumerate(getattr(board, kind)))
    yield from (("spi", pin) for pin in board.SPI or ())
    yield from ((f"radio {name}", pin) for name, pin in board.RADIO_PINS.items())
    if board.SENSOR_POWER:
        yield "sensor power", board.SENSOR_POWER[0]
    if board.BATTERY:
        yield "battery", board.BATTERY[0]
        if board.BATTERY[3] is not None:
            yield "battery control", board.BATTERY[3]


def faults(board: Any) -> list[str]:
    """Sentences about what a board definition does that its chip does not allow; [] for a sound one."""
    chip = CHIPS[board.CHIP]
    pins = list(used(board))
    said = [f"GPIO{pin} is used twice" for pin, n in Counter(pin for _, pin in pins).items() if n > 1]
    for what, pin in pins:
        if pin not in chip.gpios:
            said.append(f"{what}: {board.CHIP} has no GPIO{pin}")
        if pin in chip.flash:
            said.append(f"{what}: GPIO{pin} belongs to the flash")
        second = [(why, getattr(chip, why)) for why in ("strapping", "usb", "uart0")]
        second.append(("octal PSRAM", OCTAL.get(board.CHIP, frozenset())))
        said += [
            f"{what}: GPIO{pin} is a pin for {why}, and DELIBERATE does not name it"
            for why, pins_of in second
            if pin in pins_of and pin not in board.DELIBERATE
        ]
        if (what.startswith("adc") or what == "battery") and pin not in chip.adc1:
            said.append(f"{what}: GPIO{pin} is not on ADC1, and ADC2 does not work beside Wi-Fi")
        if what.startswith("pulse") and pin not in chip.rtc:
            said.append(f"{what}: GPIO{pin} cannot wake the chip from deep sleep")
        if pin in chip.input_only and not what.startswith(("adc", "pulse", "battery")):
            said.append(f"{what}: GPIO{pin} can only be an input")
    unused = set(board.DELIBERATE) - {pin for _, pin in pins}
    return said + [f"DELIBERATE names GPIO{pin}, which is not used" for pin in sorted(unused)]
