"""The registry's database on PostgreSQL: the same books, with two writers at once."""

import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import Engine

from cloud.ledger.dead_letters import MORE, DeadLetters
from cloud.ledger.ledger import Ledger, Outcome
from cloud.ledger.put_aside import LETTERS_PER_HOUR
from cloud.registry import imports
from cloud.registry.registry import open_registry
from tests.cloud import arrival_checks, ingest_parts
from tests.conftest import absent
from tests.ports import free_port


def binaries() -> Path:
    found = [Path(p) for p in (shutil.which("initdb"),) if p]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        absent("PostgreSQL", "install it, on Debian: apt-get install postgresql")
    return found[-1].parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own; it will not run as root, so root lends it the user postgres."""
    folder = binaries()
    place, port = tmp_path_factory.mktemp("postgresql"), free_port()
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(place, "postgres", "postgres")
        for parent in list(place.parents)[:-2]:
            parent.chmod(parent.stat().st_mode | 0o011)
    run = {"cwd": "/", "check": True, "capture_output": True, "timeout": 60}
    subprocess.run([*as_user, folder / "initdb", "-D", place / "data", "-A", "trust", "-U", "klimanetz"], **run)  # type: ignore[call-overload]
    options = f"-p {port} -c unix_socket_directories='' -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [*as_user, folder / "pg_ctl", "-D", place / "data", "-w"]
    subprocess.run([*control, "-o", options, "-l", place / "log", "start"], **{**run, "capture_output": False})  # type: ignore[call-overload]
    yield f"postgresql://klimanetz@127.0.0.1:{port}"
    subprocess.run([*control, "-m", "immediate", "stop"], **run)  # type: ignore[call-overload]


@pytest.fixture
def url(server: str) -> str:
    name = f"k{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def test_two_replicas_lose_nothing(url: str) -> None:
    """Each applies 150 batches of the same two devices; together they make one interval a device."""
    engine = open_registry(url, lambda: ingest_parts.NOW_MS).engine

    def replica(start: int) -> None:
        ledger = Ledger(engine)
        for batch in range(1, 151):
            outcome = Outcome(f"log-{start}", batch)
            for device in ("kn-1", "kn-2") if start else ("kn-2", "kn-1"):
                outcome.stored[device, 1].add(2 * batch + start)
                outcome.tally(device).received += 1
            assert ledger.apply(outcome)

    threads = [threading.Thread(target=replica, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for device in ("kn-1", "kn-2"):
        row = Ledger(engine).delivery(device)
        assert row is not None
        assert (row["received"], row["missing"], row["gaps"]) == (300, 0, [])
    engine.dispose()


def test_a_reading_all_the_way(url: str, tmp_path: Path) -> None:
    parts = ingest_parts.make(tmp_path)
    parts.registry = open_registry(url, lambda: ingest_parts.NOW_MS)
    imports.import_stations(parts.registry, ingest_parts.STATIONS)
    imports.import_devices(parts.registry, ingest_parts.DEVICES)
    parts.ledger = parts.pipeline.ledger = Ledger(parts.registry.engine)
    parts.pipeline.registry = parts.registry
    bad = ingest_parts.Message("klimanetz/v1/up/kn-1", b'{"device": "kn-1", "values": {"a\\u0000": 1}}', 1)
    report = parts.take(ingest_parts.message(ingest_parts.reading(generation=1, seq=1)), bad)
    assert (report.stored, report.refused) == (1, 1)
    assert parts.ledger.delivery("kn-1") is not None
    parts.registry.engine.dispose()


def test_dead_letters(url: str, tmp_path: Path) -> None:
    """Written in bulk, once; bounded; shown; waiting under a DevEUI; forgotten."""
    parts = ingest_parts.make(tmp_path, registry_url=url)
    box = DeadLetters(parts.ledger.engine)
    eui = "eui-a8404187d187106e"
    empty = [ingest_parts.Message("klimanetz/v1/up/kn-1", b"", ingest_parts.NOW_MS)] * (LETTERS_PER_HOUR + 7)
    waiting = ingest_parts.message(ingest_parts.reading(eui, generation=1, seq=1), device=eui)
    parts.take(*empty[:-2], waiting)
    parts.take(*empty[-2:])
    found = box.newest(1000)
    assert len(found) == LETTERS_PER_HOUR + 2
    assert [x["detail"][:6] for x in found if x["reason"] == MORE] == ["7 more"]
    assert [row["device"] for row in box.unknown()] == [eui]
    with parts.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM cursor")
    batch = parts.raw.after(0)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert len(box.newest(1000)) == LETTERS_PER_HOUR + 2
    imports.import_devices(parts.registry, b"device,station,dev_eui\nlse01,neustadt,a8404187d187106e\n")
    assert (box.unknown(), len(box.waiting(10))) == ([], 1)
    parts.ledger.prune(ingest_parts.NOW_MS + 1)
    assert [x["device"] for x in box.newest(1000)] == [eui]
    parts.registry.engine.dispose()


def test_registry_files(url: str) -> None:
    """Changed in bulk, cells cleared, an assumed stay shortened."""
    registry = open_registry(url, lambda: ingest_parts.NOW_MS)
    header = b"station,name,latitude,longitude,height_m,private\n"
    imports.import_stations(registry, header + b"a,A,1,2,3.5,yes\nb,B,1,2,3.5,yes\n")
    changed = header + b"a,A,1,2,,yes\nb,BB,1,2,4,\n"
    assert imports.import_stations(registry, changed) == imports.Imported(0, 2, 0)
    assert imports.import_stations(registry, changed) == imports.Imported(0, 0, 2)
    assert [(s.height_m, s.private) for s in registry.stations()] == [(None, True), (4.0, False)]
    imports.import_devices(registry, b"device,station\nkn-1,a\nkn-2,b\n")
    past = b"station,device,from,to\nb,kn-1,2025-01-01,2025-02-01\na,kn-2,2025-01-01,2025-02-01\n"
    assert len(imports.import_deployments(registry, past).gave_way) == 2
    assert [(s.station, s.until_ms is None) for s in registry.stays()] == [
        ("b", False), ("a", True), ("a", False), ("b", True),
    ]  # fmt: skip
    registry.engine.dispose()


@pytest.mark.parametrize(
    "check",
    [
        arrival_checks.numbers_rise_without_holes_whoever_writes,
        arrival_checks.numbers_go_on_after_everything_was_forgotten,
    ],
    ids=lambda check: check.__name__,
)
def test_arrivals(url: str, check: Callable[[Engine], None]) -> None:
    engine = open_registry(url, lambda: ingest_parts.NOW_MS).engine
    check(engine)
    engine.dispose()
