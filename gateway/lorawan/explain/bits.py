"""The bytes that are cut into bits, MHDR, FCtrl, DLSettings, RxDelay, as tables with words for every bit.

The rule: the fields of a table cover the byte, from the highest bit to the lowest.
Specification: LoRaWAN 1.0.4, sections 4.2, 4.3.1 and 6.2.6; OptNeg from 1.1, where 1.0 has a reserved bit.
"""

from collections.abc import Callable
from typing import NamedTuple

from edge.lorawan import frames
from gateway.lorawan.explain import commands


class Part(NamedTuple):
    """Some bits of a field: `shown` as in the byte (`1.......`), or whole bytes as hex."""

    shown: str
    field: str
    meaning: str


Bits = tuple[tuple[int, int, str, Callable[[int], str]], ...]  # lowest bit, how many, name, words


def bits(value: int, fields: Bits) -> tuple[Part, ...]:
    """The parts of one byte."""
    found = []
    for low, width, name, say in fields:
        inside = value >> low & (1 << width) - 1
        found.append(Part(pattern(value, low, width), name, say(inside)))
    return tuple(found)


def pattern(value: int, low: int, width: int) -> str:
    """Some bits of a byte where they stand: `..1.....`."""
    inside = value >> low & (1 << width) - 1
    return "." * (8 - low - width) + f"{inside:0{width}b}" + "." * low


def _either(yes: str, no: str) -> Callable[[int], str]:
    return lambda bit: yes if bit else no


def _reserved(value: int) -> str:
    return "reserved, 0" if not value else f"reserved, should be 0, is {value}"


TYPES = (
    "a device wants to join", "the network's answer to a join", "data of a device", "data for a device",
    "data of a device, to be confirmed", "data for a device, to be confirmed", "", "",
)  # fmt: skip
MHDR: Bits = (
    (5, 3, "frame type", lambda n: frames.TYPE_NAMES[n]),
    (2, 3, "RFU", _reserved),
    (0, 2, "major", lambda n: "LoRaWAN R1" if not n else f"{n}, not known"),
)
_ADR_UP = _either("on: the network may set the data rate", "off: the device keeps its data rate")
_ADR_DOWN = _either("on: the network sets data rates", "off: the network leaves them alone")
_ACK = _either("yes: confirms the last frame", "no: nothing is confirmed")
_FOPTS: Bits = ((0, 4, "FOptsLen", lambda n: f"{n} bytes of MAC commands follow" if n else "no MAC commands in FOpts"),)
FCTRL_UP: Bits = (
    (7, 1, "ADR", _ADR_UP),
    (6, 1, "ADRACKReq", _either("yes: is anybody there? answer soon", "no")),
    (5, 1, "ACK", _ACK),
    (4, 1, "ClassB", _either("yes: the device listens as class B", "no")),
    *_FOPTS,
)
FCTRL_DOWN: Bits = (
    (7, 1, "ADR", _ADR_DOWN),
    (6, 1, "RFU", _reserved),
    (5, 1, "ACK", _ACK),
    (4, 1, "FPending", _either("yes: more waits, send again soon", "no: nothing more waits")),
    *_FOPTS,
)
DL_SETTINGS: Bits = (
    (7, 1, "OptNeg", _either("set: the network speaks LoRaWAN 1.1", "not set: LoRaWAN 1.0")),
    (4, 3, "RX1DROffset", commands.WORDS["rx1_dr_offset"]),
    (0, 4, "RX2DataRate", commands.data_rate),
)
RX_DELAY: Bits = (
    (4, 4, "RFU", _reserved),
    (0, 4, "Del", lambda s: f"RX1 after {s or 1} s, RX2 after {(s or 1) + 1} s"),
)
