"""The registers of a chip that a host looks at: eFuses, the flash's identity through SPI1, the RTC's watchdog. Pure.

An unknown register holds 0 until somebody writes it. A command of the flash runs at once when CMD is written, as
esptool's `run_spiflash_command` does it: 0x9F gives the flash's identity, everything else 0.
"""

from simulators.bench.chips import WDT_KEY, Chip

_USR = 1 << 18
_RDID = 0x9F
_WDT_ON = 1 << 31
GIGADEVICE = 0xC8


class Registers:
    """`flash_bytes`: what the flash says of its size. `bites`: whether the watchdog was armed to reset the chip."""

    def __init__(self, chip: Chip, mac: bytes, flash_bytes: int) -> None:
        self._chip = chip
        self._words = dict(chip.registers)
        self._words[chip.mac_register] = int.from_bytes(mac[2:], "big")
        self._words[chip.mac_register + 4] = int.from_bytes(mac[:2], "big")
        self._flash_id = GIGADEVICE | 0x40 << 8 | (flash_bytes.bit_length() - 1) << 16
        self.bites = False

    def read(self, at: int) -> int:
        """A word."""
        return self._words.get(at, 0)

    def write(self, at: int, value: int, mask: int) -> None:
        """The bits of `mask` of a word."""
        value = self._words.get(at, 0) & ~mask | value & mask
        self._words[at] = value
        base, cmd, usr2, w0 = self._chip.spi
        if at == base + cmd and value & _USR:
            self._words[at] = value & ~_USR
            command = self._words.get(base + usr2, 0) & 0xFF
            self._words[base + w0] = self._flash_id if command == _RDID else 0
        if self._chip.wdt and at == self._chip.wdt[0] and value & _WDT_ON:
            self.bites = self._words.get(self._chip.wdt[1], 0) == WDT_KEY
