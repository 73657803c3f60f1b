"""The folder of pinned images: what is not recorded is not flashed, and what comes over a network is looked at."""

import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.bench.board import partitions
from firmware.bench.flash import images
from firmware.bench.flash.fetching import fetch
from firmware.bench.flash.images import OFFSETS, Folder, Pinned
from firmware.bench.trouble import BenchError, WrongUse

CHIP_ID = {"esp32": 0, "esp32c3": 5, "esp32s3": 9}


def table(*rows: tuple[str, int, int, int, int]) -> bytes:
    """A partition table as ESP-IDF writes it."""
    out = b"".join(
        struct.pack("<HBBLL16sL", 0x50AA, kind, subtype, at, size, name.encode(), 0)
        for name, kind, subtype, at, size in rows
    )
    out += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(out).digest()
    return out.ljust(partitions.TABLE_BYTES, b"\xff")


ROWS = (("nvs", 1, 2, 0x9000, 0x6000), ("phy_init", 1, 1, 0xF000, 0x1000), ("factory", 0, 0, 0x10000, 0x1F0000))
VFS = ("vfs", 1, 0x81, 0x200000, 0x200000)


def blob(chip: str, rows: tuple[tuple[str, int, int, int, int], ...] = (*ROWS, VFS)) -> bytes:
    """What the head of an image for this chip looks like, with a partition table and nothing behind it."""
    head = bytearray(b"\xff" * (0x10000 - OFFSETS[chip]))
    head[:24] = bytes([0xE9, 1, 2, 0x20]) + b"\0" * 8 + struct.pack("<H", CHIP_ID[chip]) + b"\0" * 10
    at = partitions.TABLE_AT - OFFSETS[chip]
    head[at : at + partitions.TABLE_BYTES] = table(*rows)
    return bytes(head)


def folder(path: Path, chip: str, data: bytes) -> Folder:
    path.mkdir(exist_ok=True)
    (path / "one.bin").write_bytes(data)
    made = Folder(path, [Pinned(chip, "v1.26.1", "one.bin", hashlib.sha256(data).hexdigest(), "https://…")], [])
    images.record(made)
    return images.load(path)


@pytest.mark.parametrize("chip", OFFSETS)
def test_a_recorded_image_is_given_out(tmp_path: Path, chip: str) -> None:
    pinned, data = folder(tmp_path, chip, blob(chip)).image(chip)
    assert (pinned.version, pinned.offset, data) == ("v1.26.1", OFFSETS[chip], blob(chip))


def test_one_changed_byte_is_found(tmp_path: Path) -> None:
    made = folder(tmp_path, "esp32s3", blob("esp32s3"))
    data = bytearray(blob("esp32s3"))
    data[-1] ^= 1
    (tmp_path / "one.bin").write_bytes(data)
    with pytest.raises(WrongUse, match="not the file that was recorded"):
        made.image("esp32s3")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (blob("esp32c3"), "is an image for esp32c3, and this board has an esp32s3"),
        (b"MZ" + bytes(100), "is not an ESP32 image"),
        (b"", "is not an ESP32 image"),
        (blob("esp32s3")[:0x8000], "has no partition table"),
    ],
)
def test_what_is_no_image_for_this_chip_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        folder(tmp_path, "esp32s3", data).image("esp32s3")


def test_an_empty_or_damaged_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="klimanetz device fetch"):
        images.load(tmp_path)
    (tmp_path / "images.json").write_text('{"images": [{"chip": "esp32"}]}')
    with pytest.raises(WrongUse, match="cannot be used"):
        images.load(tmp_path)
    (tmp_path / "images.json").write_text("{}")
    with pytest.raises(WrongUse, match="has no MicroPython for esp32"):
        images.load(tmp_path).image("esp32")
    with pytest.raises(WrongUse, match=r"lora-sync@0\.1\.1 is not in"):
        images.load(tmp_path).package("lora-sync@0.1.1")


def test_the_table_names_nvs_and_the_file_system() -> None:
    rows = partitions.parse(table(*ROWS, VFS))
    assert [row.name for row in rows] == ["nvs", "phy_init", "factory", "vfs"]
    nvs, files = partitions.nvs(rows), partitions.file_system(rows, 1 << 22)
    assert nvs is not None
    assert files is not None
    assert (nvs.offset, nvs.size, files.offset, files.size) == (0x9000, 0x6000, 0x200000, 0x200000)


def test_a_table_without_a_file_system_leaves_it_the_rest_of_flash() -> None:
    files = partitions.file_system(partitions.parse(table(*ROWS)), 1 << 23)
    assert files is not None
    assert (files.offset, files.size) == (0x200000, 0x600000)


def test_a_table_with_a_wrong_sum_is_none() -> None:
    damaged = bytearray(table(*ROWS))
    damaged[5] ^= 1
    assert partitions.parse(bytes(damaged)) == []


@given(st.binary(max_size=400))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    assert partitions.parse(data) is not None
    assert images.chip_of(data) is None or len(data) >= 24


SIX = b"print(6)\n"
SHORT = hashlib.sha256(SIX).hexdigest()[:8]
BUILD = "ESP32_GENERIC_S3-20250911-v1.26.1.bin"
OLDER = "ESP32_GENERIC_S3-20250415-v1.25.0.bin"


