"""`klimanetz device manifest|export|label|provision` as a technician types them, with the registry behind real HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from firmware.bench.identity import keys
from firmware.bench.identity.places import Place
from firmware.bench.identity.trip import Trip
from simulators.bench.board import SimulatedBoard
from tests.cloud.api.serving import serving
from tests.firmware.bench.laptop import CONFIG, PARTS
from tests.firmware.bench.laptop import Laptop as FlashingLaptop
from tests.firmware.bench.served import KEY, OTAA, Served

PROGRAM = Path(sys.executable).with_name("klimanetz")
ROWS = (
    "\ufeffdevice;station;activation;dev_eui;join_eui;app_key;serial\r\n"
    f"kn-1;marktplatz;otaa;70B3D57ED0000001;;{KEY};S-1\r\nkn-2;neustadt;mqtt;;;;S-2\r\n"
)


class Laptop:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.rows = folder / "devices.csv"
        self.rows.write_text(ROWS, newline="")

    def run(self, *arguments: str | Path, key: str = "a", lang: str = "C") -> "subprocess.CompletedProcess[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KLIMANETZ_", "LC_"))}
        given = {"KLIMANETZ_API_URL": self.url, "KLIMANETZ_API_KEY": key, "LC_ALL": lang, "COLUMNS": "200"}
        return subprocess.run(
            [PROGRAM, "device", *arguments], cwd=self.folder, env=clean | given | {"PYTHONUTF8": "1"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def told(self, *arguments: str | Path, code: int = 0, key: str = "a") -> Any:
        done = self.run(*arguments, "--json", key=key)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.online().put_device({"device": "kn-7", **OTAA, "station": "marktplatz"})
    yield served
    served.parts.store.close()


@pytest.fixture
def laptop(served: Served, tmp_path: Path) -> Iterator[Laptop]:
    with serving(served.app) as url:
        yield Laptop(tmp_path, url)


def test_a_trip(laptop: Laptop, served: Served) -> None:
    told = laptop.told("manifest", "export", "--out", "trip.json")
    assert told == {"file": "trip.json", "stations": 2, "devices": 3, "deployments": 3}
    file = laptop.folder / "trip.json"
    assert file.stat().st_mode & 0o077 == 0
    trip = Trip(file, "AB", lambda: "2026-11-23T08:00:00Z")
    trip.put_device({"device": "kn-7", "app_key": "11" * 16})
    trip.deploy(Place("neustadt", "kn-7", "2026-11-23T08:00:00Z"))
    served.online().put_device({"device": "kn-7", "app_key": "22" * 16})

    shown = laptop.run("manifest", "show", "trip.json")
    assert "2 changes wait to be merged" in shown.stdout
    assert KEY not in shown.stdout + laptop.run("manifest", "show", "trip.json", "--json").stdout
    again = laptop.run("manifest", "export", "--out", "trip.json")
    assert (again.returncode, "not merged yet" in again.stderr) == (2, True)

    merged = laptop.run("manifest", "merge", "trip.json", lang="de_DE.UTF-8")
    assert merged.returncode == 1
    assert "1 eingetragen, 0 schon da, 0 wie im Register gelassen, 1 Konflikte." in merged.stdout
    assert "kn-7: jemand anders hat app_key von kn-7 geändert" in merged.stdout
    assert "meines    app_key …1111" in merged.stdout
    assert "Register  app_key …2222" in merged.stdout
    (conflict,) = laptop.told("manifest", "merge", "trip.json", code=1)["conflicts"]
    assert (conflict["mine"], conflict["theirs"]) == ({"app_key": "…1111"}, {"app_key": "…2222"})
    assert len(laptop.told("manifest", "merge", "trip.json", "--mine")["written"]) == 1
    assert laptop.told("manifest", "merge", "trip.json") == {"written": [], "there": [], "left": [], "conflicts": []}
    assert laptop.run("manifest", "merge", "trip.json", "--mine", "--theirs").returncode == 2


def test_what_stands_in_the_way_of_a_trip(laptop: Laptop) -> None:
    weak = laptop.run("manifest", "export", key="w")
    assert (weak.returncode, weak.stdout) == (1, "")
    assert weak.stderr.startswith("klimanetz: This needs a key of the scope 'admin', and this one is of 'write'.")
    assert "KLIMANETZ_API_KEY" in weak.stderr
    assert not (laptop.folder / "trip.json").exists()
    laptop.url = "http://127.0.0.1:9"
    away = laptop.run("manifest", "export", lang="de_DE.UTF-8")
    assert away.returncode == 1
    assert away.stderr.startswith("klimanetz: das Register unter http://127.0.0.1:9 ist nicht erreichbar")
    none = laptop.run("manifest", "merge", "none.json")
    assert (none.returncode, none.stderr) == (2, "klimanetz: none.json cannot be read: there is no such file\n")


def test_exports(laptop: Laptop) -> None:
    told = laptop.told("export", "--format", "tts", "--from", "devices.csv", "--out", "out/for-tts")
    assert told == {"files": ["out/for-tts-otaa.csv"], "otaa": 1, "abp": 0, "left_out": ["kn-2"]}
    file = laptop.folder / "out/for-tts-otaa.csv"
    assert file.stat().st_mode & 0o077 == 0
    assert file.read_text().splitlines()[1].startswith("kn-1;70B3D57ED0000001;0000000000000000;kn-1;")
    laptop.told("export", "--format", "tts-json", "--device", "kn-7")  # of the registry itself
    assert json.loads((laptop.folder / "devices.json").read_text())["root_keys"]["app_key"]["key"] == KEY.upper()
    laptop.told("manifest", "export")
    ids = ["--application", "52f14cd4-c6f1-4fbd-8f87-4025e1d49242", "--profile", "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"]
    laptop.told("export", "--format", "chirpstack", "--manifest", "trip.json", *ids)
    calls = [json.loads(line)["post"] for line in (laptop.folder / "devices.jsonl").read_text().splitlines()]
    assert calls == ["/api/devices", f"/api/devices/{OTAA['dev_eui']}/keys"]
    wrong = laptop.run("export", "--format", "chirpstack", "--manifest", "trip.json")
    assert (wrong.returncode, "--application needs an id of ChirpStack" in wrong.stderr) == (2, True)


def test_labels(laptop: Laptop) -> None:
    told = laptop.told("label", "--from", "devices.csv", "--skip", "23", "--site", "https://klima.example")
    assert told == {"files": ["labels.pdf"], "labels": 2, "pages": 2}
    assert len(pypdfium2.PdfDocument(laptop.folder / "labels.pdf")) == 2
    laptop.told("label", "--from", "devices.csv", "--skip", "23", "--out", "l.svg")
    assert sorted(path.name for path in laptop.folder.glob("*.svg")) == ["l-1.svg", "l-2.svg"]
    assert laptop.told("label", "--device", "kn-7", "--out", "one.svg")["labels"] == 1
    for wrong, words in (
        (["--out", "labels.png"], "neither .pdf nor .svg"),
        (["--paper", "70x99"], "there is no label paper"),
        (["--device", "kn-99"], "there is no device kn-99"),
    ):
        done = laptop.run("label", "--from", "devices.csv", *wrong)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_bad_rows_are_all_named(laptop: Laptop) -> None:
    laptop.rows.write_text("device;dev_eui\r\nkn-1;12\r\nkn-1;70B3D57ED0000001\r\n", newline="")
    done = laptop.run("label", "--from", "devices.csv", lang="de_DE.UTF-8")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "klimanetz: devices.csv wurde abgelehnt, nichts ist geschehen; zu berichtigende Zeilen: 2:",
        "  Zeile 2: dev_eui ist '12'; es hat 16 Hexadezimalziffern",
        "  Zeile 3: 'kn-1' steht schon in Zeile 2",
    ]
    told = laptop.told("provision", "--row", "devices.csv", "--device", "kn-1", "--port", "nowhere", code=2)
    assert [row["line"] for row in told["rows"]] == [2, 3]


def test_a_board_becomes_a_device(laptop: Laptop, served: Served, tmp_path: Path, micropython: str) -> None:
    with SimulatedBoard(tmp_path / "board", "heltec_v3", micropython=micropython, parts=PARTS) as board:
        mine = FlashingLaptop(tmp_path / "flashing")
        mine.flasher.flash(mine.wish(board.port, config=json.dumps({**CONFIG, "sleep": "awake"}).encode()))
        given = ["--port", board.port, "--shelf", str(tmp_path / "shelf"), "--technician", "AB"]
        told = laptop.told("provision", "--new", "--device", "kn-42", "--station", "neustadt", "--height", "3", *given)
        assert (told["device"], told["change"], told["written"]) == ("kn-42", "added", ["/identity.json"])
        known = served.online().device("kn-42")
        assert known is not None
        assert known["dev_eui"] == told["dev_eui"] == keys.dev_eui_of_mac(told["mac"])
        assert known["app_key"] not in json.dumps(told)
        refused = laptop.run("provision", "--device", "kn-7", *given, lang="de_DE.UTF-8")
        assert refused.returncode == 2
        assert refused.stderr.startswith(
            "klimanetz: diese Karte ist kn-42, nicht kn-7; soll sie ein anderes Gerät werden"
        )
        done = laptop.run("provision", "--device", "kn-7", "--replace-identity", *given)
        assert done.returncode == 0, done.stderr
        assert f"is kn-7, DevEUI {str(OTAA['dev_eui']).upper()}; the registry: unchanged." in done.stdout
        assert "Next: kn-42 is still registered at neustadt, without a board" in done.stdout


def test_a_board_that_is_not_there(laptop: Laptop) -> None:
    done = laptop.run("provision", "--device", "kn-7", "--port", "/dev/nowhere")
    assert (done.returncode, "there is no board at /dev/nowhere" in done.stderr) == (2, True)
