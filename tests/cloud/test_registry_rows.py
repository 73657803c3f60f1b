"""One answer for a whole file: every bad row with its line, whichever check it fails; columns that are not there."""

from pathlib import Path

import pytest

from cloud.registry import files, imports
from cloud.registry.files import FileRefused
from cloud.registry.registry import Registry, open_registry

NOW_MS = 1_795_000_000_000
STATIONS = b"station,name,latitude,longitude\nmarkt,Markt,51.48,11.97\nneustadt,Neustadt,51.48,11.92\n"
FULL = b"""station,name,latitude,longitude,elevation_m,height_m,shield,lcz,district,timezone,private
markt,Markt,51.48,11.97,90,2,Young,LCZ 2,Altstadt,UTC,yes
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path / 'registry.db'}", lambda: NOW_MS)


def refused(take: object, registry: Registry, data: bytes) -> list[tuple[int, str]]:
    assert callable(take)
    revision = registry.revision()
    with pytest.raises(FileRefused) as caught:
        take(registry, data)
    assert registry.revision() == revision
    return [(row.line, row.reason) for row in caught.value.rows]


def named(rows: list[tuple[int, str]], expected: list[tuple[int, str]]) -> None:
    """Exactly these lines, each with these words."""
    assert [line for line, _ in rows] == [line for line, _ in expected], rows
    for (_, reason), (line, words) in zip(rows, expected, strict=True):
        assert words in reason, (line, reason)


def test_a_column_that_is_not_in_the_file_changes_nothing(registry: Registry) -> None:
    imports.import_stations(registry, FULL)
    before = registry.station("markt")
    assert before is not None
    done = imports.import_stations(registry, b"station,name,latitude,longitude\nmarkt,Am Markt,51.48,11.97\n")
    after = registry.station("markt")
    assert after == before.model_copy(update={"name": "Am Markt"})
    assert (done, after.private, after.timezone, after.height_m) == (imports.Imported(0, 1, 0), True, "UTC", 2.0)


def test_an_empty_cell_clears(registry: Registry) -> None:
    imports.import_stations(registry, FULL)
    header = FULL.splitlines()[0]
    imports.import_stations(registry, header + b"\nmarkt,Markt,51.48,11.97,,,,,,,\n")
    station = registry.station("markt")
    assert station is not None
    assert station.model_dump(exclude={"station", "name", "latitude", "longitude"}) == {
        "elevation_m": None, "height_m": None, "shield": None, "lcz": None, "district": None,
        "timezone": "Europe/Berlin", "private": False,
    }  # fmt: skip


def test_cells_that_a_short_row_does_not_have_change_nothing(registry: Registry) -> None:
    imports.import_stations(registry, FULL)
    header = FULL.splitlines()[0]
    assert imports.import_stations(registry, header + b"\nmarkt,Markt,51.48,11.97\n").unchanged == 1
    assert refused(imports.import_stations, registry, header + b"\nneu,Neu,51.48\n") == [(2, "longitude is empty")]


def test_moving_a_device_does_not_change_what_it_is(registry: Registry) -> None:
    imports.import_stations(registry, STATIONS)
    imports.import_devices(
        registry, b"device,station,activation,dev_eui,codec\nlst,markt,otaa,a84041ffff1ec1f5,dragino/lse01\n"
    )
    before = registry.by_name("lst")
    assert imports.import_devices(registry, b"device,station\nlst,neustadt\n") == imports.Imported(0, 0, 1)
    assert registry.by_name("lst") == before
    assert registry.snapshot().whereabouts.station("lst", NOW_MS + 1) == "neustadt"
    imports.import_devices(registry, b"device,codec\nlst,\n")
    device = registry.by_name("lst")
    assert device is not None
    assert (device.codec, device.activation) == ("klimanetz", "otaa")


def test_an_empty_cell_does_not_erase_a_key(registry: Registry) -> None:
    keys = "00112233445566778899aabbccddeeff"
    header = "device,activation,dev_eui,join_eui,app_key,codec\n"
    imports.import_devices(registry, f"{header}a,otaa,70b3d57ed0000001,70b3d57ed0000000,{keys},\n".encode())
    before = registry.by_name("a")
    assert imports.import_devices(registry, f"{header}a,otaa,70b3d57ed0000001,,,\n".encode()).unchanged == 1
    assert registry.by_name("a") == before


def test_a_session_need_not_be_said_again(registry: Registry) -> None:
    keys = "00112233445566778899aabbccddeeff"
    full = f"device,activation,dev_addr,nwk_skey,app_skey\nabp-1,abp,260b0001,{keys},{keys}\n"
    imports.import_devices(registry, full.encode())
    assert imports.import_devices(registry, b"device,codec\nabp-1,senml\n") == imports.Imported(0, 1, 0)
    device = registry.by_name("abp-1")
    assert device is not None
    assert (device.activation, device.dev_addr, device.nwk_skey) == ("abp", "260b0001", keys)


def test_stations_of_every_kind_of_mistake_in_one_answer(registry: Registry) -> None:
    data = b"""
