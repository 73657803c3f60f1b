"""The board's objects under real MicroPython, with a `machine` that writes down what is done to each pin."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[[str, str], list[str]]
ROOT = Path(__file__).resolve().parents[2]
MACHINE = """
levels = {}  # GPIO -> what the outside holds it at
microvolts = 850000
log = []


class Pin:
    IN, OUT, PULL_UP, IRQ_FALLING = 1, 3, 2, 2

    def __init__(self, number, mode=-1, pull=-1, value=None, hold=None):
        self.number = number
        log.append("pin %d%s%s%s" % (number, {1: " in", 3: " out"}.get(mode, ""),
                   "" if value is None else " %d" % value, "" if hold is None else " hold" if hold else " free"))

    def init(self, mode, value=None):
        Pin(self.number, mode, value=value)

    def irq(self, handler, trigger):
        log.append("irq %d" % self.number)

    def value(self):
        return levels.get(self.number, 0)


class ADC:
    def __init__(self, pin, atten):
        log.append("adc %d atten %d" % (pin.number, atten))

    def read_uv(self):
        return microvolts


class Bus:
    def __init__(self, n, **options):
        log.append("%s %d %s" % (type(self).__name__, n, sorted([(k, getattr(v, "number", v)) for k, v in options.items()])))


class I2C(Bus): pass
class UART(Bus): pass
class SPI(Bus): pass
"""
ESP32 = "import machine\ndef gpio_deep_sleep_hold(on): machine.log.append('hold %d' % on)\n"
LORA = """
import machine
def SX1262(spi, cs, **options):
    machine.log.append("SX1262 cs %d %s" % (cs.number, sorted([(k, getattr(v, "number", v)) for k, v in options.items()])))
    return "sx1262"
def SX1276(spi, cs, **options):
    machine.log.append("SX1276 cs %d %s" % (cs.number, sorted([(k, getattr(v, "number", v)) for k, v in options.items()])))
    return "sx1276"
"""
TIME = "from utime import *\nimport machine\ndef sleep_ms(ms): machine.log.append('sleep %d' % ms)\n"


@pytest.fixture
def on_board(micropython: str, tmp_path: Path) -> Run:
    """Runs code with `board` on a simple machine; gives what it printed, by lines."""
    for name, text in (("machine", MACHINE), ("esp32", ESP32), ("lora", LORA), ("time", TIME)):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "onewire.py").write_text("class OneWire:\n    def __init__(self, pin): self.pin = pin\n")

    def run(board: str, code: str) -> list[str]:
        text = f"import machine\nfrom machine import log\nfrom firmware.device.board import Board, BoardError\nb = Board({board!r})\n"
        done = subprocess.run(
            [micropython, "-X", "heapsize=192k", "-c", text + code],
            env={"MICROPYPATH": f"{tmp_path}:{ROOT}:.frozen"}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


REFUSED = """
def refused(ask):
    try:
        ask()
    except BoardError as error:
        print(error)
"""


def test_buses_by_the_names_of_the_configuration(on_board: Run) -> None:
    out = on_board("heltec_v3", "print(b.buses())\nb.bus('i2c0')\nb.bus('uart0')\nb.bus('adc1')\n"
                   "print(b.bus('i2c0') is b.i2c(0), b.bus('onewire0').pin.number, b.bus('pulse1').number)\n"
                   "print([line for line in log if not line.startswith('pin')])")  # fmt: skip
    assert out[0] == "['i2c0', 'uart0', 'onewire0', 'adc0', 'adc1', 'pulse0', 'pulse1']"
    assert out[1] == "True 5 7"
    assert "I2C 0 [('freq', 100000), ('scl', 42), ('sda', 41), ('timeout', 50000)]" in out[2]
    assert "UART 1 [('baudrate', 9600), ('rx', 48), ('rxbuf', 256), ('timeout', 0), ('tx', 47)]" in out[2]
    assert "adc 4 atten 3" in out[2]


@pytest.mark.parametrize(("idle", "on"), [(1, 0), (0, 1)])
def test_the_battery_of_both_revisions(on_board: Run, idle: int, on: int) -> None:
    """Heltec V3.0 switches its divider on with a low level, V3.2 with a high one; the resistor tells which it is."""
    out = on_board("heltec_v3", f"machine.levels[37] = {idle}\nprint(b.battery_v())\nprint(log)")
    assert float(out[0]) == pytest.approx(0.85 * 4.9)
    assert out[1] == f"['pin 37 in', 'pin 37 out {on}', 'sleep 10', 'pin 1', 'adc 1 atten 1', 'pin 37 in']"


def test_a_board_without_a_cell_says_none(on_board: Run) -> None:
    assert on_board(
        "esp32_c3", "print(b.battery_v(), b.rtc_ppm)\nb.sensor_power(True)\nb.before_sleep()\nprint(log)"
    ) == [
        "None 50000",
        "[]",
    ]


def test_the_rail_is_switched_once_and_held_off_in_sleep(on_board: Run) -> None:
    out = on_board(
        "heltec_v3", "b.sensor_power(True)\nb.sensor_power(True)\nprint(log)\nlog.clear()\nb.before_sleep()\nprint(log)"
    )
    assert out[0] == "['pin 36 out 0 free', 'sleep 20']"
    assert out[1] == "['pin 36 out 1 free', 'pin 36 out 1 hold', 'pin 8 out 1 hold', 'pin 12 out 1 hold', 'hold 1']"


def test_the_radio_is_let_go_and_made_once(on_board: Run) -> None:
    out = on_board("heltec_v3", "print(b.modem(), b.modem())\nprint('\\n'.join(log))")
    assert out[0] == "sx1262 sx1262"
    assert "pin 8 out 1 free" in out
    assert "pin 12 out 1 free" in out
    assert [line for line in out if line.startswith("SX1262")] == [
        "SX1262 cs 8 [('busy', 13), ('dio1', 14), ('dio2_rf_sw', True), ('dio3_tcxo_millivolts', 1800), ('reset', 12)]"
    ]


def test_the_other_radio(on_board: Run) -> None:
    out = on_board("lilygo_lora32", "print(b.modem())\nprint('\\n'.join(log))")
    assert out[0] == "sx1276"
    assert out[-1].startswith("SX1276 cs 18 [('dio0', 26), ('dio1', 33), ('lora_cfg', {")


def test_what_is_not_there_is_said(on_board: Run) -> None:
    out = on_board("esp32_c3", REFUSED + "for name in ('i2c1', 'i2c', 'uart01', 'spi0', '__class__0'):\n"
                   "    refused(lambda: b.bus(name))\nrefused(lambda: b.i2c(3))\nrefused(b.modem)\n"
                   "refused(lambda: Board('uno'))\nprint(log)")  # fmt: skip
    has = "it has i2c0, uart0, onewire0, adc0, pulse0, pulse1"
    assert out[:5] == [f"esp32_c3 has no {name}; {has}" for name in ("i2c1", "i2c", "uart01", "spi0", "__class__0")]
    assert out[5] == f"esp32_c3 has no i2c3; {has}"
    assert out[6] == 'esp32_c3 has no LoRa radio; set "radio" to "mqtt"'
    assert out[7] == "this image has no board 'uno'"
    assert out[8] == "[]"
