"""`klimanetz import` and `klimanetz export` as people and scripts meet them."""

import csv
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cloud.registry import imports
from cloud.registry.registry import open_registry
from tests.cloud.transfer.helpers import zipped
from tests.klimanetz.test_cli import PROGRAM, Shell, failed

HEAD = "station,time,quantity,value\n"
VALUES = HEAD + "".join(f"marktplatz,2026-01-01T00:{m:02}:00Z,air_temperature,{m / 10}\n" for m in range(60))
GEOGRAPHY = (
    "Stations_id;Stationshoehe;Geogr.Breite;Geogr.Laenge;von_datum;bis_datum;Stationsname\r\n"
    "  2932;  131.00; 51.4347; 12.2396;19730101;20060424;Leipzig-Schkeuditz\r\n"
    "  2932;  131.00; 51.4348; 12.2400;20060425;        ;Leipzig/Halle\r\n"
)
TU = "STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor\r\n       2932;2023041212;    3;   9.2;  94.0;eor\r\n"
KL = "STATIONS_ID;MESS_DATUM;QN_3;  FX;QN_4; RSK; TMK; TXK; TNK;eor\r\n"
KL += " 2932;20230412;10; 9.1; 9; 0.4; 8.1;12.0; 3.3;eor\r\n"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "stations.csv").write_text("station,name,latitude,longitude\nmarktplatz,Marktplatz,51.48,11.97\n")
    (tmp_path / "values.csv").write_text(VALUES)
    registry = open_registry(f"sqlite:///{tmp_path}/data/registry.db", lambda: 0)  # a process less for each test
    imports.import_stations(registry, (tmp_path / "stations.csv").read_bytes())
    return Shell(tmp_path)


def exported(shell: Shell, *more: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(shell("export", *more).stdout)))


def test_there_and_back(shell: Shell) -> None:
    said = shell("import", "values.csv").stdout
    assert "values.csv (long CSV): 60 values of marktplatz from 2026-01-01T00:00:00Z to 2026-01-01T00:59:00Z" in said
    report = shell.json("import", "values.csv")["files"][0]
    assert (report["values"], report["rejected"], report["stations"]) == (60, 0, ["marktplatz"])
    rows = exported(shell, "--station", "marktplatz", "--from", "2026-01-01T00:10:00Z", "--to", "2026-01-01T00:12:00Z")
    assert [(row["time"], row["value"], row["quality"]) for row in rows] == [
        ("2026-01-01T00:10:00Z", "1.0", "C"),
        ("2026-01-01T00:11:00Z", "1.1", "C"),
    ]
    assert "60 values in all.csv.zst" in shell("export", "--output", "all.csv.zst").stdout
    assert shell.json("export", "--output", "all.parquet") == {
        "values": 60, "resumed_at_value": 0, "output": "all.parquet",
    }  # fmt: skip
    assert shell.json("import", "all.csv.zst")["files"][0]["values"] == 60
    assert shell.json("import", "all.parquet")["files"][0]["values"] == 60
    assert len(exported(shell)) == 60


