"""Dead letters: how they are shown, how many are kept, and how long."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.ingest.message import Message
from cloud.ingest.rawlog import RawLog
from cloud.ingest.replay import replay_waiting, replay_wanted
from cloud.ledger.dead_letters import MORE, PREVIEW, DeadLetters, dead_letters
from cloud.ledger.put_aside import HOUR_MS, LETTERS_PER_HOUR
from cloud.registry import imports
from klimanetz import wiring
from tests.cloud.ingest_parts import NOW_MS, Parts, make, message, reading


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return make(tmp_path)


def box(parts: Parts) -> DeadLetters:
    return DeadLetters(parts.ledger.engine)


def shown(parts: Parts) -> list[dict[str, object]]:
    return list(reversed(wiring.Letters(box(parts)).dead_letters(1000)))


@pytest.mark.parametrize("topic", ["up/d19", "raw/d19", "status/d19"])
def test_an_empty_message_is_shown_like_any_other(parts: Parts, topic: str) -> None:
    parts.take(Message(f"klimanetz/v1/{topic}", b"", NOW_MS))
    (letter,) = shown(parts)
    assert (letter["device"], letter["size"], letter["payload"]) == ("d19", 0, "")


@pytest.mark.parametrize("start", range(4))
def test_a_preview_that_ends_inside_a_letter_is_still_text(parts: Parts, start: int) -> None:
    text = "x" * (PREVIEW - start) + "ä€𝄞" + "x" * 100
    parts.take(Message("klimanetz/v1/up/d19", text.encode(), NOW_MS))
    (letter,) = shown(parts)
    assert text.startswith(str(letter["payload"]))
    assert len(str(letter["payload"]).encode()) > PREVIEW - 4


def test_what_is_no_text_is_shown_as_hexadecimal(parts: Parts) -> None:
    broken = [b"\xe4hm", b"x" * 10 + b"\xc3", b"x" * (PREVIEW - 1) + b"\xffxx"]
    parts.take(*[Message("klimanetz/v1/up/d19", payload, NOW_MS) for payload in broken])
    assert [letter["payload_hex"] for letter in shown(parts)] == [payload[:PREVIEW].hex() for payload in broken]


def flood(body: Any, count: int, device: str = "kn-1", received_ms: int = NOW_MS) -> list[Message]:
    payload = json.dumps(body).encode()
    return [Message(f"klimanetz/v1/up/{device}", payload, received_ms) for _ in range(count)]


def in_hours(parts: Parts) -> dict[tuple[object, int], tuple[int, int]]:
    """By device and hour: letters that are kept, letters that are counted."""
    found: dict[tuple[object, int], tuple[int, int]] = {}
    with parts.ledger.engine.connect() as connection:
        for row in connection.execute(sa.select(dead_letters)):
            key = (row.device, row.received_ms // HOUR_MS - NOW_MS // HOUR_MS)
            kept, more = found.get(key, (0, 0))
            counted = json.loads(row.payload)["more"] if row.reason == MORE else 0
            found[key] = (kept + (row.reason != MORE), more + counted)
    return found


def test_a_flood_blocks_nobody_and_fills_nothing(parts: Parts) -> None:
    """An array without a reading is one letter; of a device's letters of one hour most are counted only."""
    start = time.monotonic()
    report = parts.take(*flood([1] * 500, 300), message(reading("kn-2", generation=1, seq=1), device="kn-2"))
    assert (report.stored, report.refused) == (1, 300)
    assert in_hours(parts) == {("kn-1", 0): (LETTERS_PER_HOUR, 300 - LETTERS_PER_HOUR)}
    mixed = [reading(generation=1, seq=1), *[1] * 499]
    parts.take(*flood(mixed, 300))
    parts.take(*flood("no", 5))
    assert in_hours(parts) == {("kn-1", 0): (LETTERS_PER_HOUR, 300 + 300 * 499 + 5 - LETTERS_PER_HOUR)}
    assert time.monotonic() - start < 20, "it took 38 s for one of them"
    (more,) = [letter for letter in shown(parts) if letter["reason"] == MORE]
    assert str(more["detail"]).startswith("149805 more of this hour are counted here and not kept one by one; the last")
    assert json.loads(str(more["payload"]))["reasons"] == {"not-a-reading": 149805}


