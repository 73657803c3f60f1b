"""Registry files: idempotent, all or nothing, every bad row named."""

from pathlib import Path

import pytest

from cloud.registry import imports
from cloud.registry.files import FileRefused
from cloud.registry.registry import Registry, open_registry

STATIONS = b"station,name,latitude,longitude\nmarktplatz,Marktplatz,51.4828,11.9697\nneustadt,Neustadt,51.48,11.92\n"
DEVICES = b"""device,station,activation,dev_eui,join_eui,app_key,dev_addr,nwk_skey,app_skey,codec
kn-1,marktplatz,otaa,70B3D57ED0000001,70b3d57ed0000000,00112233445566778899aabbccddeeff,,,,klimanetz
kn-2,neustadt,mqtt,,,,,,,
lst,neustadt,otaa,a8:40:41:87:d1:87:10:6e,,,,,,dragino/lse01
"""
NOW_MS = 1_795_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Registry:
    return open_registry(f"sqlite:///{tmp_path / 'registry.db'}", clock)


def reasons(refused: FileRefused) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in refused.rows]


def test_files_come_in_once(registry: Registry) -> None:
    assert imports.import_stations(registry, STATIONS) == imports.Imported(2, 0, 0)
    assert imports.import_devices(registry, DEVICES) == imports.Imported(3, 0, 0)
    revision = registry.revision()
    assert imports.import_stations(registry, STATIONS) == imports.Imported(0, 0, 2)
    assert imports.import_devices(registry, DEVICES) == imports.Imported(0, 0, 3)
    assert registry.revision() == revision, "nothing changed, so nobody has to look again"
    device = registry.by_dev_eui("a8404187d187106e")
    assert device is not None
    assert (device.device, device.codec) == ("lst", "dragino/lse01")


def test_other_people_s_spreadsheets(registry: Registry) -> None:
    """A byte order mark, semicolons, decimal commas, Windows line ends, an empty last line."""
    german = "\ufeffstation;name;latitude;longitude\r\nmarktplatz;Markt; 51,4828;11,9697\r\n;;;\r\n".encode()
    assert imports.import_stations(registry, german).added == 1
    station = registry.station("marktplatz")
    assert station is not None
    assert (station.latitude, station.longitude) == (51.4828, 11.9697)


def test_every_bad_row_is_named_and_nothing_is_taken(registry: Registry) -> None:
    imports.import_stations(registry, STATIONS)
    bad = b"""device,station,activation,dev_eui,app_key,join_eui,codec
good,marktplatz,mqtt,,,,
a b,marktplatz,mqtt,,,,
c,nowhere,mqtt,,,,
d,marktplatz,otaa,,,,
e,marktplatz,otaa,70b3,,,
f,marktplatz,zigbee,,,,
g,marktplatz,mqtt,,,,morse
good,marktplatz,mqtt,,,,
"""
    with pytest.raises(FileRefused) as caught:
        imports.import_devices(registry, bad)
    lines = [line for line, _ in reasons(caught.value)]
    assert lines == [3, 4, 5, 6, 7, 8, 9]
    assert registry.snapshot().devices == {}


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        (b"\n", 1, "the file is empty"),
        (b"station,name,latitude,longitude,hight_m\n", 1, "unknown column: hight_m"),
        (b"station,name,latitude,longitude,name\n", 1, "doubled column: name"),
        (b"station,name,latitude,longitude\nx,X,91,0\n", 2, "latitude"),
        (b"station,name,latitude,longitude\nx,X,north,0\n", 2, "latitude is 'north', not a number"),
        (b"station,name,latitude,longitude\nx,X,nan,0\n", 2, "latitude"),
        (b"station,name,latitude,longitude\n\xe4,X,1,0\n", 2, "not UTF-8"),
        (b"station,name,latitude,longitude\nx,X,1,2,3,4\n", 2, "6 cells under 4 columns"),
        (b'station,name,latitude,longitude\nx,"X,1,2\n', 2, "not CSV"),
        (b"station,name,latitude,longitude,timezone\nx,X,1,2,Europe/Halle\n", 2, "timezone 'Europe/Halle'"),
        (b"station,name,latitude,longitude,timezone\nx,X,1,2,Factory\n", 2, "timezone 'Factory' is not a time zone"),
        (b"station,name,latitude,longitude,timezone\nx,X,1,2,localtime\n", 2, "timezone 'localtime'"),
        (b"station,name,latitude,longitude,height_m\nx,X,1,2,inf\n", 2, "height_m is 'inf', not a number"),
        (b"station,name,latitude,longitude\na,A,1,2\nx,X\0,1,2\n", 3, "a NUL stands in it"),
        (b"station,name,latitude,longitude,private\nx,X,1,2,maybe\n", 2, "private is 'maybe'"),
    ],
)
def test_a_bad_station_file_says_where_and_why(registry: Registry, data: bytes, line: int, says: str) -> None:
    with pytest.raises(FileRefused) as caught:
        imports.import_stations(registry, data)
    assert reasons(caught.value)[0][0] == line
    assert says in reasons(caught.value)[0][1]