station,name,latitude,longitude,elevation_m,private

x y,X,1,2,,
b,"two
lines",91,2,,
c,C,1,2,,,,
d,\xe4,1,2,,
e,E,north,east,,maybe
f,F,1,2,"1,234",
good,G,1,2,,
good,G,1,2,,
g,G\0,1,2,,
h,"H"h,1,2,,
i,,1,2,,
k,K,1,2,1_0,
l,L,1,2,"12,5",
"""
    named(
        refused(imports.import_stations, registry, data),
        [
            (4, "station: 'x y'"),
            (5, "latitude: '91' is more than 90"),
            (7, "8 cells under 6 columns"),
            (8, "not UTF-8; save the file as 'CSV UTF-8'"),
            (9, "latitude is 'north', not a number; longitude is 'east', not a number; private is 'maybe'"),
            (10, "elevation_m is '1,234': write 1234 or 1.234"),
            (12, "'good' is already on line 11"),
            (13, "a NUL stands in it"),
            (14, "not CSV"),
            (15, "name is empty"),
            (16, "elevation_m is '1_0', not a number"),
        ],
    )


def test_devices_of_every_kind_of_mistake_in_one_answer(registry: Registry) -> None:
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, b"device,dev_eui\nold,70b3d57ed0000009\n")
    data = b"""device,station,activation,dev_eui
a,nowhere,mqtt,
b,nowhere,otaa,70b3
c,markt,zigbee,
d,markt,mqtt,70b3d57ed0000001
e,markt,mqtt,70b3d57ed0000001
f,markt,mqtt,70b3d57ed0000009
g,markt,mqtt,,,
h,markt,otaa,
"""
    named(
        refused(imports.import_devices, registry, data),
        [
            (2, "station 'nowhere' is not registered"),
            (3, "dev_eui is '70b3'; it has 16 hexadecimal digits; station 'nowhere' is not registered"),
            (4, "activation: 'zigbee' is not one of otaa, abp, mqtt"),
            (6, "dev_eui 70b3d57ed0000001 is already on line 5"),
            (7, "dev_eui 70b3d57ed0000009 already belongs to device 'old'"),
            (8, "6 cells under 4 columns"),
            (9, "activation otaa needs dev_eui"),
        ],
    )


def test_deployments_of_every_kind_of_mistake_in_one_answer(registry: Registry) -> None:
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, b"device\nkn-1\nkn-2\n")
    imports.import_deployments(registry, b"station,device,from,to\nmarkt,kn-2,2026-01-01,2026-03-01\n")
    data = b"""station,device,from,to,height_m