def test_every_device_and_hour_has_its_own_room(parts: Parts) -> None:
    n = LETTERS_PER_HOUR + 1
    parts.take(*flood("no", n), *flood("no", n, received_ms=NOW_MS + HOUR_MS), *flood("no", n, "kn-2"))
    parts.take(*flood("no", n, "a b"), *flood("no", 3, "kn-3"))
    full = (LETTERS_PER_HOUR, 1)
    assert in_hours(parts) == {
        ("kn-1", 0): full, ("kn-1", 1): full, ("kn-2", 0): full, (None, 0): full, ("kn-3", 0): (3, 0),
    }  # fmt: skip


def test_readings_are_kept_however_many_they_are(parts: Parts) -> None:
    """They were acknowledged, and are stored once somebody registers the device."""
    n = LETTERS_PER_HOUR + 50
    readings = [reading("kn-9", generation=1, seq=seq) for seq in range(n)]
    early = [reading(generation=1, seq=seq, time="1970-01-01T00:00:00Z") for seq in range(n)]
    parts.take(message(*readings, device="kn-9"), message(*early), *flood("no", 1))
    assert in_hours(parts) == {("kn-9", 0): (n, 0), ("kn-1", 0): (n + 1, 0)}


def test_a_count_is_no_message_to_replay(parts: Parts) -> None:
    parts.take(*flood("no", LETTERS_PER_HOUR + 1))
    assert box(parts).want_replay(None) == LETTERS_PER_HOUR


def test_letters_are_kept_for_a_while_and_what_waits_until_it_is_stored(parts: Parts) -> None:
    waiting = message(reading("kn-9", generation=1, seq=1), device="kn-9")
    parts.take(waiting, *flood("no", LETTERS_PER_HOUR + 1), *flood("no", 1, received_ms=NOW_MS + HOUR_MS))
    parts.ledger.prune(NOW_MS)
    assert in_hours(parts)["kn-1", 0] == (LETTERS_PER_HOUR, 1)
    parts.ledger.prune(NOW_MS + 1)
    assert in_hours(parts) == {("kn-9", 0): (1, 0), ("kn-1", 1): (1, 0)}
    imports.import_devices(parts.registry, b"device,station\nkn-9,neustadt\n")
    (letter,) = box(parts).waiting(10)
    box(parts).mark_replayed([letter["id"]], NOW_MS)
    parts.ledger.prune(NOW_MS + 1)
    assert in_hours(parts) == {("kn-1", 1): (1, 0)}


def test_a_letter_that_is_there_stays_as_it_is(parts: Parts) -> None:
    parts.take(*flood("no", 3))
    with parts.ledger.engine.begin() as connection:  # as if the cursor had been lost, and the registry restored
        connection.exec_driver_sql("DELETE FROM cursor")
    batch = parts.raw.after(0)
    assert batch is not None
    parts.pipeline.apply(batch)
    assert in_hours(parts) == {("kn-1", 0): (3, 0)}


@pytest.mark.parametrize("by_themselves", [True, False])
def test_of_several_replicas_one_takes_a_letter_again(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_themselves: bool
) -> None:
    """What has neither count nor time of its own would else be stored by each."""
    parts.take(message({"device": "kn-9", "values": {"battery": 3.9}}, device="kn-9"))
    imports.import_devices(parts.registry, b"device,station,activation\nkn-9,marktplatz,mqtt\n")
    other = RawLog(tmp_path / "other")
    if not by_themselves:
        assert box(parts).want_replay(None) == 1

    def replay(raw: RawLog) -> int:
        if by_themselves:
            return replay_waiting(box(parts), raw, parts.registry, NOW_MS)
        return replay_wanted(box(parts), raw, NOW_MS)

    second = threading.Thread(target=replay, args=(other,))
    append = parts.raw.append

    def meanwhile(messages: list[Message]) -> int:
        second.start()
        second.join(0.5)  # it waits for its turn: so long it takes where it does not
        return append(messages)

    monkeypatch.setattr(parts.raw, "append", meanwhile)
    assert replay(parts.raw) == 1
    second.join(20)
    assert other.last() == 0
