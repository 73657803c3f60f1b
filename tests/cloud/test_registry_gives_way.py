"""What `devices.csv` opened and what `deployments.csv` knows: an assumed stay gives way only where they overlap."""

from pathlib import Path

import pytest

from cloud.registry import exports, imports
from cloud.registry.registry import Registry, open_registry
from schemas.models import utc_text_ms

NOW_MS = 1_795_000_000_000  # 2026-11-18T11:06:40Z
DAY_MS = 86_400_000
STATIONS = b"station,name,latitude,longitude\nl,L,51.48,11.97\nm,M,51.48,11.92\nn,N,51.48,11.93\n"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = open_registry(f"sqlite:///{tmp_path / 'registry.db'}", lambda: NOW_MS)
    imports.import_stations(registry, STATIONS)
    imports.import_devices(registry, b"device,station,dev_eui\ne4,l,2011223344556677\n")
    return registry


def day(number: int) -> str:
    """A number of days from now, as a file has it."""
    return utc_text_ms(NOW_MS + number * DAY_MS)


def stays(registry: Registry) -> list[tuple[str, str | None, str | None]]:
    return [(row["station"], row["from"], row["to"]) for row in exports.deployment_rows(registry)]


@pytest.mark.parametrize(
    ("rows", "then", "said"),
    [
        pytest.param(
            [("m", day(-90), day(-60))],
            [("m", day(-90), day(-60)), ("l", day(-60), None)],
            [f"'e4' at 'l' begins {day(-60)} now, where the file's stays end"],
            id="past",
        ),
        pytest.param(
            [("m", day(-90), day(-60)), ("n", day(-50), day(-40))],
            [("m", day(-90), day(-60)), ("n", day(-50), day(-40)), ("l", day(-40), None)],
            [f"'e4' at 'l' begins {day(-40)} now, where the file's stays end"],
            id="two past ones",
        ),
        pytest.param(
            [("m", day(10), "")],
            [("l", None, day(10)), ("m", day(10), None)],
            [f"'e4' at 'l' ends {day(10)} now, where the file's next stay begins"],
            id="planned",
        ),
        pytest.param(
            [("m", day(-90), day(-60)), ("n", day(10), day(20))],
            [("m", day(-90), day(-60)), ("l", day(-60), day(10)), ("n", day(10), day(20))],
            [
                f"'e4' at 'l' begins {day(-60)} now, where the file's stays end, "
                f"and ends {day(10)}, where the file's next stay begins"
            ],
            id="past and planned",
        ),
        pytest.param(
            [("m", day(-90), "")],
            [("m", day(-90), None)],
            ["'e4' at 'l' was removed: the file says where the device is"],
            id="open since",
        ),
        pytest.param(
            [("l", day(-90), day(5)), ("m", day(5), day(9))],
            [("l", day(-90), day(5)), ("m", day(5), day(9))],
            ["'e4' at 'l' was removed: the file says where the device is"],
            id="the same place, with start and end",
        ),
        pytest.param(
            [("m", day(-1), day(1))],
            [("m", day(-1), day(1)), ("l", day(1), None)],
            [f"'e4' at 'l' begins {day(1)} now, where the file's stays end"],
            id="elsewhere just now",
        ),
        pytest.param(
            [("m", "", day(-60))],
            [("m", None, day(-60)), ("l", day(-60), None)],
            [f"'e4' at 'l' begins {day(-60)} now, where the file's stays end"],
            id="elsewhere before, since nobody knows when",
        ),
        pytest.param(
            [("l", "", day(-60))],
            [("l", None, day(-60))],
            [f"'e4' at 'l' ends {day(-60)} now, as the file says"],
            id="the same one, ended",
        ),
    ],
)
def test_an_assumed_stay_keeps_what_no_file_takes(
    registry: Registry,
    rows: list[tuple[str, str, str]],
    then: list[tuple[str, str | None, str | None]],
    said: list[str],
) -> None:
    text = "station,device,from,to\n" + "".join(f"{s},e4,{since},{until}\n" for s, since, until in rows)
    done = imports.import_deployments(registry, text.encode())
    assert stays(registry) == then
    assert list(map(str, done.gave_way)) == said
    revision = registry.revision()
    again = imports.import_deployments(registry, text.encode())
    assert (again, again.gave_way, registry.revision()) == (imports.Imported(0, 0, len(rows)), (), revision)
    back = exports.deployments_csv(registry)
    assert imports.import_deployments(registry, back.encode()) == imports.Imported(0, 0, len(then))
    assert exports.deployments_csv(registry) == back


def test_an_assumed_stay_that_ended_before_is_left_alone(registry: Registry) -> None:
    imports.import_deployments(registry, f"station,device,from,to\nl,e4,,{day(5)}\n".encode())
    done = imports.import_deployments(registry, f"station,device,from\nm,e4,{day(5)}\n".encode())
    assert stays(registry) == [("l", None, day(5)), ("m", day(5), None)]
    assert done.gave_way == ()


def test_other_devices_are_left_alone(registry: Registry) -> None:
    imports.import_devices(registry, b"device,station\nkn-1,m\n")
    imports.import_deployments(registry, f"station,device,from\nn,kn-1,{day(-9)}\n".encode())
    assert stays(registry) == [("l", None, None), ("n", day(-9), None)]


def test_a_deployment_without_an_end_column_keeps_its_end(registry: Registry) -> None:
    """What is not in the file changes nothing; an empty cell clears."""
    imports.import_deployments(
        registry, f"station,device,from,to,height_m,note\nm,e4,{day(-9)},{day(-5)},2,mast\n".encode()
    )
    kept = imports.import_deployments(registry, f"station,device,from\nm,e4,{day(-9)}\n".encode())
    assert (kept, registry.stays()[0].note) == (imports.Imported(0, 0, 1), "mast")
    imports.import_deployments(registry, f"station,device,from,note\nm,e4,{day(-9)},\n".encode())
    stay = registry.stays()[0]
    assert (stay.until_ms, stay.height_m, stay.note) == (NOW_MS - 5 * DAY_MS, 2.0, None)
