"""Dead letters: how they are shown, how many are kept, and how long."""

from pathlib import Path

import pytest

from cloud.ingest.message import Message
from cloud.ledger.dead_letters import PREVIEW, DeadLetters
from klimanetz import wiring
from tests.cloud.ingest_parts import NOW_MS, Parts, make


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