class Site(BaseHTTPRequestHandler):
    """What micropython.org answers, as far as it is asked."""

    image = blob("esp32s3")
    damaged = False

    def do_GET(self) -> None:
        body = self._body()
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def _body(self) -> bytes | None:
        if self.path == "/download/ESP32_GENERIC_S3/":
            rows = [f'<a href="/resources/firmware/{name}">[.bin]</a>' for name in (BUILD, OLDER)]
            rows.append('<a href="/resources/firmware/ESP32_GENERIC_S3-SPIRAM_OCT-20250911-v1.26.1.bin">[.bin]</a>')
            return "".join(rows).encode()
        if self.path.startswith("/resources/firmware/"):
            return self.image
        if self.path.startswith("/pi/v2/package/6/lora-"):
            return json.dumps({"v": 1, "version": "…", "hashes": [["lora/six.mpy", SHORT]]}).encode()
        if self.path == f"/pi/v2/file/{SHORT[:2]}/{SHORT}":
            return SIX + b"#" * self.damaged
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = TCPServer(("127.0.0.1", 0), Site)  # HTTPServer asks a name server who we are
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    Site.image, Site.damaged = blob("esp32s3"), False


def test_fetching_fills_the_folder_and_records_every_sum(tmp_path: Path, site: str) -> None:
    fetch(tmp_path, ["esp32s3"], site=site)
    made = images.load(tmp_path)
    pinned, data = made.image("esp32s3")
    assert (pinned.file, pinned.version, data) == (BUILD, "v1.26.1", Site.image)
    assert made.package("lora-sx126x@0.1.6") == {"/lib/lora/six.mpy": SIX}
    before = (tmp_path / "images.json").read_text()
    said: list[str] = []
    fetch(tmp_path, ["esp32s3"], site=site, told=said.append)
    assert said == [f"{BUILD} is there"]
    assert (tmp_path / "images.json").read_text() == before


def test_a_named_version_is_taken_and_one_that_is_not_there_is_said(tmp_path: Path, site: str) -> None:
    assert fetch(tmp_path, ["esp32s3"], "v1.25.0", site).images[0].file == OLDER
    with pytest.raises(WrongUse, match=r"there are: v1\.26\.1, v1\.25\.0"):
        fetch(tmp_path, ["esp32s3"], "v9", site)
    with pytest.raises(WrongUse, match="no chip 'esp99'"):
        fetch(tmp_path, ["esp99"], site=site)


def test_a_file_that_changed_at_its_source_is_not_taken(tmp_path: Path, site: str) -> None:
    fetch(tmp_path, ["esp32s3"], site=site)
    (tmp_path / BUILD).unlink()
    Site.image = blob("esp32s3")[:-1] + b"\0"
    with pytest.raises(BenchError, match="not what was recorded"):
        fetch(tmp_path, ["esp32s3"], site=site)
    assert not (tmp_path / BUILD).exists()


def test_a_damaged_driver_and_a_site_that_is_away_are_said(tmp_path: Path, site: str) -> None:
    Site.damaged = True
    with pytest.raises(BenchError, match="came damaged"):
        fetch(tmp_path, ["esp32s3"], site=site)
    with pytest.raises(BenchError, match="cannot be reached"):
        fetch(tmp_path / "other", ["esp32s3"], site="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "'images' has to be a list of objects"),
        ("null", "'images' has to be a list of objects"),
        ('{"images": {"a": 1}}', "'images' has to be a list of objects"),
        ('{"images": [{"chip": "esp32", "version": "v1", "file": 7, "sha256": "00"}]}', "entry of 7 lacks 'file'"),
        ('{"packages": [{"name": "lora-sync", "version": "1", "files": 3}]}', "entry of lora-sync lacks 'files'"),
    ],
)
def test_an_entry_that_somebody_wrote_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "images.json").write_text(text)
    with pytest.raises(WrongUse, match=said):
        images.load(tmp_path)


def test_a_file_edited_by_hand_may_say_more_and_shout(tmp_path: Path) -> None:
    data = blob("esp32s3")
    (tmp_path / "a.bin").write_bytes(data)
    one = {"chip": "esp32s3", "version": "v1", "file": "a.bin", "sha256": hashlib.sha256(data).hexdigest().upper()}
    (tmp_path / "images.json").write_text("\ufeff" + json.dumps({"images": [{**one, "note": "ours"}]}), "utf-8")
    assert images.load(tmp_path).image("esp32s3")[1] == data


@pytest.mark.parametrize("n", [0x8100, 0x10004, 0x10010 + 24])
def test_an_image_that_is_cut_off_is_named(tmp_path: Path, n: int) -> None:
    app = bytes([0xE9, 1]) + bytes(22) + struct.pack("<II", 0, 64) + bytes(64)
    data = blob("esp32s3") + app
    assert folder(tmp_path, "esp32s3", data).image("esp32s3")[1] == data
    with pytest.raises(WrongUse, match="is cut off"):
        folder(tmp_path, "esp32s3", data[:n]).image("esp32s3")
