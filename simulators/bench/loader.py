"""The loader of a chip, its ROM's and the stub that esptool puts into its RAM: packets in, packets out. Pure.

The rule: as the documentation has it (docs.espressif.com, esptool, "Serial Protocol"). A request is `00 op length
checksum data`, an answer `01 op length value data status`; the ROM ends with four bytes of status, the stub with two.
The stub's code is taken and not run: it then behaves as the stub does (it erases while it writes, reads fast, and
knows ERASE_FLASH). Flash is what has `read`, `erase`, `program`, `md5` and `holds`.
"""

import hashlib
import zlib
from collections.abc import Callable
from struct import pack, unpack_from
from typing import Protocol

from simulators.bench.chips import Chip
from simulators.bench.registers import Registers

SYNC = b"\x07\x07\x12\x20" + 32 * b"\x55"
SYNC_VALUE = 0x20120707  # not 0: that is what tells the stub
CHECKSUM_SEED = 0xEF
SLOW_READ = 64
ROM_INVALID, ROM_CHECKSUM, ROM_FAILED = 0x05, 0x07, 0x06
STUB_LENGTH, STUB_CHECKSUM, STUB_INVALID, STUB_FLASH, STUB_INFLATE = 0xC0, 0xC1, 0xC3, 0xC4, 0xC7
STUB_NOT_WRITING = 0xC6


class Flash(Protocol):
    """The flash chip."""

    size: int

    def read(self, at: int, n: int) -> bytes: ...
    def md5(self, at: int, n: int) -> bytes: ...
    def holds(self, at: int, n: int) -> bool: ...
    def erase(self, at: int, n: int) -> None: ...
    def program(self, at: int, data: bytes) -> None: ...


class Refused(Exception):
    """A command that is answered with an error; the status byte of the ROM and of the stub."""

    def __init__(self, rom: int, stub: int) -> None:
        super().__init__(rom, stub)
        self.codes = rom, stub


_INVALID = (ROM_INVALID, STUB_INVALID)
_FAILED = (ROM_FAILED, STUB_FLASH)


class _Write:
    """A write to flash that goes on: where it stands, and what still has to be erased."""

    def __init__(self, at: int, size: int, block: int, deflated: bool, erased: bool) -> None:
        self.begin, self.at, self.end, self.block = at, at, at + size, block
        self.inflate = zlib.decompressobj() if deflated else None
        self.erased_to = self.end if erased else at
        self.next = 0


class _Read:
    """A fast read that goes on: as many packets ahead of what the host has acknowledged as it allows."""

    def __init__(self, at: int, size: int, block: int, ahead: int) -> None:
        self.at, self.size, self.block, self.ahead = at, size, block, ahead
        self.sent = self.acknowledged = 0
        self.digest = hashlib.md5(usedforsecurity=False)


