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


def test_one_process_writes_and_forgets_while_others_read(tmp_path: Path) -> None:
    """Readers see whole batches in order, never a newest value that the series has not."""
    open_store(f"sqlite:///{tmp_path}/series.db").write([point(n) for n in range(20)])
    head = f"""
        from cloud.store import open_store
        from tests.cloud.store.conftest import T0, point
        store = open_store("sqlite:///{tmp_path}/series.db")
    """
    writer = (
        head
        + """
        for first in range(20, 6020, 20):
            store.write([point(n) for n in range(first, first + 20)])
            if first % 1000 == 0:
                store.forget(T0 + 60_000 * (first - 500))
        store.write([point(0, station="done")])
    """
    )
    reader = (
        head
        + """
        looked, done = 0, False
        while not done:
            done = bool(store.latest(["done"]))
            (newest,) = store.latest(["markt"])
            values = store.series("markt", "air_temperature", newest.time_ms - 10**7, 2**50)
            seqs = [round(one.value) - 20 for one in values]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), seqs
            assert seqs[-1] % 20 == 19, "half a batch"
            assert seqs[-1] >= round(newest.value) - 20
            (before,) = store.before("markt", "air_temperature", 2**50)
            assert before.last.value >= newest.value
            looked += 1
        assert looked > 1
    """
    )
    running = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[3])
        for program in (reader, reader, reader, writer)
    ]
    assert [process.wait(timeout=100) for process in running] == [0] * 4
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    assert len(list(store.series("markt", "air_temperature", 0, 2**50))) == store.count() - 1 == 520


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    store = open_store(f"sqlite:///{path}")
    store.write([point(n, device=device) for n in range(5) for device in ("a", "b")])
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE span")
        db.execute("PRAGMA user_version=1")
    again = open_store(f"sqlite:///{path}")
    assert len(again.before("markt", "air_temperature", T0 + 10**9)) == 2
    assert again.count() == 10


def test_before_does_not_read_the_past_of_a_channel(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine: what a scan of 30,000 values would take is far more."""
    store = open_store(f"sqlite:///{tmp_path}/series.db")
    store.write([point(n, device="old") for n in range(10_000)])
    store.write([point(n, device=f"d{n % 2}") for n in range(10_000, 30_000)])
    steps = []
    with store._file.reading() as db:
        db.set_progress_handler(lambda: steps.append(1), 100)
    for time_ms in (T0 + 10**12, T0 + 60_000 * 20_000, T0 + 60_000 * 5_000):
        assert len(store.before("markt", "air_temperature", time_ms)) == (1 if time_ms < T0 + 60_000 * 9_999 else 3)
    assert len(steps) < 20


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