def test_a_pipe_is_as_good_as_a_file(shell: Shell) -> None:
    """So it works through `docker compose exec -T`."""
    text = VALUES + "ufer,then,co2,4\n"
    for name in ("-", "/dev/stdin"):
        done = subprocess.run(
            [PROGRAM, "import", name, "--skip-bad"], cwd=shell.folder, env=_environment(), input=text,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "60 values of marktplatz" in done.stdout
        assert len(list(shell.folder.glob("stdin-*.rejected.csv"))) == 1
        next(shell.folder.glob("stdin-*.rejected.csv")).unlink()
    assert len(exported(shell)) == 60
    assert not list((shell.folder / "data" / "spool" / "imports").iterdir())


def test_dates_are_midnight_where_the_city_is(shell: Shell) -> None:
    shell("import", "values.csv")
    assert len(exported(shell, "--from", "2026-01-01", "--to", "2026-01-02")) == 60
    assert exported(shell, "--to", "2026-01-01") == []
    assert exported(shell, "--from", "2026-01-01", "--to", "2026-01-02", "--tz", "America/New_York") == []


def test_bad_rows_are_named_and_the_others_can_be_taken(shell: Shell) -> None:
    (shell.folder / "bad.csv").write_text(
        HEAD + "marktplatz,2026-01-01T00:00:00Z,co2,400\nufer,then,co2,4\nufer,x,co2,4\n"
    )
    said = failed(shell("import", "bad.csv"), 1)
    assert "bad.csv was refused, nothing of it was stored; mend 2 rows, or take the others with --skip-bad:" in said
    assert "line 3: 'then' is not an RFC 3339 time" in said
    answer = json.loads(shell("import", "bad.csv", "--json").stdout)["files"][0]
    assert (answer["rejected"], [row["line"] for row in answer["rows"]]) == (2, [3, 4])
    assert exported(shell) == []
    said = shell("import", "bad.csv", "--check").stdout
    assert "1 value of" in said
    assert "nothing was stored (--check)" in said
    done = shell("import", "bad.csv", "--skip-bad")
    assert "2 wrong rows, they are in bad.csv.rejected.csv:" in done.stdout
    assert len(exported(shell)) == 1
    assert len((shell.folder / "bad.csv.rejected.csv").read_text().splitlines()) == 3


def test_a_station_of_the_weather_service(shell: Shell) -> None:
    zipped(shell.folder / "stundenwerte_TU_02932_akt.zip", produkt_tu_stunde_02932_txt=TU)
    zipped(shell.folder / "meta.zip", Metadaten_Geographie_02932_txt=GEOGRAPHY)
    said = failed(shell("import", "stundenwerte_TU_02932_akt.zip"), 1)
    assert "station 'dwd-02932' is not registered; --station 02932=NAME says which of yours it is" in said
    said = failed(shell("import", "--create", "stundenwerte_TU_02932_akt.zip"), 1)
    assert "nothing says where station dwd-02932 stands: give the service's Meta_Daten zip" in said
    answer = shell.json("import", "--create", "stundenwerte_TU_02932_akt.zip", "meta.zip")
    assert (answer["created"], answer["moves"]) == (["dwd-02932"], {"dwd-02932": ["2006-04-25"]})
    (station,) = [one for one in shell.json("stations", "list") if one["station"] == "dwd-02932"]
    assert (station["name"], station["latitude"], station["elevation_m"]) == ("Leipzig/Halle", 51.4348, 131.0)
    places = shell.json("stations", "places", "dwd-02932")
    assert [(place["since"], place["until"], place["name"]) for place in places] == [
        ("1973-01-01", "2006-04-24", "Leipzig-Schkeuditz"),
        ("2006-04-25", None, "Leipzig/Halle"),
    ]
    assert "Leipzig-Schkeuditz" in shell("stations", "places", "dwd-02932").stdout
    assert "nothing is known of places of 'marktplatz'" in shell("stations", "places", "marktplatz").stdout
    rows = exported(shell, "--station", "dwd-02932")
    assert [(row["time"], row["quantity"], row["value"], row["device"], row["quality"]) for row in rows] == [
        ("2023-04-12T12:00:00Z", "air_temperature", "9.2", "dwd-02932-1h", "S dwd-qn3"),
        ("2023-04-12T12:00:00Z", "relative_humidity", "94.0", "dwd-02932-1h", "S dwd-qn3"),
    ]
    assert shell("import", "--station", "marktplatz", "stundenwerte_TU_02932_akt.zip").returncode == 0
    assert len(exported(shell, "--station", "marktplatz")) == 2


def test_days_of_the_weather_service_are_a_reference_series(shell: Shell) -> None:
    zipped(shell.folder / "kl.zip", produkt_klima_tag_02932_txt=KL, Metadaten_Geographie_02932_txt=GEOGRAPHY)
    said = shell("import", "--create", "kl.zip").stdout
    assert "kl.zip/produkt_klima_tag_02932.txt (DWD produkt_klima_tag): 4 days of reference series of dwd-02932" in said
    assert "not kept here: FX" in said
    assert exported(shell) == []
    rows = exported(shell, "--daily")
    assert [(row["time"], row["quantity"], row["value"]) for row in rows] == [
        ("2023-04-12", "precipitation", "0.4"),
        ("2023-04-12", "tmax", "12.0"),
        ("2023-04-12", "tmean", "8.1"),
        ("2023-04-12", "tmin", "3.3"),
    ]
    (shell.folder / "days.csv").write_text(shell("export", "--daily").stdout)
    assert shell.json("import", "days.csv")["files"][0]["days"] == 4
    assert exported(shell, "--daily") == rows, "there and back changes nothing"


def test_a_list_of_stations_registers_them(shell: Shell) -> None:
    text = "Stations_id von_datum bis_datum Stationshoehe geoBreite geoLaenge Stationsname Bundesland\n"
    text += "----------- --------- --------- ------------- --------- --------- ------------ ----------\n"
    text += "00044 20070401 20241231   44   52.9336  8.2370 Großenkneten       Niedersachsen\n"
    (shell.folder / "list.txt").write_bytes(text.encode("latin-1"))
    assert "the places of 1 stations; --create registers them" in failed(shell("import", "list.txt"), 1)
    assert shell.json("import", "--create", "list.txt")["created"] == ["dwd-00044"]
    assert "all 1 stations of these files are registered already" in failed(shell("import", "--create", "list.txt"), 1)
    assert "Großenkneten" in shell("stations", "list").stdout


def test_a_device_s_place_is_not_taken(shell: Shell) -> None:
    (shell.folder / "devices.csv").write_text("device,station\nimport,marktplatz\ndwd-1,marktplatz\n")
    shell("devices", "import", "devices.csv")
    assert "a device is registered as 'import': name another" in failed(shell("import", "values.csv"), 1)
    assert shell("import", "values.csv", "--device", "archive").returncode == 0
    assert {row["device"] for row in exported(shell)} == {"archive"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("import", "gone.csv"), 2, "gone.csv cannot be read: No such file"),
        (("import", "stations.csv"), 1, "missing column: time, quantity, value"),
        (("import", "values.csv", "--device", "a b"), 2, "'a b' cannot be a device"),
        (("import", "values.csv", "--station", "marktplatz"), 2, "name their stations themselves"),
        (("export", "--station", "ufer"), 2, "station 'ufer' is not registered and has no values"),
        (("export", "--channel", "dew_point"), 2, "--channel: unknown quantity 'dew_point'"),
        (("export", "--from", "yesterday"), 2, "--from is 'yesterday': write 2026-11-22 or 2026-11-22T10:00:00Z"),
        (("export", "--from", "2026-01-02", "--to", "2026-01-01"), 2, "--to is not included"),
        (("export", "--from", "2026-01-02", "--tz", "Mars"), 2, "'Mars' is not a time zone"),
        (("export", "--format", "parquet"), 2, "give --output FILE.parquet"),
        (("export", "--output", "gone/x.csv"), 1, "cannot be written: No such file or directory"),
    ],
)
def test_what_goes_wrong_is_one_sentence(shell: Shell, arguments: tuple[str, ...], code: int, says: str) -> None:
    said = failed(shell(*arguments), code)
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_without_a_registry_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text(VALUES)
    assert "there is no registry yet" in failed(Shell(tmp_path)("import", "values.csv"), 1)


