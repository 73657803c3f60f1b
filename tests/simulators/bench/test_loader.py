"""The loader's protocol and what a chip makes of its flash, without a port."""

import hashlib
import zlib
from pathlib import Path
from struct import pack, unpack

import pytest

from firmware.contents import board_pins, boards
from simulators.bench import boot, image, partitions
from simulators.bench.chips import CHIPS, MODELS
from simulators.bench.flash import FlashFile, PowerCut
from simulators.bench.loader import SYNC, Loader, checksum
from simulators.bench.slip import Decoder, framed

MAC = bytes.fromhex("24ec4a000001")
Answer = tuple[int, int, bytes]  # op, value, data and status


@pytest.fixture
def flash(tmp_path: Path) -> FlashFile:
    return FlashFile(tmp_path / "flash.bin", 1)


def request(op: int, data: bytes = b"", check: int = 0, length: int | None = None) -> bytes:
    return pack("<BBHI", 0, op, len(data) if length is None else length, check) + data


def asked(loader: Loader, op: int, data: bytes = b"", check: int = 0, length: int | None = None) -> list[Answer]:
    out = []
    for packet in loader.handle(request(op, data, check, length)):
        direction, answered, size, value = unpack("<BBHI", packet[:8])
        assert (direction, size) == (1, len(packet) - 8)
        out.append((answered, value, packet[8:]))
    return out


def stub(loader: Loader) -> Loader:
    assert asked(loader, 0x05, pack("<IIII", 4, 1, 4, 0x40000000))[0][2] == bytes(4)
    assert loader.handle(request(0x06, pack("<II", 0, 0x40000000)))[-1] == b"OHAI"
    return loader


def test_the_models_are_the_boards() -> None:
    assert set(MODELS) == set(boards())
    assert all(chip == board_pins(model).CHIP for model, (chip, _) in MODELS.items())


def test_slip_at_every_cut() -> None:
    packet = b"\xc0\xdb\xdc\xdd\x00\xc0\xc0\xdb"
    wire = b"\x03" + framed(packet) + framed(b"ab") + b"\xc0\xdb\x00\xc0" + framed(packet)
    for cut in range(len(wire) + 1):
        decoder = Decoder()
        assert decoder.feed(wire[:cut]) + decoder.feed(wire[cut:]) == [packet, b"ab", packet], (
            "a wrong escape is no packet"
        )
        assert decoder.loose == b"\x03"


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 64, 1024, 1027])
def test_the_checksum_is_the_xor_of_all_bytes(n: int) -> None:
    data = hashlib.sha512(b"%d" % n).digest() * 20
    plain = 0xEF
    for byte in data[:n]:
        plain ^= byte
    assert checksum(data[:n]) == plain


def test_sync_tells_the_rom_from_the_stub(flash: FlashFile) -> None:
    loader = Loader(CHIPS["esp32"], flash, MAC)
    answers = asked(loader, 0x08, SYNC)
    assert len(answers) == 8
    assert answers[0][1] != 0
    assert answers[0][2] == bytes(4)
    assert asked(stub(loader), 0x08, SYNC) == [(0x08, 0, bytes(2))] * 8


def test_what_is_not_understood_is_answered_and_changes_nothing(flash: FlashFile) -> None:
    before = flash.md5(0, flash.size)
    rom, small = Loader(CHIPS["esp32"], flash, MAC), stub(Loader(CHIPS["esp32s3"], flash, MAC))
    assert asked(rom, 0x14) == [(0, 0, b"\x01\x05\0\0")] * 8, "the first ESP32 has no GET_SECURITY_INFO"
    assert asked(rom, 0xD0)[0][2][:2] == b"\x01\x05", "the ROM cannot erase everything"
    assert asked(small, 0x0E, pack("<II", 0, 64))[0][2] == b"\x01\xc3", "and the stub does not read slowly"
    assert asked(rom, 0x02, b"short")[0][2][0] == 1
    assert asked(rom, 0x0A, pack("<I", 0), length=99)[0][2][:2] == b"\x01\x05"
    assert asked(rom, 0x03, pack("<IIII", 4, 0, 0, 0) + b"data", checksum(b"data"))[0][2][0] == 1, "no FLASH_BEGIN"
    asked(rom, 0x02, pack("<IIII", 4, 1, 1024, 0x4000))
    assert asked(rom, 0x03, pack("<IIII", 4, 0, 0, 0) + b"data", checksum(b"data") ^ 1)[0][2][:2] == b"\x01\x07"
    assert asked(rom, 0x02, pack("<IIII", 4096, 4, 1024, flash.size))[0][2][0] == 1, "past the end"
    assert rom.handle(b"") == rom.handle(b"\x01\x08\0\0\0\0\0\0") == []
    assert flash.md5(0, flash.size) == before


