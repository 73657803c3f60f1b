"""devices.csv on the bench: as people save it, and every bad row named while nothing is taken."""

import errno
import os

import pytest

from cloud.api.texts import spoken
from firmware.bench.identity import rows
from firmware.bench.identity.rows import BadRows
from firmware.bench.trouble import WrongUse, unreadable

HEADER = "device,station,activation,dev_eui,join_eui,app_key,codec,board,serial"
ROW = "kn-0007,marktplatz,OTAA,70-B3-D5-7E-D0-00-12-34,0000000000000000,0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F,klimanetz,heltec_v3,S-17"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_as_people_save_it(delimiter: str, end: str, mark: str) -> None:
    text = mark + end.join([HEADER, "", ROW.replace("kn-0007", '" kn-0007 "'), ""]).replace(",", delimiter)
    (one,) = rows.read(text.encode())
    assert (one.device.device, one.station, one.board, one.serial) == ("kn-0007", "marktplatz", "heltec_v3", "S-17")
    assert (one.device.dev_eui, one.device.app_key) == ("70b3d57ed0001234", "0f" * 16)


def test_keys_may_be_made_later() -> None:
    (one,) = rows.read(b"device,activation\nkn-1,otaa\n")
    assert one.device.dev_eui is None
    with pytest.raises(WrongUse, match="there is no device 'kn-2'; it has kn-1"):
        rows.pick([one], "kn-2")


BAD = {
    "kn-0007,,otaa,70B3D57ED0001234,,,,,": "'kn-0007' is already on line 2; dev_eui 70b3d57ed0001234 is already on line 2",
    "kn-2,,otaa,70B3D57ED000123,,,,,": "dev_eui is '70B3D57ED000123'; it has 16 hexadecimal digits",
    "kn-3,,otaa,,,0F0F,,,": "app_key is '0F0F'; it has 32 hexadecimal digits",
    "kn-4,,lora,,,,,,": "activation: 'lora' is not one of otaa, abp, mqtt",
    ",,mqtt,,,,,,": "device is empty",
    "kn-5,,mqtt,,,,,heltec,": "board: 'heltec' is not one of esp32_c3, esp32_devkit, heltec_v3, lilygo_lora32, lilygo_t3s3",
    "kn-6,,mqtt,,,,,,S-17": "serial S-17 is already on line 2",
    "kn-8,,mqtt,,,,abacus,,": "codec 'abacus' is unknown; use klimanetz, cayenne-lpp, senml or vendor/device",
    "kn-9,,mqtt,,,,,,,,": "11 cells under 9 columns",
}  # fmt: skip


def test_every_bad_row_is_named_and_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    text = "\r\n".join([HEADER, ROW, *BAD])
    with pytest.raises(BadRows) as refused:
        rows.read(text.encode(), "trip.csv")
    assert {row.line: row.reason for row in refused.value.rows} == dict(enumerate(BAD.values(), 3))
    assert str(refused.value) == "trip.csv was refused, nothing was done; mend 9 of its rows"
    for row in refused.value.rows:
        assert spoken(row.reason, "de")[1] == "de", row


@pytest.mark.parametrize("data", [b"", b"\n\n", b"name,eui\na,b\n", "device;activation\nkäse;mqtt".encode("latin-1")])
def test_what_is_no_such_file(data: bytes) -> None:
    with pytest.raises(BadRows) as refused:
        rows.read(data)
    assert refused.value.rows
    assert all(spoken(row.reason, "de")[1] == "de" for row in refused.value.rows), refused.value.rows


def test_a_row_hidden_behind_a_bad_one_is_seen() -> None:
    text = "device,dev_eui,app_key\nkn-1,70B3D57ED0001234,0F\nkn-2,70:B3:D5:7E:D0:00:12:34,\n"
    with pytest.raises(BadRows) as refused:
        rows.read(text.encode())
    assert [row.line for row in refused.value.rows] == [2, 3]


def test_of_several_rows_one_has_to_be_named() -> None:
    two = rows.read(b"device,activation\nkn-1,mqtt\nkn-2,mqtt\n")
    with pytest.raises(WrongUse, match="has 2 devices: say which, --device NAME"):
        rows.pick(two, "")
    assert rows.pick(two, "kn-2").device.device == "kn-2"


@pytest.mark.parametrize(
    ("number", "german", "english"),
    [
        (errno.ENOENT, "ist nicht lesbar: die Datei gibt es nicht", "cannot be read: there is no such file"),
        (errno.EISDIR, "ist nicht lesbar: das ist ein Ordner", "cannot be read: it is a folder"),
        (errno.EIO, "ist nicht lesbar: Input/output error", "cannot be read: Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_language(
    monkeypatch: pytest.MonkeyPatch, number: int, german: str, english: str
) -> None:
    for language, said in (("de_DE.UTF-8", german), ("C", english)):
        monkeypatch.setenv("LC_ALL", language)
        assert str(unreadable("x.csv", OSError(number, os.strerror(number)))) == f"x.csv {said}"