def test_without_pyarrow_parquet_is_one_sentence(shell: Shell) -> None:
    shell("import", "values.csv")
    (shell.folder / "pyarrow.py").write_text("raise ModuleNotFoundError(name='pyarrow')\n")
    said = failed(shell("export", "--output", "x.parquet", PYTHONPATH=str(shell.folder)), 1)
    assert "pip install 'klimanetz[parquet]', or use CSV" in said


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("KLIMANETZ_")}


def _begin(shell: Shell, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PROGRAM, *arguments], cwd=shell.folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_import_goes_on_and_doubles_nothing(shell: Shell, how: signal.Signals) -> None:
    count = 150_000
    with (shell.folder / "long.csv").open("w") as file:
        file.write(HEAD)
        for n in range(count):
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + 60 * n))
            file.write(f"marktplatz,{when},co2,{n}\n")
    process = _begin(shell, "import", "long.csv")
    states = shell.folder / "data" / "spool" / "imports"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until the first batch is noted
        if any(json.loads(state.read_text())["line"] for state in states.glob("*.json")):
            break
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    if how is signal.SIGINT:
        assert b"klimanetz: stopped; what was stored stays, the same command goes on from there" in said
    report = shell.json("import", "long.csv")["files"][0]
    assert report["resumed_at_line"] > 0
    assert report["values"] == count
    values = [float(row["value"]) for row in exported(shell)]
    assert values == [float(n) for n in range(count)]


def test_a_reader_that_has_seen_enough_is_no_error(shell: Shell) -> None:
    times = (f"2026-01-{d:02}T{h:02}:{m:02}:00Z" for d in range(1, 29) for h in range(24) for m in range(60))
    rows = "".join(f"marktplatz,{when},co2,400\n" for when in times)
    (shell.folder / "long.csv").write_text(HEAD + rows)
    shell("import", "long.csv")
    process = _begin(shell, "export")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)
