"""What the registry exports, an import takes: unchanged where it came from, and the same registry in an empty one."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.registry import exports, imports
from cloud.registry.deployments import Whereabouts
from cloud.registry.files import DEPLOYMENT_COLUMNS, DEVICE_COLUMNS, STATION_COLUMNS, FileRefused
from cloud.registry.registry import Registry, open_registry
from schemas.models import utc_text_ms

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
STATIONS = b"station,name,latitude,longitude\nmarkt,Markt,51.48,11.97\nneustadt,Neustadt,51.48,11.92\n"
DEVICES = b"device,station,activation\nkn-1,markt,mqtt\n"


class Clock:
    def __init__(self, ms: int = NOW_MS) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Registry:
    registry = open_registry(f"sqlite:///{tmp_path / 'registry.db'}", clock)
    imports.import_stations(registry, STATIONS)
    return registry


def exported(registry: Registry) -> list[str]:
    files = [exports.stations_csv(registry), exports.devices_csv(registry, with_keys=True)]
    return [*files, exports.deployments_csv(registry)]


def take(registry: Registry, texts: list[str]) -> list[imports.Imported]:
    takes = (imports.import_stations, imports.import_devices, imports.import_deployments)
    return [take(registry, text.encode()) for take, text in zip(takes, texts, strict=True)]


def test_an_assumed_start_stays_assumed(registry: Registry, clock: Clock) -> None:
    imports.import_devices(registry, DEVICES)
    text = exports.deployments_csv(registry)
    assert text == "station,device,from,to,height_m,note\nmarkt,kn-1,,,,\n"
    before, revision = registry.stays(), registry.revision()
    clock.ms += 1000
    assert imports.import_deployments(registry, text.encode()) == imports.Imported(0, 0, 1)
    assert (registry.stays(), registry.revision()) == (before, revision)
    assert registry.snapshot().whereabouts.station("kn-1", NOW_MS - 365 * DAY_MS) == "markt"


def test_an_assumed_start_gives_way_to_a_known_one(registry: Registry) -> None:
    imports.import_devices(registry, DEVICES)
    imports.import_deployments(registry, b"station,device,from\nmarkt,kn-1,2026-01-01\n")
    assert [stay.assumed_start for stay in registry.stays()] == [False]


def test_the_first_stay_may_have_an_end_and_no_start(registry: Registry, clock: Clock) -> None:
    clock.ms = NOW_MS + 400 * DAY_MS
    imports.import_devices(registry, DEVICES)  # stands at `markt` from now on, as far as this file knows
    swap = b"station,device,from,to\nneustadt,kn-1,,2026-06-01T00:00:00Z\nmarkt,kn-1,2026-06-01T00:00:00Z,\n"
    assert imports.import_deployments(registry, swap) == imports.Imported(2, 0, 0)
    assert imports.import_deployments(registry, swap) == imports.Imported(0, 0, 2)
    where = registry.snapshot().whereabouts
    assert [where.station("kn-1", ms) for ms in (0, 1_780_272_000_000 - 1, 1_780_272_000_000)] == [
        "neustadt", "neustadt", "markt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "line", "says"),
    [
        (["markt,kn-1,,"], 2, "'kn-1' is at 'neustadt' at that time"),
        (["markt,kn-1,,2026-03-01"], 2, "'kn-1' is at 'neustadt' at that time"),
        (["markt,kn-1,,2025-01-01", "neustadt,kn-1,,2025-01-02"], 3, "'kn-1 from (empty)' is already on line 2"),
        (["markt,kn-1,9999-12-31T23:59:59-14:00,"], 2, "are dates or RFC 3339 times"),
        (["markt,kn-1,2025-01-01,0001-01-01"], 2, "are dates or RFC 3339 times"),
    ],
)
def test_a_stay_without_a_start_is_the_first(registry: Registry, rows: list[str], line: int, says: str) -> None:
    imports.import_devices(registry, b"device\nkn-1\n")
    imports.import_deployments(registry, b"station,device,from\nneustadt,kn-1,2026-01-01\n")
    with pytest.raises(FileRefused) as caught:
        imports.import_deployments(registry, "\n".join(["station,device,from,to", *rows]).encode())
    assert (caught.value.rows[0].line, says in caught.value.rows[0].reason) == (line, True), caught.value


def test_a_move_leaves_what_is_planned(registry: Registry) -> None:
    """A stay may have its end already, and the next one may be known."""
    imports.import_devices(registry, b"device\nkn-1\n")
    first, second = utc_text_ms(NOW_MS + DAY_MS), utc_text_ms(NOW_MS + 2 * DAY_MS)
    plan = f"station,device,from,to\nmarkt,kn-1,2026-01-01,{first}\nneustadt,kn-1,{second},\n"
    imports.import_deployments(registry, plan.encode())
    assert imports.import_devices(registry, exports.devices_csv(registry, with_keys=False).encode()).unchanged == 1
    assert len(registry.stays()) == 2, "it stands there already"
    imports.import_devices(registry, b"device,station\nkn-1,neustadt\n")
    where = registry.snapshot().whereabouts
    assert [where.station("kn-1", NOW_MS + n) for n in (-1, 0, DAY_MS, 2 * DAY_MS)] == ["markt"] + ["neustadt"] * 3
    assert [stay.until_ms for stay in registry.stays()] == [NOW_MS, NOW_MS + 2 * DAY_MS, None]


def test_an_abp_device_without_its_keys(registry: Registry) -> None:
    """The export has none; they are not erased, and not missed where they are known."""
    keys = "00112233445566778899aabbccddeeff"
    full = f"device,activation,dev_addr,nwk_skey,app_skey\nabp-1,abp,260b0001,{keys},{keys}\n"
    imports.import_devices(registry, full.encode())
    without = exports.devices_csv(registry, with_keys=False)
    assert keys not in without
    assert imports.import_devices(registry, without.encode()) == imports.Imported(0, 0, 1)
    with pytest.raises(FileRefused, match="line 2: activation abp needs dev_addr, nwk_skey and app_skey together"):
        imports.import_devices(registry, without.replace("abp-1", "abp-2").encode())
    assert registry.by_name("abp-2") is None
    for some in (f"abp-1,abp,260b0001,{keys},", f"abp-1,abp,,{keys},{keys}", "abp-1,abp,,,"):
        with pytest.raises(FileRefused, match="activation abp needs"):
            imports.import_devices(registry, f"device,activation,dev_addr,nwk_skey,app_skey\n{some}\n".encode())


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).map(str.strip)
NUMBERS = st.floats(-100, 1000).map(lambda x: x + 0.0)
HEX = {"dev_eui": 16, "join_eui": 16, "app_key": 32, "dev_addr": 8, "nwk_skey": 32, "app_skey": 32}


@st.composite
def registries(draw: Any) -> list[str]:
    """Three files, as people might write them."""
    stations = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    devices = draw(st.lists(NAMES, max_size=4, unique=True))
    station_rows = [
        {"station": s, "name": draw(TEXTS.filter(bool)), "latitude": draw(st.floats(-90, 90)),
         "longitude": draw(st.floats(-180, 180)), "elevation_m": draw(NUMBERS), "height_m": draw(st.none() | NUMBERS),
         "district": draw(TEXTS), "timezone": draw(st.sampled_from(["", "UTC", "Australia/Lord_Howe"])),
         "private": draw(st.sampled_from(["", "yes", "nein"]))}
        for s in stations
    ]  # fmt: skip
    device_rows, stays = [], []
    for n, device in enumerate(devices):
        kinds = [("mqtt", ()), ("mqtt", ("dev_eui",)), ("otaa", ("dev_eui",)), ("abp", ("dev_eui",))]
        kinds += [("otaa", ("dev_eui", "join_eui", "app_key")), ("abp", ("dev_addr", "nwk_skey", "app_skey"))]
        activation, given_keys = draw(st.sampled_from(kinds))
        station = draw(st.sampled_from([*stations, ""]))
        device_rows.append({"device": device, "station": station, "activation": activation,
                            **{key: f"{n:0{HEX[key]}X}" for key in given_keys}})  # fmt: skip
        stays += draw(plans(device, stations))
    rows = (station_rows, device_rows, stays)
    columns = (STATION_COLUMNS, DEVICE_COLUMNS, DEPLOYMENT_COLUMNS)
    return [written(c, r) for c, r in zip(columns, rows, strict=True)]


@st.composite
def plans(draw: Any, device: str, stations: list[str]) -> list[dict[str, Any]]:
    """Stays of one device that do not overlap, around now; the first may have no start, the last no end."""
    times = st.integers(NOW_MS - 3 * DAY_MS, NOW_MS + 3 * DAY_MS)
    borders = sorted(draw(st.lists(times, max_size=6, unique=True).filter(lambda x: len(x) % 2 == 0)))
    rows = [
        {"station": draw(st.sampled_from(stations)), "device": device, "from": utc_text_ms(a), "to": utc_text_ms(b),
         "height_m": draw(st.none() | NUMBERS), "note": draw(TEXTS)}
        for a, b in zip(borders[::2], borders[1::2], strict=True)
    ]  # fmt: skip
    if rows and draw(st.booleans()):
        rows[0]["from"] = ""
    if rows and draw(st.booleans()):
        rows[-1]["to"] = ""
    return rows


def written(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(registries(), st.integers(0, 5 * DAY_MS))
def test_there_and_back(texts: list[str], later_ms: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = open_registry(f"sqlite:///{folder}/1.db", Clock())
        second = open_registry(f"sqlite:///{folder}/2.db", Clock())
        take(first, texts)
        files = exported(first)
        for registry in (first, second):
            take(registry, files)
            assert exported(registry) == files
            revision = registry.revision()
            assert all((done.added, done.changed) == (0, 0) for done in take(registry, files))
            assert registry.revision() == revision
        assert later(first, later_ms) == later(second, later_ms)
        for registry in (first, second):
            registry.engine.dispose()


def later(registry: Registry, later_ms: int) -> list[str | None]:
    """Where every device is at moments before and after now."""
    where = Whereabouts(registry.stays())
    moments = [NOW_MS + sign * (later_ms + n) for n in (0, 1) for sign in (-1, 1)] + [0, 2**42]
    return [where.station(device, ms) for device in registry.snapshot().devices for ms in moments]