def test_an_eui_belongs_to_one_device(registry: Registry) -> None:
    with pytest.raises(FileRefused, match="line 3: dev_eui 70b3d57ed0000001 is already on line 2"):
        imports.import_devices(registry, b"device,dev_eui\na,70b3d57ed0000001\nb,70B3D57ED0000001\n")
    imports.import_devices(registry, b"device,dev_eui\na,70b3d57ed0000001\n")
    with pytest.raises(FileRefused, match="already belongs to device 'a'"):
        imports.import_devices(registry, b"device,dev_eui\nb,70b3d57ed0000001\n")


def test_a_file_without_keys_does_not_erase_them(registry: Registry) -> None:
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, DEVICES)
    imports.import_devices(registry, b"device,station,activation,dev_eui\nkn-1,marktplatz,otaa,70b3d57ed0000001\n")
    device = registry.by_dev_eui("70b3d57ed0000001")
    assert device is not None
    assert device.app_key == "00112233445566778899aabbccddeeff"


def test_a_registered_device_takes_its_earlier_readings_along(registry: Registry, clock: Clock) -> None:
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, DEVICES)
    where = registry.snapshot().whereabouts
    assert where.station("kn-1", NOW_MS - 86_400_000) == "marktplatz"
    clock.ms += 3_600_000
    imports.import_devices(registry, b"device,station\nkn-2,marktplatz\n")
    where = registry.snapshot().whereabouts
    assert where.station("kn-2", clock.ms - 1) == "neustadt", "a move starts now"
    assert where.station("kn-2", clock.ms) == "marktplatz"


def test_deployments_say_when(registry: Registry) -> None:
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, DEVICES)
    swap = b"""station,device,from,to,height_m,note
marktplatz,kn-2,2026-01-01,2026-06-01T12:00:00Z,2.5,
neustadt,kn-2,2026-06-02T00:00:00+02:00,,,after the move
"""
    assert imports.import_deployments(registry, swap).added == 2
    assert imports.import_deployments(registry, swap).unchanged == 2
    where = registry.snapshot().whereabouts
    january = 1_767_222_000_000  # 2026-01-01T00:00 in Halle
    assert where.station("kn-2", january - 1) is None
    assert where.station("kn-2", january) == "marktplatz"
    assert where.station("kn-2", 1_780_315_200_000) is None, "between two deployments it stands nowhere"
    assert where.station("kn-2", 1_780_351_200_000) == "neustadt"
    with pytest.raises(FileRefused, match="line 2: 'kn-2' is at 'neustadt' at that time"):
        imports.import_deployments(registry, b"station,device,from\nmarktplatz,kn-2,2026-07-01\n")
    with pytest.raises(FileRefused, match="`to` is not after `from`"):
        imports.import_deployments(registry, b"station,device,from,to\nmarktplatz,lst,2026-07-01,2026-06-01\n")


def test_keys_are_kept_as_hashes(registry: Registry, tmp_path: Path) -> None:
    registry.add_key("kn_secret", "write", "laptop")
    assert registry.key_scope("kn_secret") == "write"
    assert registry.key_scope("kn_other") is None
    registry.engine.dispose()
    assert b"kn_secret" not in (tmp_path / "registry.db").read_bytes()
