"""`klimanetz replay`: shows what a mended codec would change, and the running ingest changes it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.ingest import compare as comparing
from cloud.ingest import work as applying
from cloud.ingest.decode import decode
from cloud.ingest.message import Message
from cloud.ingest.refusal import Decoded
from cloud.ingest.replay import replay_captured
from cloud.ledger.replays import Replays
from cloud.store.model import Point
from klimanetz.cli import main
from tests.cloud import ingest_parts
from tests.cloud.ingest_parts import NOW_MS, Parts, message


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLIMANETZ_SPOOL", str(tmp_path))
    monkeypatch.setenv("KLIMANETZ_STORE", f"sqlite:///{tmp_path}/series.db")
    monkeypatch.setenv("KLIMANETZ_REGISTRY", f"sqlite:///{tmp_path}/registry.db")
    return ingest_parts.make(tmp_path)


def body(seq: int, device: str = "kn-1") -> dict[str, object]:
    return {"device": device, "seq": seq, "time": f"2026-11-22T09:{seq:02}:00Z", "time_source": "ntp",
            "values": {"air_temperature": 3.0 + seq}}  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["klimanetz", "replay", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def mended(message: Message, names: object = None) -> Decoded:
    """A codec that was wrong by 2 K until today."""
    decoded = decode(message)
    for reading in decoded.readings:
        reading.values = {channel: value - 2 for channel, value in reading.values.items()}
    return decoded


def test_it_shows_and_then_stores_what_is_decoded_now(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts.take(*[message(body(seq)) for seq in (1, 2, 3)], message(body(1, "kn-2"), device="kn-2"))
    parts.take(message({"device": "kn-1", "values": {}}))
    code, out, _ = run(monkeypatch, capsys, "--json")
    assert code == 0
    (told,) = json.loads(out).values()
    assert told == {"messages": 5, "readings": 4, "same": 4, "new": 0, "changed": 0, "put_aside": 1, "differences": []}

    monkeypatch.setattr(comparing, "decode", mended)
    monkeypatch.setattr(applying, "decode", mended)
    code, out, _ = run(monkeypatch, capsys, "--device", "kn-1")
    assert code == 0
    assert "3 with other values" in out
    assert "--apply" in out
    assert "4.0" in out
    assert "2.0" in out
    assert Replays(parts.registry.engine).next(parts.raw.id) is None, "only shown"

    code, out, _ = run(monkeypatch, capsys, "--device", "kn-1", "--apply")
    last = parts.raw.last()
    while replay_captured(Replays(parts.registry.engine), parts.raw, NOW_MS):
        pass
    batch = parts.raw.after(last, 1000)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert [v for _, v, _ in parts.values("marktplatz", "air_temperature")] == [2.0, 3.0, 4.0]
    assert [v for _, v, _ in parts.values("neustadt", "air_temperature")] == [4.0], "of another device"
    delivery = parts.ledger.delivery("kn-1")
    assert delivery is not None
    assert (delivery["received"], delivery["duplicates"]) == (3, 0)
    assert json.loads(run(monkeypatch, capsys, "--device", "kn-1", "--json")[1])["spool"]["changed"] == 0


def test_no_more_is_read_than_what_is_compared(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading of years ago among those of today, and arrays of hundreds: neither fills the memory."""
    old = {**body(9), "time": "2012-01-01T00:00:00Z"}
    messages = [message(body(1)), message(old), message(*[body(seq) for seq in range(10, 50)] * 10)]
    parts.take(*messages)
    asked: list[int] = []

    def points(station: str, start_ms: int, end_ms: int) -> Iterator[Point]:
        asked.append(end_ms - start_ms)
        return parts.store.points(station, start_ms, end_ms)

    monkeypatch.setattr(comparing, "PAGE_BYTES", 10_000)
    told: list[int] = []
    found = comparing.compare(messages * 3, parts.registry.snapshot(), points, told.append)
    assert (found.messages, found.readings, found.same) == (9, 1206, 1206)
    assert told == [3, 6, 9, 9]
    assert max(asked) < 86_400_000


def test_what_is_not_stored_yet_is_new(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts.raw.append([message(body(7))])
    told = json.loads(run(monkeypatch, capsys, "--json")[1])["spool"]
    assert (told["new"], told["differences"][0]["stored"], told["differences"][0]["decoded"]) == (1, None, 10.0)


def test_what_we_gave_its_time_ourselves_is_stored_once(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a count and a time a reading is known by when it came, and by its turn among those of that moment."""
    parts.take(message(*[{"device": "kn-1", "values": {"battery": n}} for n in (1.5, 2.5, 3.5)]))
    parts.take(message({"device": "kn-1", "values": {"battery": 4.5}}, received_ms=NOW_MS + 1))
    before, delivery = parts.values("marktplatz", "battery"), parts.ledger.delivery("kn-1")
    last = parts.raw.last()
    assert run(monkeypatch, capsys, "--apply")[0] == 0
    while replay_captured(Replays(parts.registry.engine), parts.raw, NOW_MS):
        pass
    batch = parts.raw.after(last, 1000)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert parts.values("marktplatz", "battery") == before
    assert [value for _, value, _ in before] == [1.5, 2.5, 3.5, 4.5]
    assert parts.ledger.delivery("kn-1") == delivery


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--from", "yesterday"], 2, "--from is 'yesterday'"),
        (["--from", "2026-11-23", "--to", "2026-11-22"], 2, "is not before"),
    ],
)
def test_wrong_use_is_said(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, says: str,
) -> None:  # fmt: skip
    came_to = run(monkeypatch, capsys, *arguments)
    assert came_to[0] == code
    assert says in came_to[2]


def test_without_a_log_it_says_where_to_run(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KLIMANETZ_SPOOL", str(tmp_path / "elsewhere"))
    code, _, err = run(monkeypatch, capsys)
    assert code == 1
    assert "KLIMANETZ_SPOOL" in err
