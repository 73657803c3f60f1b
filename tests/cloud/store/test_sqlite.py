"""What only the file can do: be broken, be locked, outlive its process."""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cloud.store import StoreRefused, StoreUnavailable, open_store, sqlite_file
from tests.cloud.store.conftest import T0, point


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100)
    with pytest.raises(StoreRefused, match="KLIMANETZ_STORE"):
        open_store(f"sqlite:///{path}")
    assert path.read_text().startswith("not a database")


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    open_store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreRefused, match="newer klimanetz"):
        open_store(f"sqlite:///{path}")


def test_a_file_locked_for_long_is_unavailable_and_then_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.05)
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    other = sqlite3.connect(tmp_path / "series.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="busy"):
        store.write([point(0)])
    assert store.latest() == []  # readers do not wait for writers
    other.execute("ROLLBACK")
    store.write([point(0)])
    assert store.count() == 1


def test_ids_of_a_failed_transaction_are_forgotten(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    other = open_store(f"sqlite:///{tmp_path}/series.db")
    with pytest.raises(OverflowError):
        store.write([point(0, station="lost")._replace(seq=2**64)])
    other.write([point(0, station="first")])
    store.write([point(0, station="lost", air_temperature=5.0)])
    assert {(one.station, one.value) for one in store.latest()} == {("first", 20.0), ("lost", 5.0)}


def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    store._file._writer.execute("PRAGMA max_page_count=8")
    with pytest.raises(StoreUnavailable, match="free some space"):
        store.write([point(n) for n in range(20_000)])
    assert store.count() == 0
    store._file._writer.execute("PRAGMA max_page_count=1000000")
    store.write([point(0)])
    assert store.count() == 1


def test_what_write_returned_for_survives_kill_9(tmp_path: Path) -> None:
    program = f"""
        import os, signal
        from cloud.store import open_store
        from tests.cloud.store.conftest import point
        store = open_store("sqlite:///{tmp_path}/series.db")
        for n in range(20):
            store.write([point(n)])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[3], timeout=60)
    assert ended.returncode == -9
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    assert len(list(store.series("markt", "air_temperature", T0, T0 + 10**9))) == 20


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    program = f"""
        import sys
        from cloud.store import open_store
        from tests.cloud.store.conftest import point
        store = open_store("sqlite:///{tmp_path}/series.db")
        for n in range(30):
            store.write([point(n, station=f"s{{n % 5}}", device=sys.argv[1])])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    running = [subprocess.Popen([*command, f"d{k}"], cwd=Path(__file__).parents[3]) for k in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    assert store.count() == 90
    assert len(store.latest()) == 5
