"""`make bench` runs: its parts in small, so that a change of what they call shows before somebody wants figures."""

import subprocess
import sys

import pytest

from tests import bench, bench_backlog, bench_latency, bench_profile, bench_radio, conftest

Row = tuple[str, float, str, float | None, str]


def rows_of(monkeypatch: pytest.MonkeyPatch, part: str) -> list[Row]:
    rows: list[Row] = []
    monkeypatch.setattr(bench, "row", lambda *values: rows.append(values))
    bench.PARTS[part]()
    return rows


def test_the_whole_gateway(monkeypatch: pytest.MonkeyPatch, mosquitto: str) -> None:
    """80 datagrams: more than may be under way without an answer."""
    monkeypatch.setattr(bench_radio, "GATEWAY_DATAGRAMS", 80)
    datagrams, readings = rows_of(monkeypatch, "gateway")
    assert readings[1] == pytest.approx(8 * datagrams[1])
    assert datagrams[1] > 0


def test_frames_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_radio, "FRAMES", 800)
    monkeypatch.setattr(bench_radio.shutil, "which", lambda *_: None)  # the peers are asked in test_oracles
    rows = rows_of(monkeypatch, "lorawan")
    assert [bool(row[1] > 0 and row[3] is None) for row in rows] == [True] * 3


def test_a_backlog_and_its_latency(monkeypatch: pytest.MonkeyPatch, mosquitto: str, influxd: str) -> None:
    """Without the peer, which stands beside us in `make bench`."""
    monkeypatch.setenv("INFLUXD", influxd)
    monkeypatch.setattr(bench_backlog, "MESSAGES", 2000)
    monkeypatch.setattr(bench_backlog, "ROUNDS", 1)
    monkeypatch.setattr(bench_backlog, "telegraf", lambda _: None)
    monkeypatch.setattr(bench_latency, "telegraf", lambda _: None)
    monkeypatch.setattr(bench_latency, "RATES", (50,))
    monkeypatch.setattr(bench_latency, "SECONDS", 0.5)
    assert [row[0] for row in rows_of(monkeypatch, "backlog")] == [
        "a backlog of 2,000: ingest, 1 worker", "a backlog of 2,000: ingest, 2 workers"
    ]  # fmt: skip
    median, most = rows_of(monkeypatch, "latency")
    assert 0 < median[1] <= most[1]


def test_where_the_time_goes(monkeypatch: pytest.MonkeyPatch, influxd: str, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INFLUXD", influxd)
    monkeypatch.setattr(bench_profile, "MESSAGES", 2000)
    bench.PARTS["profile"]()
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_a_part_that_is_not_there() -> None:
    command = [sys.executable, "-m", "tests.bench", "nope"]
    done = subprocess.run(command, cwd=conftest.ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "there is no part 'nope': one of lorawan, gateway" in done.stderr
