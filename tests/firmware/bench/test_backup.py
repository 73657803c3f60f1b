"""What the laptop keeps of a board: whole, for its owner's eyes, and readings that can be told from it."""

import base64
import json
import os
import stat
import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Clock
from edge.outbox.outbox import Outbox
from firmware.bench.board import backup as backups
from firmware.bench.board import nvs_pages
from firmware.bench.board.backup import Backup
from firmware.bench.board.rescue import frames, readings
from firmware.bench.board.restoring import GENERATIONS, ahead, left_out, merged
from firmware.bench.board.shelf import DONE, ERASING, Journal, Shelf, stamp
from firmware.bench.trouble import BenchError, WrongUse
from schemas.wire import WireReading, decode

NOW = datetime(2026, 11, 25, 10, 15, tzinfo=UTC)
MAC = "f4:12:fa:00:00:07"
OTAA = b'{"device": "kn-0007", "activation": "otaa", "dev_eui": "70b3d57ed0000007", "app_key": "00"}'


def kept(**more: object) -> Backup:
    files = {"/identity.json": OTAA, "/config.json": b"{}", "/lorawan.json": b"{}"}
    return Backup(MAC, stamp(NOW), "heltec_v3", files, {"lw_nonce": 41, "generation": 3, "lw_count": b"x" * 12})


@given(
    st.dictionaries(st.text(min_size=1), st.binary(), max_size=5),
    st.dictionaries(st.text(min_size=1), st.integers(-(1 << 31), (1 << 31) - 1) | st.binary(max_size=64), max_size=5),
    st.binary(max_size=100),
)
def test_a_backup_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], nvs: dict[str, int | bytes], raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "one.json"
    given_ = Backup(MAC, stamp(NOW), "heltec_v3", files, nvs, raw, 0x9000)
    backups.write(given_, path)
    assert backups.read(path) == given_