class Loader:
    """From reset until `leaves` says where the chip goes: "run" (start from flash) or "loader" (the ROM's again)."""

    def __init__(self, chip: Chip, flash: Flash, mac: bytes, stub_allowed: bool = True) -> None:
        self._chip, self._flash, self._stub_allowed = chip, flash, stub_allowed
        self.registers = Registers(chip, mac, flash.size)
        self.stub = False
        self.leaves = ""
        self.baud = 115200
        self.wrote = False  # to flash, since it began
        self._write: _Write | None = None
        self._read: _Read | None = None
        self._commands: dict[int, tuple[Callable[[bytes], bytes | int | None], int]] = {
            0x02: (self._flash_begin, 16),
            0x03: (self._flash_data, 16),
            0x04: (self._flash_end, 4),
            0x05: (self._mem_begin, 16),
            0x06: (self._mem_end, 8),
            0x07: (self._mem_data, 16),
            0x08: (self._sync, 36),
            0x09: (self._write_reg, 16),
            0x0A: (self._read_reg, 4),
            0x0B: (self._nothing, 24),
            0x0D: (self._nothing, 4),
            0x0F: (self._change_baudrate, 8),
            0x10: (self._deflate_begin, 16),
            0x11: (self._flash_data, 16),
            0x12: (self._flash_end, 4),
            0x13: (self._md5, 16),
        }
        self._rom_only: dict[int, tuple[Callable[[bytes], bytes | int | None], int]] = {0x0E: (self._read_slow, 8)}
        self._stub_only: dict[int, tuple[Callable[[bytes], bytes | int | None], int]] = {
            0xD0: (self._erase_flash, 0),
            0xD1: (self._erase_region, 8),
            0xD2: (self._read_flash, 16),
            0xD3: (self._run_user_code, 0),
        }
        if chip.security_info:
            self._commands[0x14] = (self._security_info, 0)

    def handle(self, packet: bytes) -> list[bytes]:
        """The answers to one packet. What the flash raises when the power goes is let through."""
        if self._read is not None and len(packet) == 4:
            return self._acknowledged(unpack_from("<I", packet)[0])
        if len(packet) < 8 or packet[0] != 0:
            return []
        self._read = None
        op, length = packet[1], unpack_from("<H", packet, 2)[0]
        data = packet[8:]
        known = self._commands | (self._stub_only if self.stub else self._rom_only)
        try:
            if op not in known or len(data) < known[op][1]:
                raise Refused(*_INVALID)
            if length != len(data):
                raise Refused(ROM_INVALID, STUB_LENGTH)
            if op in (0x03, 0x07, 0x11) and checksum(data[16:]) != packet[4]:
                raise Refused(ROM_CHECKSUM, STUB_CHECKSUM)
            result = known[op][0](data)
        except Refused as refused:
            return self._refusal(op, op in known, refused)
        return self._answers(op, result)

    def _refusal(self, op: int, known: bool, refused: Refused) -> list[bytes]:
        rom, stub = refused.codes
        if self.stub:
            return [pack("<BBHI", 1, op, 2, 0) + bytes((1, stub))]
        if known:
            return [pack("<BBHI", 1, op, 4, 0) + bytes((1, rom, 0, 0))]
        return 8 * [pack("<BBHI", 1, 0, 4, 0) + bytes((1, ROM_INVALID, 0, 0))]

    def _answers(self, op: int, result: bytes | int | None) -> list[bytes]:
        data = result if isinstance(result, bytes) else b""
        value = result if isinstance(result, int) else 0
        status = bytes(2 if self.stub else 4)
        if op == 0x06 and self.stub:  # the ROM's last answer, then the stub's first word
            return [pack("<BBHI", 1, op, 4, 0) + bytes(4), b"OHAI"]
        if op == 0xD3:
            return []
        answer = pack("<BBHI", 1, op, len(data) + len(status), value) + data + status
        return ([answer] * 8 if op == 0x08 else [answer]) + self._packets()

    def _nothing(self, data: bytes) -> None:
        """SPI_ATTACH, SPI_SET_PARAMS: the flash is there."""

    def _sync(self, data: bytes) -> int:
        if data != SYNC:
            raise Refused(*_INVALID)
        return 0 if self.stub else SYNC_VALUE

    def _change_baudrate(self, data: bytes) -> None:
        self.baud = unpack_from("<I", data)[0]

    def _read_reg(self, data: bytes) -> int:
        return self.registers.read(unpack_from("<I", data)[0])

    def _write_reg(self, data: bytes) -> None:
        for n in range(0, len(data) - 15, 16):
            at, value, mask, _ = unpack_from("<IIII", data, n)
            self.registers.write(at, value, mask)

    def _security_info(self, data: bytes) -> bytes:
        return pack("<IB7sII", 0, 0, bytes(7), self._chip.id, 0)

    def _mem_begin(self, data: bytes) -> None:
        if not self._stub_allowed:
            raise Refused(*_INVALID)

    def _mem_data(self, data: bytes) -> None:
        if unpack_from("<I", data)[0] != len(data) - 16:
            raise Refused(ROM_INVALID, STUB_LENGTH)

    def _mem_end(self, data: bytes) -> None:
        if unpack_from("<I", data, 4)[0]:
            self.stub = True

    def _flash_begin(self, data: bytes) -> None:
        self._begin(data, deflated=False)

    def _deflate_begin(self, data: bytes) -> None:
        self._begin(data, deflated=True)

    def _begin(self, data: bytes, deflated: bool) -> None:
        size, _, block, at = unpack_from("<IIII", data)
        if not self._flash.holds(at, size):
            raise Refused(*_FAILED)
        self._write = _Write(at, size, block, deflated, erased=not self.stub)
        if size and not self.stub:
            self.wrote = True
            self._flash.erase(at, size)

    def _flash_data(self, data: bytes) -> None:
        length, seq = unpack_from("<II", data)
        body, write = data[16:], self._write
        if write is None or length != len(body):
            raise Refused(ROM_INVALID, STUB_NOT_WRITING if write is None else STUB_LENGTH)
        if write.inflate is None:
            write.at = write.begin + seq * write.block
        elif seq == write.next - 1:
            return  # it came before, and the host did not hear that
        elif seq != write.next:
            raise Refused(*_FAILED)
        else:
            try:
                body = write.inflate.decompress(body)
            except zlib.error:
                raise Refused(ROM_FAILED, STUB_INFLATE) from None
            write.next += 1
        self._store(write, body)

    def _store(self, write: _Write, body: bytes) -> None:
        body = body[: max(0, self._flash.size - write.at)]
        end = write.at + len(body)
        self.wrote = self.wrote or bool(body)
        if end > write.erased_to:
            self._flash.erase(write.erased_to, end - write.erased_to)
            write.erased_to = -(-end // 4096) * 4096
        self._flash.program(write.at, body)
        write.at = end

    def _flash_end(self, data: bytes) -> None:
        self._write = None
        stay = unpack_from("<I", data)[0]
        if not self.stub:
            self.leaves = "run"
        elif not stay:
            self.leaves = "loader"  # a reset by software leaves the boot pin as it was latched

    def _run_user_code(self, data: bytes) -> None:
        self.leaves = "run"

    def _md5(self, data: bytes) -> bytes:
        at, size = unpack_from("<II", data)
        if not self._flash.holds(at, size):
            raise Refused(*_FAILED)
        digest = self._flash.md5(at, size)
        return digest if self.stub else digest.hex().encode()

    def _read_slow(self, data: bytes) -> bytes:
        at, size = unpack_from("<II", data)
        if size > SLOW_READ or not self._flash.holds(at, size):
            raise Refused(*_FAILED)
        return self._flash.read(at, size).ljust(SLOW_READ, b"\0")

    def _erase_flash(self, data: bytes) -> None:
        self.wrote = True
        self._flash.erase(0, self._flash.size)

    def _erase_region(self, data: bytes) -> None:
        at, size = unpack_from("<II", data)
        if at % 4096 or size % 4096 or not self._flash.holds(at, size):
            raise Refused(*_FAILED)
        self.wrote = True
        self._flash.erase(at, size)

    def _read_flash(self, data: bytes) -> None:
        at, size, block, ahead = unpack_from("<IIII", data)
        if not self._flash.holds(at, size) or not block or not ahead:
            raise Refused(*_FAILED)
        self._read = _Read(at, size, block, ahead)

    def _acknowledged(self, n: int) -> list[bytes]:
        assert self._read is not None
        self._read.acknowledged = n
        if n >= self._read.size:
            digest, self._read = self._read.digest.digest(), None
            return [digest]
        return self._packets()

    def _packets(self) -> list[bytes]:
        """What may be sent before the host acknowledges more."""
        read, out = self._read, []
        while read and read.sent < read.size and read.sent - read.acknowledged < read.ahead * read.block:
            part = self._flash.read(read.at + read.sent, min(read.block, read.size - read.sent))
            read.sent += len(part)
            read.digest.update(part)
            out.append(part)
        return out


def checksum(data: bytes) -> int:
    """All bytes, XORed. An even number of equal ones falls out, so it is taken over halves of the whole."""
    value = int.from_bytes(data, "little")
    bits = 8 * len(data)
    while bits > 8:
        bits = -(-bits // 16) * 8
        value = value >> bits ^ value & (1 << bits) - 1
    return value ^ CHECKSUM_SEED
