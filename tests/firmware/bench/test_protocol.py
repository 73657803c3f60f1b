"""A protocol is what was signed, to the last byte."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from firmware.bench.checklist import protocol, protocol_page
from firmware.bench.trouble import BenchError, WrongUse

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TOLD: dict[str, Any] = {
    "device": "kn-0007", "station": "marktplatz", "place": {"latitude": 51.4825, "longitude": 11.96972}, "height_m": 3.0,
    "shield": "passiv", "technician": "JÖ", "board": "heltec_v3", "serial": "24ec4a000001", "firmware": "1.2.3",
    "begun": "2026-11-25T10:15:00Z", "ended": "2026-11-25T10:16:02Z", "laptop_clock": "system, synchronised by NTP",
    "colour": "yellow",
    "checks": [
        {"name": "sensor air", "colour": "yellow", "reason": "1 of 3 | <b>failed</b>", "way_out": "look", "values": {"v": [1.0]}},
        {"name": "radio", "colour": "green", "reason": "joined", "way_out": "", "values": {}},
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def test_what_was_signed_is_read_back() -> None:
    document = protocol.checked(protocol.signed(TOLD, KEY))
    assert document["protocol"] == {"format": "klimanetz-verify-1", **TOLD}
    assert document["signature"]["public_key"] == protocol.public_hex(KEY)


def test_the_signature_is_one_for_any_other_implementation() -> None:
    """As docs/bench.md tells: Ed25519 over RFC 8785 of the document without signature.value."""
    document = json.loads(protocol.signed(TOLD, KEY))
    value = bytes.fromhex(document["signature"].pop("value"))
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(document["signature"]["public_key"]))
    public.verify(value, rfc8785.dumps(document))


def test_every_byte_that_is_changed_taken_away_or_added_is_found() -> None:
    data = protocol.signed(TOLD, KEY)
    for n in range(len(data)):
        for other in (data[n] ^ 1, data[n] ^ 0x20, 0x30):
            changed = bytearray(data)
            changed[n] = other
            if bytes(changed) != data:
                with pytest.raises(BenchError):
                    protocol.checked(bytes(changed))
        for changed in (data[:n] + data[n + 1 :], data[:n] + b" " + data[n:]):
            with pytest.raises(BenchError):
                protocol.checked(bytes(changed))
    for changed in (
        data + b"\n",
        b"\xef\xbb\xbf" + data,
        data.replace(b"\n", b"\r\n"),
        json.dumps(json.loads(data)).encode(),
    ):
        with pytest.raises(BenchError):
            protocol.checked(bytes(changed))


def test_a_file_of_another_kind_is_wrong_use() -> None:
    for data in (
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"protocol": {"format": "x"}, "signature": {"public_key": "zz", "value": ""}}',
    ):
        with pytest.raises(WrongUse):
            protocol.checked(data, "some.json")
    with pytest.raises(WrongUse, match="not known here: klimanetz-verify-9"):
        protocol.checked(protocol.signed(TOLD, KEY).replace(b"verify-1", b"verify-9"))


def test_the_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "technician.key"
    old = os.umask(0)
    try:
        first = protocol.signing_key(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert protocol.public_hex(protocol.signing_key(path)) == protocol.public_hex(first)
    assert [one.name for one in path.parent.iterdir()] == ["technician.key"]
    path.write_bytes(b"no key")
    with pytest.raises(BenchError, match="cannot be used"):
        protocol.signing_key(path)
    assert path.read_bytes() == b"no key", "a key that cannot be read is not written over"


def test_the_page_says_it_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    document = protocol.checked(protocol.signed(TOLD, KEY))
    page = protocol_page.page(document)
    assert "# Verification of kn-0007" in page
    assert "- height above ground: 3.0 m" in page
    assert r"| sensor air | look | 1 of 3 \| &lt;b>failed&lt;/b> → look |" in page
    assert protocol.fingerprint(protocol.public_hex(KEY)) in page
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    page = protocol_page.page(document)
    assert "# Prüfprotokoll kn-0007" in page
    assert "- Höhe über Grund: 3,0 m" in page
    del document["protocol"]["shield"]
    assert "- Strahlungsschutz: nicht angegeben" in protocol_page.page(document)
