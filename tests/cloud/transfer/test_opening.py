"""Files however they are packed, and whatever happened to them on the way."""

import gzip
import random
from pathlib import Path

import pytest
import zstandard

from cloud.transfer.opening import Part, content_hash, head_of, parts_of, text_of
from cloud.transfer.rows import UnreadableFile
from cloud.transfer.sources import look_through
from tests.cloud.transfer.helpers import zipped

TEXT = "station,time,quantity,value\n" + "markt,2026-01-01T00:00:00Z,co2,400.25\n" * 3000
NOISE = "station,time,quantity,value\n" + "".join(f"markt,x,co2,{random.Random(n).random()}\n" for n in range(20_000))


def read(path: Path) -> str:
    (part,) = parts_of(path)
    with text_of(part) as lines:
        return "".join(lines)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_packed_or_not_by_what_is_in_it(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "any-name"
    path.write_bytes(pack(TEXT.encode()))
    assert read(path) == TEXT
    path.write_bytes(pack(TEXT.encode()) + pack(b"again\n") if pack is not bytes else TEXT.encode() + b"again\n")
    assert read(path) == TEXT + "again\n", "members and frames may follow each other"
    assert head_of(Part(path)).startswith("station,time")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_a_packed_file_that_was_cut_off_is_noticed(tmp_path: Path, pack, kept: float) -> None:  # type: ignore[no-untyped-def]
    packed = pack(NOISE.encode())
    path = tmp_path / "values.csv.x"
    path.write_bytes(packed[: int(len(packed) * kept)])
    with pytest.raises(UnreadableFile, match=r"is cut off or damaged .*: fetch it again"):
        read(path)


def test_line_ends_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_bytes(b"a\r\nb\rc\nd")
    assert read(path) == "a\nb\nc\nd"


def test_a_zip_that_was_cut_off_or_changed_is_noticed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "stundenwerte.zip", produkt_x_txt=NOISE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFile, match=r"stundenwerte\.zip is cut off or damaged"):
        parts_of(path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(UnreadableFile, match=r"stundenwerte.zip/produkt_x.txt is cut off or damaged"):
        read(path)


def test_how_far_the_reading_is_is_told(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_text(NOISE)
    moved: list[int] = []
    with text_of(Part(path), moved=moved.append) as lines:
        for _ in lines:
            pass
    assert sum(moved) == path.stat().st_size


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(TEXT)
    (tmp_path / "b").write_text(TEXT)
    (tmp_path / "c").write_text(TEXT + " ")
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b") != content_hash(tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no file that can be imported: give long CSV"),
        ("hello world\n", "is no file that can be imported"),
        ("\x00\x01\x02", "is no file that can be imported"),
        ("<html><body>not found</body></html>", "is no file that can be imported"),
    ],
)
def test_what_is_none_of_our_files_is_said(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "some.file"
    path.write_text(content)
    with pytest.raises(UnreadableFile, match=f"some.file {says}"):
        look_through([path])


def test_a_file_in_utf_16_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(UnreadableFile, match=r"values\.csv is in UTF-16; save it as 'CSV UTF-8'"):
        look_through([tmp_path / "values.csv"])


def test_a_zip_without_data_is_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "empty.zip", Metadaten_Parameter_txt="hello\n")
    with pytest.raises(UnreadableFile, match=r"empty\.zip holds no data"):
        look_through([path])


def test_an_encrypted_zip_is_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "secret.zip", produkt_x_txt=TEXT)
    packed = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(signature) + offset] |= 1  # the flag: this member is encrypted
    path.write_bytes(packed)
    with pytest.raises(UnreadableFile, match="is encrypted: unpack it first"):
        look_through([path])
