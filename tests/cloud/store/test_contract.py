"""What every store keeps, whatever is behind it."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.calendar import Run
from cloud.store import Before, Latest, Point, PointKey, PointsRejected, Store, Value
from schemas.channels import ChannelError
from tests.cloud.store.conftest import T0, point

END = T0 + 10**9


def rows(store: Store, channel: str = "air_temperature", station: str = "markt") -> list[Value]:
    return list(store.series(station, channel, T0, END))


def test_an_empty_store_answers(store: Store) -> None:
    store.ping()
    assert store.latest() == []
    assert store.latest(["markt"]) == []
    assert store.latest([]) == []
    assert store.channels("markt") == []
    assert rows(store) == []
    assert store.before("markt", "air_temperature", END) == []
    assert list(store.identities("kn-1")) == []
    assert store.count() == 0
    store.delete([PointKey("markt", "kn-1", T0)])
    store.write([])


def test_what_is_written_is_read(store: Store) -> None:
    values = {"air_temperature": 3.42, "soil_moisture@30cm": 22.1, "pm2_5": 0.1 + 0.2}
    quality = {"air_temperature": "X range spike", "pm2_5": "S"}
    store.write([Point("markt", "kn-1", T0, values, quality, 2, 4711)])
    assert rows(store) == [Value(T0, 3.42, "X range spike", "kn-1")]
    assert rows(store, "soil_moisture@30cm") == [Value(T0, 22.1, "Z", "kn-1")]
    assert rows(store, "pm2_5") == [Value(T0, 0.1 + 0.2, "S", "kn-1")]
    assert store.channels("markt") == ["air_temperature", "pm2_5", "soil_moisture@30cm"]
    assert list(store.identities("kn-1")) == [(2, 4711)]
    assert store.count() == 1


@pytest.mark.parametrize("value", [0.0, -0.0, 5, 1e-5, 1.7e308, 5e-324, 123456789.123456789, -40])
def test_every_finite_number_survives(store: Store, value: float) -> None:
    store.write([point(air_temperature=value)])
    assert [row.value for row in rows(store)] == [float(value)]


def test_writing_twice_changes_nothing(store: Store) -> None:
    points = [point(n) for n in range(5)]
    store.write(points)
    store.write(points + points)
    assert [row.time_ms for row in rows(store)] == [p.time_ms for p in points]
    assert store.count() == 5
    assert sorted(store.identities("kn-1")) == [(1, n) for n in range(5)]


def test_the_same_key_merges_channels_and_the_last_value_wins(store: Store) -> None:
    store.write([point(air_temperature=1.0, battery=3.9)])
    store.write([point(air_temperature=2.0, relative_humidity=50.0)._replace(quality={"air_temperature": "Q step"})])
    assert rows(store) == [Value(T0, 2.0, "Q step", "kn-1")]
    assert rows(store, "battery") == [Value(T0, 3.9, "S", "kn-1")]
    assert rows(store, "relative_humidity") == [Value(T0, 50.0, "Z", "kn-1")]
    assert {one.channel: one.value for one in store.latest()} == {
        "air_temperature": 2.0,
        "battery": 3.9,
        "relative_humidity": 50.0,
    }
    assert store.count() == 1


def test_the_last_of_the_same_key_wins_within_one_batch(store: Store) -> None:
    store.write([point(air_temperature=1.0), point(air_temperature=2.0)])
    assert [row.value for row in rows(store)] == [2.0]
    assert [one.value for one in store.latest()] == [2.0]


def test_a_series_is_half_open_and_by_time(store: Store) -> None:
    store.write([point(n) for n in (4, 1, 3, 0, 2)])
    part = store.series("markt", "air_temperature", T0 + 60_000, T0 + 3 * 60_000)
    assert [row.time_ms for row in part] == [T0 + 60_000, T0 + 2 * 60_000]
    assert list(store.series("markt", "air_temperature", T0, T0)) == []
    assert len(list(store.series("markt", "air_temperature", -(2**80), 2**80))) == 5


def test_whole_points_come_back_as_they_were_written(store: Store) -> None:
    judged = {"air_temperature": "X range spike", "battery": "S"}
    written = [
        Point("markt", "a", T0, {"air_temperature": 0.1 + 0.2, "battery": 3.9}, judged, 2, 4711),
        Point("markt", "b", T0, {"air_temperature": -5.0}, {"air_temperature": "C"}),
        Point("markt", "a", T0 + 1, {"soil_moisture@30cm": 22.0}, {"soil_moisture@30cm": "Z"}, 2, 4712),
        Point("markt", "a", T0 + 60_000, {"air_temperature": 5}, {"air_temperature": "S"}, 0, 0),
    ]
    elsewhere = Point("altstadt", "a", T0, {"air_temperature": 1.0}, {"air_temperature": "S"}, 9, 9)
    store.write([*written, elsewhere])
    by_place = sorted(store.points("markt", T0, END), key=lambda p: (p.time_ms, p.device))
    assert by_place == written
    assert [p.time_ms for p in store.points("markt", T0, END)] == sorted(p.time_ms for p in written)


def test_points_are_half_open_and_of_the_channels_asked_for(store: Store) -> None:
    store.write([point(n, air_temperature=float(n), battery=3.0 + n) for n in (2, 0, 1)])
    store.write([point(5, battery=1.0)])
    some = list(store.points("markt", T0, T0 + 2 * 60_000, ["air_temperature"]))
    assert [(p.values, p.seq) for p in some] == [({"air_temperature": 0.0}, 0), ({"air_temperature": 1.0}, 1)]
    assert len(list(store.points("markt", -(2**80), 2**80))) == 4
    assert len(list(store.points("markt", T0, END, ["battery", "co2"]))) == 4
    assert list(store.points("markt", T0, END, ["co2"])) == []
    assert list(store.points("markt", T0, END, [])) == []
    assert list(store.points("nowhere", T0, END)) == []
    with pytest.raises(ChannelError):
        store.points("markt", T0, END, ['battery" FROM x; DROP'])


def test_points_of_more_than_one_page(store: Store) -> None:
    store.write([point(n, air_temperature=float(n), battery=float(-n)) for n in range(9000)])
    found = list(store.points("markt", T0, END))
    assert [(p.seq, p.values["air_temperature"], p.values["battery"]) for p in found] == [
        (n, float(n), float(-n)) for n in range(9000)
    ]


def test_times_before_1970_and_milliseconds_are_kept(store: Store) -> None:
    times = [-2_208_988_800_000, -1, 0, T0 + 1]
    store.write([point()._replace(time_ms=time_ms) for time_ms in times])
    found = [row.time_ms for row in store.series("markt", "air_temperature", -(10**13), END)]
    assert found == times
    store.delete([PointKey("markt", "kn-1", -1), PointKey("markt", "kn-1", T0 + 1)])
    assert [row.time_ms for row in store.series("markt", "air_temperature", -(10**13), END)] == [times[0], 0]


def test_two_devices_of_one_station_at_one_time_are_two_values(store: Store) -> None:
    store.write([point(0, device="a", air_temperature=1.0), point(0, device="b", air_temperature=2.0), point(1)])
    assert sorted((row.device, row.value) for row in rows(store)) == [("a", 1.0), ("b", 2.0), ("kn-1", 21.0)]
    assert [row.time_ms for row in rows(store)] == [T0, T0, T0 + 60_000]


def test_stations_do_not_mix(store: Store) -> None:
    store.write([point(0), point(1, station="ufer", air_temperature=9.0)])
    assert [row.value for row in rows(store)] == [20.0]
    assert rows(store, station="ufer") == [Value(T0 + 60_000, 9.0, "S", "kn-1")]
    assert store.channels("nowhere") == []
    assert sorted(store.identities("kn-1")) == [(1, 0), (1, 1)]


DAYS = [Run(T0, T0 + 600_000, 300_000), Run(T0 + 600_000, T0 + 1_320_000, 720_000)]  # 5, 5 and 12 minutes


def summed(store: Store, names: tuple[str, ...] = ("sum", "min", "max"), stations: tuple[str, ...] = ("ufer", "markt")):
    """station, start in minutes, sum, min, max, used, flagged; what comes as values is put together here."""
    found = []
    for one in store.summed(stations, "air_temperature", DAYS, names, "XB"):
        figures, used, flagged = one.figures, one.used, one.flagged
        if one.values is not None:
            good = [value.value for value in one.values if value.quality[0] not in "XB"]
            figures = tuple(COMBINE[name](good) for name in names) if good else (None,) * len(names)
            used, flagged = len(good), len(one.values) - len(good)
        found.append((one.station, (one.start_ms - T0) // 60_000, *figures, used, flagged))
    return found


COMBINE = {"sum": sum, "min": min, "max": max}


def test_intervals_are_summed_up_without_what_is_flagged(store: Store) -> None:
    flagged = {"air_temperature": "X range"}
    store.write([point(n, air_temperature=float(n)) for n in range(-2, 30)])
    store.write([point(2, device="b", air_temperature=50.0), point(3, device="b", air_temperature=-50.0)])
    store.write([point(n, air_temperature=500.0)._replace(quality=flagged) for n in (6, 7)])
    store.write([point(n, station="ufer", air_temperature=9.0)._replace(quality=flagged) for n in (1, 12, 40)])
    store.write([point(13, station="ufer", air_temperature=1.5), point(14, station="ufer", battery=3.9)])
    assert summed(store) == [
        ("ufer", 0, None, None, None, 0, 1),
        ("ufer", 10, 1.5, 1.5, 1.5, 1, 1),
        ("markt", 0, 10.0, -50.0, 50.0, 7, 0),
        ("markt", 5, 22.0, 5.0, 9.0, 3, 2),
        ("markt", 10, sum(range(10, 22)), 10.0, 21.0, 12, 0),
    ]
    assert summed(store, ("max",), ("nowhere",)) == []
    store.write([point(n, air_temperature=1.0)._replace(quality={"air_temperature": "G"}) for n in (6, 7)])
    assert summed(store, ("sum",), ("markt",))[1] == ("markt", 5, 24.0, 5, 0)
    with pytest.raises(ChannelError):
        list(store.summed(["markt"], 'x" or true) //', DAYS, ("sum",), "XB"))


def test_many_stations_are_summed_up_as_few(store: Store) -> None:
    names = tuple(f"s{n}" for n in range(60))
    bad = {"air_temperature": "B"}
    store.write([point(n, station=name, air_temperature=n + 0.25) for name in names for n in range(22)])
    store.write([point(n, station="s7", air_temperature=1e5)._replace(quality=bad) for n in (0, 11)])
    found = summed(store, stations=names)
    assert found == [row for name in names for row in summed(store, stations=(name,))]
    assert len(found) == 180
    assert found[21][1:] == (0, 1.25 + 2.25 + 3.25 + 4.25, 1.25, 4.25, 4, 1)


def test_before_is_the_last_of_each_device_and_when_its_first_was(store: Store) -> None:
    store.write([point(n, device="a", energy_total=float(n)) for n in (1, 2, 5)])
    store.write([point(n, device="b", energy_total=100.0 + n) for n in (0, 1)])
    store.write([point(1, device="c", battery=3.9), point(1, station="ufer", energy_total=7.0)])

    def before(minute: int) -> list[Before]:
        found = store.before("markt", "energy_total", T0 + 60_000 * minute)
        return sorted(found, key=lambda one: one.last.device)

    first_a, first_b = T0 + 60_000, T0
    last_b = Before(first_b, Value(T0 + 60_000, 101.0, "S", "b"))
    assert before(0) == []
    assert before(1) == [Before(first_b, Value(T0, 100.0, "S", "b"))]
    assert before(5) == [Before(first_a, Value(T0 + 120_000, 2.0, "S", "a")), last_b]
    assert before(10**6) == [Before(first_a, Value(T0 + 300_000, 5.0, "S", "a")), last_b]
    assert len(store.before("markt", "energy_total", 2**80)) == 2
    assert store.before("markt", "energy_total", -(2**80)) == []
    assert store.before("nowhere", "energy_total", END) == []
    with pytest.raises(ChannelError):
        store.before("markt", 'energy_total" FROM x; DROP', END)


def test_before_passes_over_the_letters_named(store: Store) -> None:
    judged = ["X range", "S", "Q X", "B", "X range spike"]
    store.write(
        [point(n, energy_total=float(n))._replace(quality={"energy_total": q}) for n, q in enumerate(judged)]
        + [point(0, device="bad", energy_total=1.0)._replace(quality={"energy_total": "X range"})]
        + [point(0, device="raw", energy_total=2.0)._replace(quality={})]
    )

    def before(without: str) -> set[tuple[str, int, float, str]]:
        found = store.before("markt", "energy_total", END, without)
        return {(one.last.device, (one.first_ms - T0) // 60_000, one.last.value, one.last.quality) for one in found}

    assert before("XB") == {("kn-1", 1, 2.0, "Q X"), ("raw", 0, 2.0, "Z")}
    assert before("X") == {("kn-1", 1, 3.0, "B"), ("raw", 0, 2.0, "Z")}
    assert before("") == {("kn-1", 0, 4.0, "X range spike"), ("bad", 0, 1.0, "X range"), ("raw", 0, 2.0, "Z")}


def test_names_that_query_languages_would_read(store: Store) -> None:
    for station in ("a.b-c_d", "OR", "1", "x" * 64):
        store.write([point(0, station=station)])
        assert rows(store, station=station) == [Value(T0, 20.0, "S", "kn-1")]
    assert rows(store, station="' OR 1=1 --") == []
    assert rows(store, station='" OR "a"="a') == []
    assert store.latest(["' OR 1=1 --"]) == []
    store.delete([PointKey('a.b-c_d" OR device="kn-1', "kn-1", T0)])
    assert store.count() == 4


def test_a_channel_that_is_none_is_refused_at_once(store: Store) -> None:
    for channel in ('air_temperature" FROM x; DROP', "generation", "seq", "tempo", "co2@Straße"):
        with pytest.raises(ChannelError):
            store.series("markt", channel, T0, END)


def test_latest_is_the_newest_of_every_channel(store: Store) -> None:
    store.write([point(0, battery=3.9), point(1), point(2, station="ufer"), point(0, station="hof", co2=420.0)])
    store.write([point(0, station="ufer", air_temperature=1.0)])  # late
    everything = {
        Latest("markt", "battery", T0, 3.9, "S", "kn-1"),
        Latest("markt", "air_temperature", T0 + 60_000, 21.0, "S", "kn-1"),
        Latest("ufer", "air_temperature", T0 + 120_000, 22.0, "S", "kn-1"),
        Latest("hof", "co2", T0, 420.0, "S", "kn-1"),
    }
    assert set(store.latest()) == everything
    assert set(store.latest(["ufer", "hof"])) == {one for one in everything if one.station != "markt"}


def test_latest_of_many_named_stations(store: Store) -> None:
    store.write([point(0, station=f"s{n}") for n in range(700)])
    assert {one.station for one in store.latest([f"s{n}" for n in range(650)])} == {f"s{n}" for n in range(650)}
    assert {one.station for one in store.latest([f"s{n}" for n in range(40)])} == {f"s{n}" for n in range(40)}


def test_latest_follows_the_newer_device_after_a_swap(store: Store) -> None:
    store.write([point(5, device="old"), point(6, device="new", air_temperature=7.0)])
    assert [(one.device, one.value) for one in store.latest()] == [("new", 7.0)]


def test_deleting_takes_the_point_and_nothing_else(store: Store) -> None:
    store.write([point(n, air_temperature=float(n), battery=4.0) for n in range(4)])
    store.write([point(3, device="b", battery=1.0), point(3, station="ufer")])
    store.delete([PointKey("markt", "kn-1", T0 + 3 * 60_000), PointKey("markt", "kn-1", T0 + 60_000)])
    assert [row.value for row in rows(store)] == [0.0, 2.0]
    assert [row.device for row in rows(store, "battery")] == ["kn-1", "kn-1", "b"]
    assert len(rows(store, station="ufer")) == 1
    assert Latest("markt", "air_temperature", T0 + 120_000, 2.0, "S", "kn-1") in store.latest()
    assert store.count() == 4


def test_a_better_time_deletes_and_writes(store: Store) -> None:
    store.write([point(1)])
    store.delete([PointKey("markt", "kn-1", T0 + 60_000)])
    store.write([point(1)._replace(time_ms=T0 + 59_000)])
    assert [row.time_ms for row in rows(store)] == [T0 + 59_000]
    assert [one.time_ms for one in store.latest()] == [T0 + 59_000]
    assert list(store.identities("kn-1")) == [(1, 1)]


def test_a_deleted_key_may_be_written_again(store: Store) -> None:
    for _ in range(2):
        store.write([point(0)])
        store.delete([PointKey("markt", "kn-1", T0)])
        assert rows(store) == []
        assert store.latest() == []
        assert store.count() == 0
        assert store.channels("markt") == []
    store.write([point(0)])
    assert len(rows(store)) == 1


def test_a_replay_of_everything_changes_nothing(store: Store) -> None:
    first = [point(n, battery=3.9, air_temperature=float(n)) for n in range(50)]
    store.write(first)
    seen = (rows(store), rows(store, "battery"), set(store.latest()), sorted(store.identities("kn-1")), store.count())
    for batch in (first, first[::-1], first[10:20], first[:1] * 3):
        store.write(batch)
    assert (
        rows(store),
        rows(store, "battery"),
        set(store.latest()),
        sorted(store.identities("kn-1")),
        store.count(),
    ) == seen


def test_a_corrected_time_may_go_either_way_and_leaves_its_neighbours(store: Store) -> None:
    store.write([point(n) for n in range(5)] + [point(2, device="b", air_temperature=-1.0)])
    for old, new in ((2, 7), (3, -4)):  # the new one first: were we to die in between, nothing would be lost
        store.write([point(old)._replace(time_ms=T0 + 60_000 * new)])
        store.delete([PointKey("markt", "kn-1", T0 + 60_000 * old)])
    found = list(store.series("markt", "air_temperature", T0 - 10**6, END))
    assert [((one.time_ms - T0) // 60_000, one.value, one.device) for one in found] == [
        (-4, 23.0, "kn-1"),
        (0, 20.0, "kn-1"),
        (1, 21.0, "kn-1"),
        (2, -1.0, "b"),
        (4, 24.0, "kn-1"),
        (7, 22.0, "kn-1"),
    ]
    assert [(one.time_ms - T0) // 60_000 for one in store.latest()] == [7]
    assert sorted(store.identities("kn-1")) == [(1, n) for n in range(5)]
    assert store.count() == 6
    before = {one.last.device: one for one in store.before("markt", "air_temperature", T0 + 60_000 * 4)}
    assert (before["kn-1"].first_ms, before["kn-1"].last.time_ms) == (T0 - 240_000, T0 + 60_000)


def test_late_and_out_of_order_is_stored_as_if_in_order(store: Store, reopen: Callable[[], Store]) -> None:
    points = [point(n, device=device, air_temperature=n + 0.5) for n in range(40) for device in ("a", "b")]
    order = sorted(points, key=lambda one: (one.seq or 0) * 7919 % 41)
    other = reopen()
    for n in range(0, len(order), 16):
        (store if n % 32 else other).write(order[n : n + 16])
    found = [(one.time_ms, one.device) for one in rows(store)]
    assert sorted(found) == [(p.time_ms, p.device) for p in points]
    assert [time_ms for time_ms, _ in found] == sorted(time_ms for time_ms, _ in found)
    assert [one.time_ms for one in store.latest()] == [T0 + 60_000 * 39]
    assert {
        one.last.device: (one.first_ms, one.last.value) for one in store.before("markt", "air_temperature", END)
    } == {
        "a": (T0, 39.5),
        "b": (T0, 39.5),
    }
    assert store.count() == 80
    other.close()


def test_what_is_older_is_forgotten_and_nothing_else(store: Store) -> None:
    store.write([point(n, air_temperature=float(n), battery=3.0) for n in range(10)])
    store.write([point(n, station="ufer", device="b", energy_total=float(n)) for n in range(4)])
    store.write([point(0, device="gone"), point(-5, station="past")])
    border = T0 + 60_000 * 3
    store.forget(border)
    assert [row.time_ms for row in store.series("markt", "air_temperature", -(10**15), END)] == [
        T0 + 60_000 * n for n in range(3, 10)
    ]
    assert [row.value for row in rows(store, "battery")] == [3.0] * 7
    assert {(one.station, one.channel): one.time_ms for one in store.latest()} == {
        ("markt", "air_temperature"): T0 + 60_000 * 9,
        ("markt", "battery"): T0 + 60_000 * 9,
        ("ufer", "energy_total"): border,
    }
    assert store.latest(["past"]) == []
    assert store.channels("past") == []
    assert sorted(store.identities("kn-1")) == [(1, n) for n in range(3, 10)]
    assert list(store.identities("gone")) == []
    assert store.occupants([("gone", 0, END)]) == {}
    assert store.count() == 7 + 1
    (before,) = store.before("markt", "battery", END)
    assert (before.first_ms, before.last.time_ms) == (border, T0 + 60_000 * 9)
    assert store.before("markt", "battery", border) == []
    store.write([point(1)])  # what comes later still is stored again
    assert [row.time_ms for row in rows(store)][:2] == [T0 + 60_000, border]
    assert store.before("markt", "air_temperature", END)[0].first_ms == T0 + 60_000


def test_forgetting_nothing_and_everything(store: Store) -> None:
    store.forget(END)
    store.write([point(n) for n in range(3)])
    for before_ms in (-(2**80), T0):
        store.forget(before_ms)
        assert store.count() == 3
    store.forget(2**80)
    assert (store.count(), store.latest(), rows(store)) == (0, [], [])
    assert store.before("markt", "air_temperature", END) == []
    store.write([point(0)])
    assert [one.time_ms for one in store.latest()] == [T0]


def test_the_count_is_of_points_not_of_values_or_identities(store: Store) -> None:
    store.write([point(0, air_temperature=1.0, battery=2.0, co2=3.0)])
    store.write([point(0, device="b"), point(0, station="ufer")])  # the same count and time elsewhere
    store.write([point(1)._replace(seq=0), point(2)._replace(generation=None, seq=None)])
    assert store.count() == 5
    store.write([point(1, battery=3.9)._replace(seq=None, generation=None)])
    assert store.count() == 5
    store.delete([PointKey("markt", "kn-1", T0), PointKey("markt", "nobody", T0)])
    assert store.count() == 4


def test_points_without_a_sequence_have_no_identity(store: Store) -> None:
    store.write([point(0)._replace(generation=None, seq=None), point(1)._replace(generation=None, seq=7)])
    assert list(store.identities("kn-1")) == [(0, 7)]
    assert store.count() == 2


def test_more_channels_of_a_reading_do_not_take_its_identity(store: Store) -> None:
    store.write([point(3)])
    store.write([point(3, battery=3.9)._replace(generation=None, seq=None)])
    assert list(store.identities("kn-1")) == [(1, 3)]


def test_identities_are_of_one_device(store: Store) -> None:
    store.write([point(n) for n in range(3)] + [point(n, device="kn-10") for n in range(5)])
    assert sorted(store.identities("kn-1")) == [(1, 0), (1, 1), (1, 2)]


def test_who_stands_where(store: Store) -> None:
    store.write(
        [
            Point("a", "kn-1", T0, {"co2": 1.0}, {}, 1, 7),
            Point("a", "kn-1", T0 + 1, {"co2": 1.0}, {}),
            Point("b", "kn-1", T0 + 5, {"battery": 3.9}, {}, None, 8),
            Point("a", "kn-2", T0, {"co2": 1.0}, {}, 2, 9),
        ]
    )
    assert store.occupants([("kn-1", T0, T0 + 4), ("kn-1", T0 + 5, T0 + 5), ("kn-3", 0, T0)]) == {
        ("kn-1", T0): (1, 7),
        ("kn-1", T0 + 1): None,
        ("kn-1", T0 + 5): (0, 8),
    }
    assert store.occupants([("kn-2", T0 + 1, T0 + 10**6)]) == {}
    assert store.occupants([]) == {}


def test_what_no_store_can_hold_is_named_and_the_rest_is_written(store: Store) -> None:
    bad = [
        point(1, air_temperature=float("nan")),
        point(2, air_temperature=1.0, battery=float("inf")),
        point(3, station="a b"),
        point(4, device="x\ny"),
        point(5, tempo=1.0),
        point(6)._replace(values={}),
        point(7)._replace(time_ms=2**62),
    ]
    with pytest.raises(PointsRejected) as caught:
        store.write([point(0), *bad, point(8)])
    assert list(caught.value.points) == bad
    assert "nan" in caught.value.reason
    assert [row.time_ms for row in rows(store)] == [T0, T0 + 8 * 60_000]


def test_more_than_a_page_or_a_chunk_streams_in_order(store: Store) -> None:
    n = 21_000
    store.write([point(k) for k in range(n)])
    assert [row.time_ms for row in store.series("markt", "air_temperature", T0, T0 + n * 60_000)] == [
        T0 + 60_000 * k for k in range(n)
    ]
    assert sum(1 for _ in store.identities("kn-1")) == n
    assert store.count() == n


def test_a_page_may_end_between_two_devices_of_one_time(store: Store) -> None:
    store.write([point(k, device=device) for k in range(3000) for device in ("a", "b", "c")])
    found = [(row.time_ms, row.device) for row in store.series("markt", "air_temperature", T0, T0 + 3000 * 60_000)]
    assert found == [(T0 + 60_000 * k, device) for k in range(3000) for device in ("a", "b", "c")]


def test_values_of_one_moment_come_by_device_whoever_was_stored_first(store: Store) -> None:
    devices = ["c", "a", "9", "b", "10", "Z"]
    for device in devices:
        store.write([point(k, device=device) for k in range(3000)])
    found = [(row.time_ms, row.device) for row in store.series("markt", "air_temperature", T0, T0 + 3000 * 60_000)]
    assert found == [(T0 + 60_000 * k, device) for k in range(3000) for device in sorted(devices)]


def test_a_stream_may_be_left_half_way_and_moved_between_threads(store: Store) -> None:
    store.write([point(k) for k in range(12_000)])
    stream = store.series("markt", "air_temperature", T0, END)
    first = next(stream)
    seen: list[Value] = []
    thread = threading.Thread(target=lambda: seen.append(next(stream)))
    thread.start()
    thread.join()
    assert (first.time_ms, seen[0].time_ms) == (T0, T0 + 60_000)
    store.write([point(12_000)])
    assert store.latest()[0].time_ms == T0 + 12_000 * 60_000


def test_another_process_sees_what_was_written(store: Store, reopen: Callable[[], Store]) -> None:
    store.write([point(0)])
    other = reopen()
    assert [row.value for row in rows(other)] == [20.0]
    other.write([point(1, battery=3.0), point(2, station="ufer")])
    assert {(one.station, one.channel) for one in store.latest()} == {
        ("markt", "air_temperature"),
        ("markt", "battery"),
        ("ufer", "air_temperature"),
    }
    other.close()


def test_several_writers_and_readers_at_once(store: Store, reopen: Callable[[], Store]) -> None:
    stores = [store, store, reopen(), reopen()]
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for n in range(15):
                stores[k].write([point(n, station=f"s{k}", device=f"d{k}"), point(n, station="shared", device=f"d{k}")])
                stores[k].latest()
                list(stores[k].series("shared", "air_temperature", T0, END))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.count() == 4 * 15 * 2
    assert len(rows(store, station="shared")) == 60
    for other in stores[2:]:
        other.close()


_points = st.lists(
    st.builds(
        lambda station, device, minute, channels, letter, seq: Point(
            station, device, T0 + 60_000 * minute, channels, dict.fromkeys(channels, letter), 1, seq
        ),
        st.sampled_from(["markt", "ufer"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 6),
        st.dictionaries(st.sampled_from(["air_temperature", "battery", "co2@hof"]), st.floats(-50, 50), min_size=1),
        st.sampled_from(["S", "X range", "Q step isolated"]),
        st.integers(0, 100),
    ),
    max_size=12,
)


@pytest.mark.timeout(120)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.tuples(_points, st.lists(st.integers(0, 6), max_size=2)), min_size=1, max_size=4))
def test_any_history_ends_as_in_a_dictionary(
    emptied: Callable[[], Store], batches: list[tuple[list[Point], list[int]]]
) -> None:
    store = emptied()
    model: dict[tuple[str, str, str, int], tuple[float, str]] = {}
    for points, minutes in batches:
        store.write(points)
        for p in points:
            for channel, value in p.values.items():
                model[p.station, channel, p.device, p.time_ms] = (value, p.quality[channel])
        keys = [PointKey("markt", "a", T0 + 60_000 * minute) for minute in minutes]
        store.delete(keys)
        for key in keys:
            for channel in ("air_temperature", "battery", "co2@hof"):
                model.pop((key.station, channel, key.device, key.time_ms), None)
    for station in ("markt", "ufer"):
        for channel in ("air_temperature", "battery", "co2@hof"):
            found = {(row.device, row.time_ms): (row.value, row.quality) for row in rows(store, channel, station)}
            assert found == {k[2:]: v for k, v in model.items() if k[:2] == (station, channel)}
            good = [
                row for row in rows(store, channel, station) if row.time_ms < T0 + 240_000 and row.quality[0] != "X"
            ]
            before = store.before(station, channel, T0 + 240_000, "X")
            assert {one.last.device: (one.first_ms, one.last) for one in before} == {
                device: (min(row.time_ms for row in good if row.device == device), last)
                for device, last in {row.device: row for row in good}.items()
            }
            newest = max((k[3] for k in model if k[:2] == (station, channel)), default=None)
            latest = [x for x in store.latest([station]) if x.channel == channel]
            assert [x.time_ms for x in latest] == ([] if newest is None else [newest])
            for x in latest:
                assert (x.value, x.quality) == model[station, channel, x.device, x.time_ms]
    assert store.count() == len({(k[0], k[2], k[3]) for k in model})


@pytest.fixture
def emptied(store: Store) -> Callable[[], Store]:
    """The same store, emptied before each example."""

    def empty() -> Store:
        for station in ("markt", "ufer"):
            for device in ("a", "b"):
                store.delete([PointKey(station, device, T0 + 60_000 * minute) for minute in range(7)])
        return store

    return empty
