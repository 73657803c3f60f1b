"""Every board keeps to what its chip's pins may do; a board that does not is told why."""

from types import SimpleNamespace
from typing import Any

import pytest

from firmware.contents import board_pins, boards
from firmware.pins import CHIPS, faults, used


@pytest.mark.parametrize("name", boards())
def test_a_board_keeps_to_its_chip(name: str) -> None:
    pins = board_pins(name)
    assert faults(pins) == []
    assert name == pins.NAME
    assert "Source" in (pins.__doc__ or "")
    assert (pins.RADIO is None) == (pins.SPI is None) == (not pins.RADIO_PINS)
    wanted = {"sx1262": {"cs", "reset", "busy", "dio1"}, "sx1276": {"cs", "reset", "dio0", "dio1"}, None: set()}
    assert set(pins.RADIO_PINS) == wanted[pins.RADIO]


def test_there_are_the_boards_that_were_promised() -> None:
    assert {"heltec_v3", "lilygo_t3s3", "esp32_c3", "esp32_devkit"} <= set(boards())
    assert {board_pins(name).CHIP for name in boards()} == set(CHIPS)
    assert {board_pins(name).RADIO for name in boards()} == {None, "sx1262", "sx1276"}


def board(**what: Any) -> SimpleNamespace:
    plain: dict[str, Any] = {
        "CHIP": "esp32", "I2C": (), "UART": (), "ONEWIRE": (), "ADC": (), "PULSE": (), "SPI": None, "RADIO_PINS": {},
        "SENSOR_POWER": None, "BATTERY": None, "DELIBERATE": (),
    }  # fmt: skip
    return SimpleNamespace(**plain | what)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"I2C": ((21, 22),), "ONEWIRE": (22,)}, "GPIO22 is used twice"),
        ({"ONEWIRE": (20,)}, "onewire0: esp32 has no GPIO20"),
        ({"UART": ((26, 6),)}, "uart0: GPIO6 belongs to the flash"),
        ({"ONEWIRE": (12,)}, "onewire0: GPIO12 is a pin for strapping, and DELIBERATE does not name it"),
        ({"ONEWIRE": (1,)}, "onewire0: GPIO1 is a pin for uart0, and DELIBERATE does not name it"),
        ({"ADC": (4,)}, "adc0: GPIO4 is not on ADC1, and ADC2 does not work beside Wi-Fi"),
        ({"BATTERY": (27, 2, 11, None)}, "battery: GPIO27 is not on ADC1, and ADC2 does not work beside Wi-Fi"),
        ({"PULSE": (21,)}, "pulse0: GPIO21 cannot wake the chip from deep sleep"),
        ({"SENSOR_POWER": (34, 1)}, "sensor power: GPIO34 can only be an input"),
        ({"DELIBERATE": (12,)}, "DELIBERATE names GPIO12, which is not used"),
        ({"CHIP": "esp32s3", "ONEWIRE": (34,)}, "onewire0: GPIO34 is a pin for octal PSRAM, and DELIBERATE does not"),
        ({"CHIP": "esp32c3", "ONEWIRE": (18,)}, "onewire0: GPIO18 is a pin for usb, and DELIBERATE does not name it"),
    ],
)
def test_what_a_chip_does_not_allow_is_said(what: dict[str, Any], said: str) -> None:
    found = faults(board(**what))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_every_pin_of_a_board_is_looked_at() -> None:
    named = dict(used(board_pins("heltec_v3")))
    assert {"spi", "radio busy", "sensor power", "battery", "battery control", "pulse1"} <= set(named)
    assert len(list(used(board_pins("heltec_v3")))) == 2 + 2 + 1 + 2 + 2 + 3 + 4 + 1 + 2