def test_nobody_else_may_read_the_keys(tmp_path: Path) -> None:
    os.umask(0o022)
    backups.write(kept(), tmp_path / "deep" / "one.json")
    assert stat.S_IMODE((tmp_path / "deep" / "one.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "klimanetz-backup-1"}', '{"format": "other"}', "\udcff"])
def test_what_is_no_backup_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WrongUse, match="not a backup"):
        backups.read(path)


def test_the_shelf_writes_over_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first, second = shelf.save(kept()), shelf.save(kept())
    assert first != second
    assert backups.read(first) == backups.read(second) == kept()
    assert shelf.backups(MAC) == sorted([first, second])


def test_a_whole_flash_is_kept_for_its_owner_and_beside_the_one_before(tmp_path: Path) -> None:
    os.umask(0o022)
    paths = [Shelf(tmp_path).save_whole(MAC, NOW, flash) for flash in (b"1", b"2")]
    assert [path.read_bytes() for path in paths] == [b"1", b"2"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_the_journal_is_what_was_written_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.journal(MAC) is None
    for step in (ERASING, DONE):
        shelf.write_journal(MAC, Journal(step, "backup.json", "heltec_v3", "ab", True))
        assert shelf.journal(MAC) == Journal(step, "backup.json", "heltec_v3", "ab", True)
    (shelf.place(MAC) / "journal.json").write_text("{")
    with pytest.raises(BenchError, match="cannot be read"):
        shelf.journal(MAC)


def test_an_old_backup_leaps_ahead() -> None:
    out = ahead(kept(), NOW + timedelta(days=30))
    assert out.nvs["lw_nonce"] >= 41 + 100 + 2 * 24 * 30
    assert out.nvs["generation"] == 3 + GENERATIONS
    assert "lw_count" not in out.nvs
    assert "/lorawan.json" not in out.files  # a session of which nobody knows where it stands


def test_frame_counters_of_abp_leap_too() -> None:
    abp = OTAA.replace(b"otaa", b"abp")
    given_ = Backup(MAC, stamp(NOW), "", {"/identity.json": abp}, {"lw_count": counters(7, 500, 20)})
    of, up, down = counters_of(ahead(given_, NOW + timedelta(hours=10)).nvs["lw_count"])
    assert (of, down) == (7, 20)
    assert up >= 500 + 1000 + 3600


def counters(of: int, up: int, down: int) -> bytes:
    return struct.pack("<III", of, up, down)


def counters_of(blob: object) -> tuple[int, int, int]:
    assert isinstance(blob, bytes)
    return struct.unpack("<III", blob)  # type: ignore[return-value]


def test_no_nonce_left_is_said() -> None:
    used = Backup(MAC, stamp(NOW), "", {"/identity.json": OTAA}, {"lw_nonce": 65_500})
    with pytest.raises(WrongUse, match="DevNonces are used up"):
        ahead(used, NOW)


def test_what_the_board_knows_of_itself_wins() -> None:
    board = Backup(
        MAC, stamp(NOW), "", {"/identity.json": OTAA, "/outbox/state": b"newer"},
        {"lw_nonce": 90, "boots": 2, "generation": 4, "lw_count": b"y" * 12},
    )  # fmt: skip
    out = merged(kept(), board, NOW)
    assert out.nvs == board.nvs
    assert out.files["/outbox/state"] == b"newer"
    assert out.files["/config.json"] == b"{}"


def test_a_board_that_is_behind_its_own_backup_leaps_too() -> None:
    """It was provisioned anew under the same name; between the backup and that, the device went on."""
    board = Backup(MAC, stamp(NOW), "", {"/identity.json": OTAA}, {"lw_nonce": 2, "lw_air": b"p"})
    out = merged(kept(), board, NOW + timedelta(days=30))
    assert out.nvs["lw_nonce"] == ahead(kept(), NOW + timedelta(days=30)).nvs["lw_nonce"]
    assert out.nvs["generation"] == 3 + GENERATIONS
    assert "lw_count" not in out.nvs and "/lorawan.json" not in out.files
    assert out.nvs["lw_air"] == b"p"


def test_frame_counters_of_abp_do_not_go_back_on_the_same_board() -> None:
    files = {"/identity.json": OTAA.replace(b"otaa", b"abp")}
    then = Backup(MAC, stamp(NOW), "", files, {"lw_count": counters(7, 500, 20)})
    for own, least in ((counters(7, 40, 0), 1500), (counters(7, 600, 0), 600), (counters(8, 40, 0), 40)):
        out = merged(then, Backup(MAC, stamp(NOW), "", files, {"lw_count": own}), NOW)
        assert counters_of(out.nvs["lw_count"])[1] >= least


# Made by esp-idf-nvs-partition-gen 0.3.0: namespaces other (lw_nonce 7) and klimanetz, zlib, base64.
NVS_PAGE = zlib.decompress(
    base64.b64decode(
        "eNr79///fwYg+PcfE7To7tq5ahU2GQRgYGT8z9fA9jK/JCO1iAEBGKHyjCKM/1N/m17JKY/Py89LToXJswMxTL/opIhN2TmZuYl5qSVVUHkmqH4m"
        "oH65i47f0PWnC0H0g+Rltjdyp6fmpRYllmTm50HkmRkQ8oI+TMVA/YmZSA78DTPfiYkh+d2KX0D55PzSvBKYPA9Q957jXp0gd35hZGAQgZqHDpg8"
        "GP877e6pw9QPDAMGAGfcpfU="
    )
).ljust(4096, b"\xff")
IN_PAGE = {"lw_nonce": 4711, "generation": 3, "lw_air": -5, "lw_count": counters(7, 500, 20)}


def test_counters_are_read_from_a_raw_partition() -> None:
    raw = NVS_PAGE + b"\xff" * 0x5000
    assert nvs_pages.values(raw) == IN_PAGE
    assert nvs_pages.values(raw, "nobody") == {} == nvs_pages.values(b"\xff" * 0x6000) == nvs_pages.values(b"")


def test_of_two_values_the_later_counts_and_a_torn_one_does_not() -> None:
    """Power went after the new value and before the old one was erased; then in the middle of the next."""
    end = len(NVS_PAGE.rstrip(b"\xff")) + 31 & ~31
    old = NVS_PAGE.index(b"lw_nonce", NVS_PAGE.index(b"klimanetz")) - 8
    for value, torn, awaited in ((4800, 0, 4800), (4800, 1, 4711)):
        entry = bytearray(NVS_PAGE[old : old + 32])
        entry[24:28] = struct.pack("<i", value)
        entry[4:8] = struct.pack("<I", zlib.crc32(bytes(entry[:4] + entry[8:]), 0xFFFFFFFF) ^ torn)
        page, n = bytearray(NVS_PAGE), (end - 64) // 32
        page[end : end + 32] = entry
        page[32 + n // 4] &= ~(1 << n % 4 * 2)
        assert nvs_pages.values(bytes(page))["lw_nonce"] == awaited


@given(st.binary(max_size=64), st.integers(0, 4095))
def test_a_damaged_partition_gives_what_is_whole(noise: bytes, at: int) -> None:
    page = (NVS_PAGE[:at] + noise + NVS_PAGE[at + len(noise) :])[:4096]
    assert nvs_pages.values(page).items() <= IN_PAGE.items()


def test_a_backup_by_the_loader_leaps_from_the_counters_in_its_partition() -> None:
    made = Backup(MAC, stamp(NOW), "", {"/identity.json": OTAA}, {}, NVS_PAGE, 0x9000)
    assert ahead(made, NOW).nvs["lw_nonce"] == 4711 + 100 + 2
    with pytest.raises(WrongUse, match="counters cannot be read"):
        ahead(replace(made, nvs_raw=bytes(4096)), NOW)


def a_life(boots: int, of_each: int, synced: set[int]) -> Backup:
    """A board that measured `of_each` readings in each of its boots, some of which knew the time."""
    files: dict[str, bytes] = {}

    class Folder:
        def read(self, name: str) -> bytes:
            if name not in files:
                raise FileNotFoundError(name)
            return files[name]

        def open(self, name: str) -> object:
            return BytesIO(self.read(name))

        def append(self, name: str, data: bytes) -> None:
            files[name] = files.get(name, b"") + data

        def write(self, name: str, data: bytes) -> None:
            files[name] = data

        def remove(self, name: str) -> None:
            del files[name]

        def list(self) -> list[str]:
            return list(files)

    outbox = Outbox(Folder())
    outbox.begin(1, False)
    clock, start_ms = Clock(1, 100), 1_790_000_000_000
    for boot in range(1, boots + 1):
        clock = Clock(boot, 100, clock.boots_list())
        if boot in synced:
            clock.sync(start_ms + boot * 86_400_000, "ntp", 500, 0)
        for n in range(of_each):
            reading = WireReading(0, 0, None, None, "none", None, {"air_temperature": n / 10}, 0)
            outbox.put(reading, boot, 900 * n)
            clock.seen(boot, 900_000 * n)
    kept_files = {f"/outbox/{name}": data for name, data in files.items()}
    kept_files["/clock.json"] = json.dumps(clock.boots_list()).encode()
    made = datetime.fromtimestamp((start_ms + (boots + 1) * 86_400_000) / 1000, UTC)
    return Backup(MAC, stamp(made), "heltec_v3", {"/identity.json": OTAA, **kept_files})


def test_unsent_readings_come_with_their_identity_and_a_time_that_holds() -> None:
    life = a_life(3, 70, {1, 2})
    assert life.unsent == 210
    found = readings(life)
    assert [one.seq for one in found] == list(range(210, 0, -1))
    for one in found:
        boot, n = divmod(one.seq - 1, 70)
        true_s = 1_790_000_000 + (boot + 1) * 86_400 + 900 * n
        assert one.time_s is not None
        assert one.uncertainty_s is not None
        if boot < 2:
            assert abs(one.time_s - true_s) <= one.uncertainty_s
        else:  # never synchronised: somewhere after the second boot and before the backup
            assert one.time_s - one.uncertainty_s <= true_s + 86_400
            assert one.time_s + one.uncertainty_s >= 1_790_000_000 + 2 * 86_400


def test_readings_that_a_restore_leaves_out_are_counted() -> None:
    life = a_life(2, 3, {1, 2})
    assert left_out(life, life) == 0
    assert left_out(life, replace(life, files={"/identity.json": OTAA})) == 6


def test_frames_hold_all_of_them_once() -> None:
    found = readings(a_life(2, 100, {1, 2}))
    again = [reading for frame in frames(found) for reading in decode(frame).readings]
    assert [(one.generation, one.seq) for one in again] == [(one.generation, one.seq) for one in found]


def test_a_board_without_a_clock_or_an_outbox_has_nothing_to_rescue() -> None:
    assert readings(kept()) == []
    assert readings(Backup(MAC, stamp(NOW), "", {"/clock.json": b"[[", "/outbox/state": b"?"})) == []
