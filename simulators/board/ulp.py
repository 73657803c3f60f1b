"""`esp32.ULP` and `machine.mem32` of the simulated chip: RTC slow memory, the pads that it sees, the program that runs.

The program is run instruction by instruction (fsm.py) at its moments of true time, awake and asleep, up to the moment
at which somebody looks. While every contact is open and a look does nothing but count one word, looks are left out up
to the next one that can be different. Memory outlives deep sleep and reset; a loss of power leaves rubbish in it.
A pad that was not given to the RTC, or whose input is off, reads 0. MicroPython only.
"""

from struct import unpack

from simulators.board import pins, timeline
from simulators.board.fsm import Fsm

RESERVED = 2040  # bytes, as MicroPython is built
MEMORY = 0x50000000
LOOK_US = 40  # what a run takes, which comes on top of the period
_RUBBISH = 0x5AFE5AFE
# Pads: GPIO -> (its bit in RTC_GPIO_IN, its register, bits that give it to the RTC and open its input)
# (rtc_io_reg.h and rtc_io_channel.h of ESP-IDF)
_TOUCH = 1 << 19 | 1 << 13
PADS = {
    "esp32": {
        4: (24, 0x3FF48494, _TOUCH), 13: (28, 0x3FF484A4, _TOUCH), 14: (30, 0x3FF484AC, _TOUCH),
        27: (31, 0x3FF484B0, _TOUCH), 32: (23, 0x3FF4848C, 1 << 17 | 1 << 5), 33: (22, 0x3FF4848C, 1 << 18 | 1 << 11),
    },
    "esp32s3": {n: (10 + n, 0x60008484 + 4 * n, _TOUCH) for n in range(15)},
}  # fmt: skip
PADS["esp32s3"][21] = (31, 0x600084D8, _TOUCH)
_CLOCK = (0x60008904, 1 << 31)  # the S3's pads need it

_kept = timeline.chip.get("ulp") or {}
_memory = list(_kept.get("memory") or [_RUBBISH] * (RESERVED // 4))
_registers = {int(at): value for at, value in _kept.get("registers", {}).items()}
_run = _kept.get("run")  # [entry word, period_us, moment of the next look]
_period_us = _kept.get("period_us", 0)
soc = _kept.get("soc") or timeline.chip.get("model", "esp32s3")  # or told by the registers that are written


def _read(peripheral, address):
    """A register of RTC_IO as the ULP sees it."""
    if (peripheral, address) != (1, 9):
        raise OSError("the double has no such register")
    bits = 0
    for gpio in _seen():
        if _level(gpio, _run[2]):
            bits |= 1 << PADS[soc][gpio][0]
    return bits


def _seen():
    """The GPIOs whose pads it sees."""
    if soc == "esp32s3" and not _registers.get(_CLOCK[0], 0) & _CLOCK[1]:
        return ()
    return [gpio for gpio, (_, at, needed) in PADS[soc].items() if _registers.get(at, 0) & needed == needed]


if soc not in PADS:
    soc = "esp32s3"  # an ESP32-C3 has no ULP; nobody asks
_fsm = Fsm(soc == "esp32s3", _memory, _read)


def _is(which):
    global soc, _fsm
    if soc != which:
        soc, _fsm = which, Fsm(which == "esp32s3", _memory, _read)


def _level(gpio, us):
    source = pins.source(gpio)
    return source.level(us) if source else 1


def catch_up():
    """Every look that was due until now."""
    while _run and _run[2] <= timeline.true_us:
        _fsm.run(_run[0])
        _run[2] += (1 + _leave_out()) * (_run[1] + LOOK_US)


def _leave_out():
    """How many looks would do nothing but add one to the same word; they are added here."""
    if len(_fsm.changed) != 1 or _fsm.changed[0][1] != 1:
        return 0
    every_us, until_us = _run[1] + LOOK_US, timeline.true_us
    for gpio in _seen():
        source = pins.source(gpio)
        change_us = source and source.next_edge(_run[2])
        if change_us:
            until_us = min(until_us, change_us - 1)
    looks = (until_us - _run[2]) // every_us
    for value, with_what in _fsm.compared:
        if with_what > value:
            looks = min(looks, with_what - value - 1)
    looks = max(0, looks)
    _memory[_fsm.changed[0][0]] += looks
    return looks


class _Memory:
    """machine.mem32: RTC slow memory and the registers of RTC_IO and SENS."""

    def __getitem__(self, at):
        catch_up()
        if MEMORY <= at < MEMORY + RESERVED:
            return _memory[(at - MEMORY) // 4]
        return _registers.get(at, 0)

    def __setitem__(self, at, value):
        catch_up()
        if MEMORY <= at < MEMORY + RESERVED:
            _memory[(at - MEMORY) // 4] = value & 0xFFFFFFFF
        else:
            _is("esp32" if at < 0x40000000 else "esp32s3")
            _registers[at] = value & 0xFFFFFFFF


mem32 = _Memory()


class ULP:
    """esp32.ULP."""

    RESERVE_MEM = RESERVED

    def set_wakeup_period(self, period_index, period_us):
        global _period_us
        if period_index:
            raise OSError(258)  # ESP_ERR_INVALID_ARG: the S3 has one
        _period_us = period_us

    def load_binary(self, load_addr, program_binary):
        magic, begin, text, data, bss = unpack("<4sHHHH", bytes(program_binary[:12]))
        if magic != b"ulp\x00" or begin != 12:
            raise OSError(260)  # ESP_ERR_INVALID_SIZE and its like
        if load_addr % 4 or load_addr + text + data + bss > RESERVED or 12 + text + data != len(program_binary):
            raise OSError(260)
        catch_up()
        for i in range((text + data) // 4):
            _memory[load_addr // 4 + i] = unpack("<I", bytes(program_binary[12 + 4 * i : 16 + 4 * i]))[0]

    def run(self, entry_point):
        global _run
        _run = [entry_point // 4, _period_us, timeline.true_us + _period_us]


def wake_on_ulp(on):
    """Keeps the pads' domain powered in deep sleep; this program never wakes the chip."""


def _keep(reset):
    """For the end of a start: what outlives it."""
    if reset != "power" and (_run or _registers):
        catch_up()
        timeline.chip["ulp"] = {
            "memory": _memory, "registers": _registers, "run": _run, "period_us": _period_us, "soc": soc,
        }  # fmt: skip


timeline.ending.append(_keep)
