"""An import as a whole: what is stored, what is refused, and what an interruption costs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.reference import Daily
from cloud.store import Point, StoreUnavailable
from cloud.time_text import TimeText
from cloud.transfer import importing, looking
from cloud.transfer.importing import RowsRefused
from cloud.transfer.naming import NamingError, naming
from cloud.transfer.rows import UnreadableFile
from cloud.transfer.sources import Beside, look_through
from cloud.transfer.times import rfc3339_ms
from tests.cloud.transfer.helpers import NOW_MS, Desk, zipped

HEAD = "station,time,quantity,value\n"
T = rfc3339_ms("2026-01-01T00:00:00Z")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "values.csv"
        path.write_text(text)
        return path

    return write


def row(minute: int, value: float, channel: str = "air_temperature", station: str = "markt") -> str:
    return f"{station},{TimeText()(T + 60_000 * minute)},{channel},{value}\n"


def test_values_are_judged_as_those_that_arrive(desk: Desk, file: Callable[[str], Path]) -> None:
    (done,) = desk.take(file(HEAD + row(0, 3.42) + row(0, 101.0, "relative_humidity") + row(10, -99.0)))
    assert desk.stored() == [
        (T, "air_temperature", 3.42, "C", "import"),
        (T, "relative_humidity", 101.0, "C", "import"),
        (T + 600_000, "air_temperature", -99.0, "X range", "import"),
    ]
    assert (done.state.values, done.state.stations, desk.told) == (3, ["markt"], [{"markt"}])
    assert desk.store.count() == 2, "channels of one moment are one point"


def test_what_the_file_judges_stays(desk: Desk, file: Callable[[str], Path]) -> None:
    desk.take(file("station,time,quantity,value,quality\n" + "".join(
        row(n, n).strip() + f",{quality}\n" for n, quality in enumerate(["B seen by hand", "", "Z"])
    )))  # fmt: skip
    assert [quality for _, _, _, quality, _ in desk.stored()] == ["B seen by hand", "C", "Z"]


def test_a_count_that_one_row_of_a_point_knows_is_the_point_s(desk: Desk, file: Callable[[str], Path]) -> None:
    at = "2026-01-01T00:00:00Z"
    desk.take(file(f"station,time,quantity,value,generation,seq\nmarkt,{at},co2,400,2,7\nmarkt,{at},battery,3.9,,\n"))
    (point,) = desk.store.points("markt", T, T + 1)
    assert (point.values, point.generation, point.seq) == ({"battery": 3.9, "co2": 400.0}, 2, 7)


def test_days_go_to_the_reference_and_not_to_the_store(desk: Desk, file: Callable[[str], Path]) -> None:
    (done,) = desk.take(file(HEAD + "markt,1990-07-01,tmean,21.5\nmarkt,1990-07-02,tmean,20.0\n"))
    assert (done.state.values, done.state.days, desk.stored()) == (0, 2, [])
    assert list(desk.days.days("markt", "1990-07-02", "1990-12-31")) == [
        Daily("markt", "tmean", "1990-07-02", 20.0, "Z", "import")
    ]


def test_a_bad_row_and_nothing_is_written(desk: Desk, file: Callable[[str], Path]) -> None:
    path = file(HEAD + row(0, 1) + row(1, 2, station="ufer") + "markt,then,co2,4\n" + row(60 * 24 * 365 * 2, 5))
    with pytest.raises(RowsRefused) as refused:
        desk.take(path)
    look = refused.value.look
    assert look.rejected == 3
    assert [str(bad) for bad in look.bad] == [
        "line 3: station 'ufer' is not registered; `klimanetz stations import` does that",
        "line 4: 'then' is not an RFC 3339 time with its offset: write 2026-11-22T10:00:00Z",
        "line 5: 2028-01-01T00:00:00Z lies in the future: is its time zone right?",
    ]
    assert desk.stored() == []


def test_the_good_ones_and_a_file_of_the_others(desk: Desk, file: Callable[[str], Path]) -> None:
    path = file(HEAD + row(0, 1) + 'markt,"then, later",co2,4\n' + row(1, 2) + row(1, 3) + "m\udcfc,x,y,1\n".encode(
        "utf-8", "replace").decode())  # fmt: skip
    (done,) = desk.take(path, skip_bad=True)
    assert (done.state.values, done.state.rejected) == (2, 3)
    assert [value for _, _, value, _, _ in desk.stored()] == [1.0, 2.0]
    lines = (desk.folder / "values.csv.rejected.csv").read_text().splitlines()
    assert lines[0] == "station,time,quantity,value,rejected_line,rejected_reason"
    assert lines[1].startswith('markt,"then, later",co2,4,3,"')
    assert lines[2] == 'markt,2026-01-01T00:01:00Z,air_temperature,3.0,5,"contradicts an earlier line"' or lines[
        2
    ].startswith("markt,2026-01-01T00:01:00Z,air_temperature,3,5,")
    mended = lines[0] + "\n" + lines[1].replace('"then, later"', "2026-01-01T00:05:00Z") + "\n"
    (again,) = desk.take(file(mended))
    assert again.state.values == 1, "a mended file of rejected rows can be imported as it is"


def test_bytes_that_are_no_text_are_kept_as_they_came(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_bytes((HEAD + row(0, 1)).encode() + b"m\xfcnster,2026-01-01T00:00:00Z,co2,4\n")
    desk.take(path, skip_bad=True)
    assert b"m\xfcnster,2026-01-01T00:00:00Z,co2,4,3," in (desk.folder / "values.csv.rejected.csv").read_bytes()


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_same_twice_is_once_and_two_truths_are_refused(
    desk: Desk, file: Callable[[str], Path], shuffled: bool
) -> None:
    """In the order of time, and where that order is broken."""
    before = row(50, 50) + row(5, 5) + row(70, 70) if shuffled else ""
    (done,) = desk.take(file(HEAD + before + row(0, 1) + row(10, 2) + row(10, 2) + row(20, 3)))
    assert done.state.look["repeated"] == 1
    with pytest.raises(RowsRefused) as refused:
        desk.take(file(HEAD + before + row(0, 1) + row(10, 2) + row(10, 2.5) + row(10, 2)))
    line = 7 if shuffled else 4
    assert [(bad.line, bad.reason) for bad in refused.value.look.bad][:1] == [
        (line, f"air_temperature is 2.5 here and not what line {line - 1} says of the same time and device")
    ]


def test_far_apart_contradictions_are_found(desk: Desk, file: Callable[[str], Path]) -> None:
    text = HEAD + "".join(row(n, n) for n in range(3000)) + row(5, 5.5) + row(7, 7)
    with pytest.raises(RowsRefused) as refused:
        desk.take(file(text))
    assert [bad.line for bad in refused.value.look.bad] == [3002]
    (done,) = desk.take(file(text), skip_bad=True)
    assert (done.state.rejected, done.state.look["repeated"]) == (1, 1)
    assert desk.stored()[5][2] == 5.0, "what came first stays"


def test_a_file_that_is_mostly_contradictions_is_refused_early(
    desk: Desk, file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "CONTRADICTIONS_MAX", 10)
    for order in (range(40), [5, 0, 9, *range(40)]):
        text = HEAD + "".join(row(n, n) + row(n, n + 0.5) for n in order)
        with pytest.raises(
            UnreadableFile, match="more than 10 of its rows contradict others, for example line 3: air_"
        ):
            desk.take(file(text), skip_bad=True)


def test_newest_first_is_an_order_too(desk: Desk, file: Callable[[str], Path], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(looking, "contradictions", lambda *_: pytest.fail("no index is needed"))
    desk.take(file(HEAD + "".join(row(n, n) for n in reversed(range(100)))))
    assert len(desk.stored()) == 100


class Failing:
    """A store that goes away, or a machine that stops, before or after a batch is durable."""

    def __init__(self, store: object, after: int, error: BaseException, durable: bool) -> None:
        self._store, self._left, self._error, self._durable = store, after, error, durable
        self.written = 0

    def write(self, points: list[Point]) -> None:
        self._left -= 1
        if self._left < 0 and not self._durable:
            raise self._error
        self._store.write(points)  # type: ignore[attr-defined]
        self.written += len(points)
        if self._left < 0:
            raise self._error


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreUnavailable("away")])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupted_import_goes_on(
    desk: Desk, file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException,
    durable: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(importing, "BATCH_VALUES", 100)
    wrong = "markt,then,co2,4\n"
    path = file(HEAD + "".join(row(n, n) + (wrong if n % 50 == 7 else "") for n in range(450)))
    broken = Failing(desk.store, after, error, durable)
    with pytest.raises(type(error)):
        desk.take(path, skip_bad=True, store=broken)
    rest = Failing(desk.store, 10**6, error, False)
    (done,) = desk.take(path, skip_bad=True, store=rest)
    assert (done.resumed_at > 0) == (after > 0)
    assert rest.written == 450 - 100 * after, "what was noted is not written again"
    assert [value for _, _, value, _, _ in desk.stored()] == [float(n) for n in range(450)]
    assert (done.state.values, done.state.rejected) == (450, 9)
    rejected = (desk.folder / "values.csv.rejected.csv").read_text().splitlines()
    assert [int(line.split(",")[4]) for line in rejected[1:]] == [
        2 + n + n // 50 + 1 for n in range(450) if n % 50 == 7
    ]
    assert not list((desk.folder / "imports").glob("*.json")), "nothing is left when it is done"
    (again,) = desk.take(path, skip_bad=True)
    assert (again.resumed_at, desk.store.count()) == (0, 450), "once more changes nothing"


@pytest.mark.parametrize("before", [["dwd-04911"], ["dwd-00044", "dwd-04911"]])
def test_a_registry_that_changes_meanwhile_moves_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: list[str]
) -> None:
    """A line of two values is one wrong row while its station is not registered; a batch is full within such a line."""
    monkeypatch.setattr(importing, "BATCH_VALUES", 9)
    path = tmp_path / "ff.txt"
    lines = [f"{4911 if n % 3 else 44};2018091{5 + n // 24}{n % 24:02};10;1.6;80;eor" for n in range(90)]
    path.write_text("STATIONS_ID;MESS_DATUM;QN_3;F;D;eor\n" + "\n".join(lines) + "\n")
    stop = Failing(desk.store, 3, KeyboardInterrupt(), False)
    with pytest.raises(KeyboardInterrupt):
        desk.take(path, stations=before, skip_bad=True, store=stop)
    desk.take(path, stations=["dwd-04911"] if len(before) > 1 else ["dwd-00044", "dwd-04911"], skip_bad=True)
    assert len(desk.stored("dwd-04911")) == 120


def test_stations_are_told_of_even_when_it_is_interrupted(
    desk: Desk, file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_VALUES", 10)
    path = file(HEAD + "".join(row(n, n) for n in range(40)))
    with pytest.raises(KeyboardInterrupt):
        desk.take(path, store=Failing(desk.store, 1, KeyboardInterrupt(), False))
    assert desk.told == [{"markt"}]


def test_a_state_that_cannot_be_used_is_no_obstacle(desk: Desk, file: Callable[[str], Path]) -> None:
    path = file(HEAD + row(0, 1))
    (desk.folder / "imports").mkdir()
    from cloud.transfer.opening import content_hash
    from cloud.transfer.state import StateFile

    state = StateFile(desk.folder / "imports", content_hash(path), [""])
    for text in ("{", "[]", json.dumps({"version": 1, "colour": "blue"}), json.dumps({"version": 99})):
        state.path.write_text(text)
        (done,) = desk.take(path)
        assert (done.resumed_at, done.state.values) == (0, 1)


def test_another_content_is_another_import(
    desk: Desk, file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_VALUES", 10)
    with pytest.raises(KeyboardInterrupt):
        desk.take(
            file(HEAD + "".join(row(n, n) for n in range(40))), store=Failing(desk.store, 2, KeyboardInterrupt(), False)
        )
    (done,) = desk.take(file(HEAD + "".join(row(n, n + 1) for n in range(40))))
    assert (done.resumed_at, done.state.values) == (0, 40)


def test_what_the_store_refuses_for_good_is_said(desk: Desk, file: Callable[[str], Path]) -> None:
    class Refusing:
        def write(self, points: list[Point]) -> None:
            from cloud.store import PointsRejected

            raise PointsRejected(points, "beyond retention policy")

    with pytest.raises(UnreadableFile, match=r"the store refuses 1 readings of values\.csv .beyond retention policy"):
        desk.take(file(HEAD + row(0, 1)), store=Refusing())


FF = "STATIONS_ID;MESS_DATUM;QN_3;   F;   D;eor\r\n       4911;2018091500;   10;   1.6;  80;eor\r\n"


def test_a_zip_of_the_weather_service(desk: Desk, tmp_path: Path) -> None:
    geography = "Stations_id;Stationshoehe;Geogr.Breite;Geogr.Laenge;von_datum;bis_datum;Stationsname\n"
    geography += "4911;350.5;48.8;12.5;20060425;;Straubing\n"
    path = zipped(
        tmp_path / "stundenwerte_FF_04911_akt.zip", produkt_ff_stunde_04911_txt=FF,
        Metadaten_Geographie_04911_txt=geography, Metadaten_Fehldaten_04911_txt="Stations_ID;x\n", notes="hello",
    )  # fmt: skip
    desk.take(path, stations=["dwd-04911"])
    assert look_through([path])[1].passed_over == ["stundenwerte_FF_04911_akt.zip/notes"]
    assert [v[1:3] for v in desk.stored("dwd-04911")] == [("wind_direction", 80.0), ("wind_speed", 1.6)]
    desk.take(path, said=["markt"])
    desk.take(path, said=["04911=markt"])
    assert len(desk.stored("markt")) == 2
    with pytest.raises(RowsRefused) as refused:
        desk.take(path)
    assert [str(bad) for bad in refused.value.look.bad] == [
        "line 2: station '04911' is not registered; --station 04911=NAME says which of yours it is, "
        "--create registers it"
    ]


def test_names_of_stations(tmp_path: Path) -> None:
    ff, other, long = (tmp_path / name for name in ("ff.txt", "other.txt", "long.csv"))
    ff.write_text(FF)
    other.write_text(FF.replace("4911", "1766"))
    long.write_text(HEAD)
    both, _ = look_through([ff, other])
    with pytest.raises(NamingError, match=r"of 2 stations \(01766, 04911\): write --station ID=NAME for each"):
        naming(["markt"], both, [], Beside())
    with pytest.raises(NamingError, match="names no station"):
        naming(["markt", "ufer"], both, [], Beside())
    ours = naming(["4911=markt", "ufer"], both, [], Beside())
    assert [ours.ours(source, source.station_id or "") for source in both] == ["markt", "ufer"]
    for called in ("01766", "1766"):
        assert naming([], both, [called], Beside()).ours(both[1], "1766") == called
    texts, _ = look_through([long])
    with pytest.raises(NamingError, match="name their stations themselves"):
        naming(["markt"], texts, [], Beside())
    assert naming(["alt=markt"], texts, [], Beside()).ours(texts[0], "alt") == "markt"


def test_the_future_is_where_the_clock_says(desk: Desk, file: Callable[[str], Path]) -> None:
    path = file(HEAD + f"markt,{TimeText()(NOW_MS + 600_000)},co2,400\n")
    assert desk.take(path)[0].state.values == 1
    with pytest.raises(RowsRefused):
        desk.take(path, now_ms=NOW_MS - 1)