def test_a_block_that_comes_twice_is_written_once(flash: FlashFile) -> None:
    loader = stub(Loader(CHIPS["esp32c3"], flash, MAC))
    whole = bytes(range(256)) * 40
    packed = zlib.compress(whole)
    blocks = [packed[n : n + 64] for n in range(0, len(packed), 64)]
    asked(loader, 0x10, pack("<IIIII", len(whole), len(blocks), 64, 0x1000, 0))
    for seq, block in enumerate(blocks):
        data = pack("<IIII", len(block), seq, 0, 0) + block
        assert asked(loader, 0x11, data, checksum(block) ^ 8)[0][2] == b"\x01\xc1"
        assert asked(loader, 0x11, data, checksum(block)) == [(0x11, 0, bytes(2))]
        assert asked(loader, 0x11, data, checksum(block)) == [(0x11, 0, bytes(2))]
    assert flash.read(0x1000, len(whole)) == whole
    assert asked(loader, 0x13, pack("<IIII", 0x1000, len(whole), 0, 0))[0][2] == hashlib.md5(whole).digest() + bytes(2)
    data = pack("<IIII", 4, len(blocks), 0, 0) + b"what"
    asked(loader, 0x10, pack("<IIIII", 10, 1, 64, 0x8000, 0))
    assert asked(loader, 0x11, pack("<IIII", 4, 0, 0, 0) + b"what", checksum(b"what"))[0][2] == b"\x01\xc7"


def test_a_fast_read_waits_for_the_host(flash: FlashFile) -> None:
    flash.program(0, bytes(range(256)) * 64)
    loader = stub(Loader(CHIPS["esp32"], flash, MAC))
    answer, *packets = loader.handle(request(0xD2, pack("<IIII", 0, 10 * 1024, 1024, 3)))
    assert (len(packets), answer[-2:]) == (3, bytes(2))
    for n in range(1, 10):
        packets += loader.handle(pack("<I", 1024 * n))
        assert len(packets) == min(10, n + 3)
    assert b"".join(packets) == flash.read(0, 10 * 1024)
    assert loader.handle(pack("<I", 10 * 1024)) == [hashlib.md5(b"".join(packets)).digest()]


def test_flash_forgets_only_when_it_is_erased(flash: FlashFile) -> None:
    flash.program(10, b"\xf0\x0f")
    flash.program(10, b"\x3c\x3c")
    assert flash.read(9, 4) == b"\xff\x30\x0c\xff"
    flash.cut = True
    with pytest.raises(PowerCut):
        flash.program(100, bytes(64))
    assert flash.read(100, 64) == bytes(32) + b"\xff" * 32
    flash.cut = True
    with pytest.raises(PowerCut):
        flash.erase(0, 8192)
    assert flash.read(10, 2) == b"\xff\xff"
    flash.erase(0, 1)
    assert flash.read(0, 4096) == b"\xff" * 4096


@pytest.mark.parametrize("model", MODELS)
def test_an_image_starts_whole_or_not_at_all(tmp_path: Path, model: str) -> None:
    chip, mb = CHIPS[MODELS[model][0]], MODELS[model][1]
    data = image.build(chip.name, mb)
    said = set()
    for n in (
        0,
        1,
        2000,
        16000,
        partitions.AT - chip.bootloader_at + 40,
        image.APP_AT + 4000,
        len(data) - 33,
        len(data),
    ):
        (tmp_path / "flash.bin").unlink(missing_ok=True)
        flash = FlashFile(tmp_path / "flash.bin", mb)
        flash.program(chip.bootloader_at, data[:n])
        found = boot.start(chip, flash)
        assert (found.partitions is not None) == (n == len(data)), (n, found)
        said.add(found.said.splitlines()[-1])
        flash.close()
    assert len(said) >= 4
    assert found.version == "v1.29.0"
    assert found.partitions is not None
    assert found.partitions["vfs"].at + found.partitions["vfs"].size == mb << 20


def test_damage_that_the_checksum_does_not_see_is_seen(tmp_path: Path) -> None:
    data = bytearray(image.build("esp32c3", 4))
    data[image.APP_AT + 5000] ^= 1
    data[image.APP_AT + 6000] ^= 1
    flash = FlashFile(tmp_path / "flash.bin", 4)
    flash.program(0, bytes(data))
    assert "Image hash failed" in boot.start(CHIPS["esp32c3"], flash).said
    flash.close()


def test_an_image_of_another_chip_does_not_start(tmp_path: Path) -> None:
    flash = FlashFile(tmp_path / "flash.bin", 4)
    flash.program(0, image.build("esp32c3", 4))
    assert "expected 9, found 5" in boot.start(CHIPS["esp32s3"], flash).said
    assert boot.start(CHIPS["esp32"], flash).blank
    flash.close()


def test_a_table_of_partitions_that_is_damaged_is_none() -> None:
    good = partitions.table(partitions.micropython(4 << 20))
    assert list(partitions.read(good) or ()) == ["nvs", "phy_init", "factory", "vfs"]
    assert partitions.read(b"\xff" * partitions.SIZE) is None
    for n in range(0, 4 * 32 + 32):
        assert partitions.read(good[:n] + bytes((good[n] ^ 1,)) + good[n + 1 :]) is None, n
