"""What people paste for a frame: every dress of hex, base64 as logs have it, whole JSON objects, and what is none."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.lorawan.frames import FrameError
from gateway.lorawan.explain import PastedError, read
from klimanetz.cli.lorawan import app

UPLINK = "40f17dbe4900020001954378762b11ff0d"  # lora-packet's README
PHY = bytes.fromhex(UPLINK)
PAIRS = [UPLINK[i : i + 2] for i in range(0, len(UPLINK), 2)]
KEYS = (
    "--nwk-skey",
    "44:02:42:41:ed:4c:e9:a6:8c:6a:8b:c0:55:23:3f:d3",
    "--app-skey",
    "0xec925802ae430ca77fd3dd73cb2cc588",
)


def run(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["decode", *arguments])


@pytest.mark.parametrize(
    "texts",
    [
        [UPLINK], [UPLINK.upper()], ["0x" + UPLINK], PAIRS, ["0x" + pair for pair in PAIRS], [":".join(PAIRS)],
        ["-".join(PAIRS)], [" ".join(PAIRS)], [", ".join("0x" + pair for pair in PAIRS)], [UPLINK[:8], UPLINK[8:]],
        ["{ " + ", ".join("0X" + pair for pair in PAIRS) + " };"], ["\\x" + "\\x".join(PAIRS)], [f"  {UPLINK}\n"],
    ],
)  # fmt: skip
def test_hex_in_any_dress(texts: list[str]) -> None:
    assert read(texts) == (PHY, ())


def test_the_command_takes_unquoted_arguments_and_dressed_keys() -> None:
    values = json.loads(run(*PAIRS, *KEYS, "--json").stdout)
    assert (values["mic_ok"], values["payload_hex"], values["notes"]) == (True, "74657374", [])


@pytest.mark.parametrize("text", ["QPF9vkkAAgABlUN4ditx/w0=", "QPF9vkkAAgABlUN4ditx_w0", "QPF9vkkA AgABlUN4 ditx/w0="])
def test_base64_in_any_dialect(text: str) -> None:
    pasted = read([text])
    assert pasted.phy == bytes.fromhex("40f17dbe4900020001954378762b71ff0d")
    assert pasted.notes == ("read as base64, not as hex",)
    assert json.loads(run(text, "--json").stdout)["notes"][0] == "read as base64, not as hex"
    assert "Read as base64" in run(text).stdout


@given(st.binary(min_size=1, max_size=255))
def test_hex_wins_and_base64_of_any_frame_is_read(tail: bytes) -> None:
    assert read([PHY.hex()]).phy == PHY
    phy = PHY[:8] + b"\x01" + tail[:200] + b"mic!"
    assert read([base64.b64encode(phy).decode()]).phy == phy
    assert read([base64.urlsafe_b64encode(phy).decode().rstrip("=")]).phy == phy
    assert read([phy.hex()]) == (phy, ())


RXPK = {
    "tmst": 708016819, "freq": 868.5, "chan": 2, "rfch": 1, "stat": 1, "modu": "LORA", "datr": "SF7BW125",
    "codr": "4/5", "rssi": -51, "lsnr": 7, "size": 16, "data": base64.b64encode(PHY).decode(),
}  # fmt: skip


@pytest.mark.parametrize(
    "value", [RXPK, {"rxpk": [RXPK]}, [RXPK], {"txpk": RXPK}, {"stat": {}, "rxpk": [RXPK]}, {"data": RXPK["data"]}]
)
def test_objects_of_a_packet_forwarder(value: Any) -> None:
    pasted = read([json.dumps(value)])
    assert pasted.phy == PHY
    assert pasted.notes[0].startswith("read from the `data` of a JSON object")
    assert read(["JSON up: " + json.dumps(value) + " (1 packet)"]).phy == PHY
    assert read(json.dumps(value).split()).phy == PHY


def test_what_the_object_says_beside_the_frame() -> None:
    (note,) = read([json.dumps(RXPK)]).notes
    assert note.endswith("(868.5 MHz, SF7, RSSI -51 dBm, SNR 7 dB)")
    notes = read([json.dumps({"rxpk": [{**RXPK, "stat": -1}, RXPK, RXPK]})]).notes
    assert "the JSON holds 2 more, this is the first" in notes
    assert "the gateway found its checksum WRONG: some bytes may be wrong" in notes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("zz", "'z' at position 1"),
        (UPLINK + "0", "35 digits, an odd number"),
        (UPLINK[:-2] + "og", "'o' at position 33"),
        ("0x40 0xfg", "'g' at position 9"),
        ("QPF9", "as base64"),
        ("4ü", "'ü' at position 2"),
        ('{"data": 3}', "no frame in `data`: no payload"),
        ('{"rxpk": []}', "no frame"),
        ('{"rxpk": {}}', "no frame"),
        ('{"data": "a"}', "not base64"),
        ('{"data', "between single quotes"),
        ('{"a": ' + "[" * 20000, "JSON"),
    ],
)
def test_what_is_nothing_of_the_kind(text: str, says: str) -> None:
    with pytest.raises(PastedError, match=re.escape(says)):
        read([text])
    done = run(text, "--json")
    assert (done.exit_code, done.stderr) == (2, "")
    assert says in json.loads(done.stdout)["error"]
    done = run(text)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_base64_of_something_else_is_no_frame() -> None:
    with pytest.raises(FrameError, match="read as base64, major version"):
        read([base64.b64encode(b"Some text that is no frame").decode()])


@given(st.text(max_size=60))
def test_anything_else_is_one_sentence(text: str) -> None:
    said = "a frame"
    try:
        read([text])
    except (PastedError, FrameError) as error:
        said = str(error)
    assert said
    assert "\n" not in said
