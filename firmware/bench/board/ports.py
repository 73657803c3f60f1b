"""The serial ports of this laptop, and which of them is likely a board. On pyserial.

USB numbers: Silicon Labs CP210x, WCH CH340/CH910x, FTDI and Espressif's own USB, as the makers publish them.
"""

from dataclasses import asdict, dataclass
from typing import Any

from serial.tools import list_ports

_BRIDGES = {
    (0x10C4, 0xEA60): "CP210x",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x55D3): "CH343",
    (0x1A86, 0x55D4): "CH9102",
    (0x0403, 0x6001): "FT232",
    (0x0403, 0x6015): "FT231X",
    (0x303A, 0x1001): "Espressif USB",
    (0x303A, 0x4001): "MicroPython USB",
}


@dataclass(frozen=True, slots=True)
class Port:
    """`bridge`: the chip between USB and the board, "" for a port that is probably something else."""

    path: str
    bridge: str
    serial: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def found() -> list[Port]:
    """Ports that may be boards first, each in the order of their names."""
    ports = [
        Port(one.device, _BRIDGES.get((one.vid or 0, one.pid or 0), ""), one.serial_number or "", one.description or "")
        for one in list_ports.comports()
    ]
    return sorted(ports, key=lambda port: (not port.bridge, port.path))