nowhere,kn-1,2026-01-01,2026-01-02,
markt,gone,soon,2026-01-02,
markt,kn-1,2026-13-01,,high
markt,kn-1,2026-02-01,2026-02-10,
neustadt,kn-1,2026-02-09,2026-02-20,
markt,kn-1,2026-04-02,2026-04-01,
markt,kn-2,2026-02-01,2026-02-02,
markt,kn-1,2026-05-01,2026-05-02,1,2
markt,kn-1,2026-06-01,2026-06-02,
neustadt,kn-1,2026-06-01T00:00:00+02:00,2026-06-02,
markt,,2026-06-01,,
markt,kn-1,0001-01-01,2025-01-01,
markt,kn-1,2027-01-01,9999-01-01,
markt,kn-1,2026-W01-1,2026-01-09,
"""
    named(
        refused(imports.import_deployments, registry, data),
        [
            (2, "station 'nowhere' is not registered"),
            (3, "device 'gone' is not registered; import devices first; `from` and `to` are dates or RFC 3339 times"),
            (4, "height_m is 'high', not a number; `from` and `to` are dates"),
            (5, "'kn-1' is at 'neustadt' at that time"),
            (6, "'kn-1' is at 'markt' at that time"),
            (7, "`to` is not after `from`"),
            (8, "'kn-2' is at 'markt' at that time"),
            (9, "6 cells under 5 columns"),
            (11, "'kn-1 from 2026-05-31T22:00:00Z' is already on line 10"),
            (12, "device is empty"),
            (13, "years 1900 to 2100"),
            (14, "years 1900 to 2100"),
            (15, "`from` and `to` are dates"),
        ],
    )


def test_a_file_of_many_stays_of_one_device_is_quick(registry: Registry) -> None:
    """Comparing every stay with every other took minutes."""
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, b"device\nkn-1\n")
    days = [f"markt,kn-1,{1950 + n // 300}-{n // 25 % 12 + 1:02}-{n % 25 + 1:02}T00:00:00Z," for n in range(5000)]
    ends = [f"{row}{row.split(',')[2].replace('T00', 'T23')}" for row in days]
    data = "\n".join(["station,device,from,to", *ends]).encode()
    assert imports.import_deployments(registry, data).added == 5000


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\r\n\n  \n"])
def test_an_empty_file_is_called_empty(registry: Registry, data: bytes) -> None:
    assert refused(imports.import_stations, registry, data) == [(1, "the file is empty")]


def test_blank_lines_before_the_header(registry: Registry) -> None:
    assert imports.import_stations(registry, b"\r\n;;;\r\nstation;name;latitude;longitude\r\na;A;1,5;2\r\n").added == 1
    station = registry.station("a")
    assert station is not None
    assert station.latitude == 1.5
    assert refused(imports.import_stations, registry, b"\n\nstation,name\na,A\n")[0][0] == 3


def test_all_that_is_wrong_with_a_header(registry: Registry) -> None:
    ((line, reason),) = refused(imports.import_stations, registry, b"station,name,name,latitude,hight\n")
    assert line == 1
    for words in ("missing column: longitude", "unknown column: hight", "doubled column: name", "the columns are"):
        assert words in reason


def test_a_file_of_another_encoding(registry: Registry) -> None:
    """Excel's 'Unicode text' is UTF-16."""
    assert refused(imports.import_stations, registry, STATIONS.decode().encode("utf-16"))[0] == (
        1, "not UTF-8; save the file as 'CSV UTF-8'",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [("name", "x" * 201, "200"), ("lcz", "x" * 21, "20"), ("shield", "x" * 101, "100"), ("district", "x" * 201, "200")],
)
def test_texts_fit_the_database(registry: Registry, column: str, text: str, says: str) -> None:
    """PostgreSQL refuses longer ones, and SQLite takes them."""
    row = {"station": "a", "name": "A", "latitude": "1", "longitude": "2", column: text}
    data = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    ((line, reason),) = refused(imports.import_stations, registry, data.encode())
    assert (line, reason) == (2, f"{column} has {len(text)} characters; at most {says} fit")


def test_files_are_parsed_without_a_database() -> None:
    parsed = files.devices(b"device,dev_eui\na,70b3d57ed0000001\nb,70B3D57ED0000001\n", {})
    assert [(row.line, row.bad) for row in parsed] == [
        (2, []), (3, ["dev_eui 70b3d57ed0000001 is already on line 2"]),
    ]  # fmt: skip
