"""edge.mqtt and edge.sntp on both interpreters, beside paho's bytes, and against whatever a line may do."""

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import sntp
from edge.mqtt import client, downlink, packets
from edge.mqtt.incoming import Connack, Incoming, Malformed, Pingresp, Puback, Publish, Suback
from tests.edge import mqtt_checks

ROOT = Path(__file__).resolve().parents[2]
TOPICS = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=30)
IDS = st.integers(1, 65535)
SERVER_PACKETS = st.one_of(
    st.builds(Connack, st.integers(0, 1), st.just(0)),
    st.builds(Connack, st.just(0), st.integers(0, 5)),
    st.builds(Puback, IDS),
    st.builds(lambda n, codes: Suback(n, bytes(codes)), IDS, st.lists(st.sampled_from((0, 1, 2, 0x80)), min_size=1)),
    st.builds(Pingresp),
    st.builds(lambda t, p, r: Publish(t, p, 0, 0, r, 0), TOPICS, st.binary(max_size=300), st.integers(0, 1)),
    st.builds(Publish, TOPICS, st.binary(max_size=300), st.just(1), IDS, st.integers(0, 1), st.integers(0, 1)),
)


@pytest.mark.parametrize("check", mqtt_checks.CHECKS, ids=lambda check: check.__name__)
def test_on_cpython(check: Callable[[], None]) -> None:
    check()


def test_on_micropython(micropython: str) -> None:
    done = subprocess.run(
        [micropython, "-X", "heapsize=192k", str(ROOT / "tests" / "edge" / "mqtt_checks.py")],
        env={"MICROPYPATH": f"{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"ok {check.__name__}" for check in mqtt_checks.CHECKS]


class Paho:
    """What paho would put on a socket."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, *arguments, **named)
        self.client._sock = object()
        self.client.loop_write = lambda: paho.MQTT_ERR_SUCCESS  # type: ignore[method-assign]

    def sent(self) -> bytes:
        written = b"".join(bytes(packet["packet"]) for packet in self.client._out_packet)
        self.client._out_packet.clear()
        self.client._sock = None
        return written


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    NAMES, st.integers(0, 65535), st.none() | NAMES, st.booleans(), st.booleans(),
    st.none() | st.tuples(TOPICS, st.binary(max_size=50), st.integers(0, 2), st.booleans()),
)  # fmt: skip
def test_connect_is_as_paho_writes_it(
    name: str, keep_alive_s: int, user: str | None, clean: bool, with_password: bool, will: Any
) -> None:
    other = Paho(name, clean_session=clean)
    password = "geheim ß" if user is not None and with_password else None
    if user is not None:
        other.client.username_pw_set(user, password)
    if will is not None:
        other.client.will_set(*will)
    other.client._send_connect(keep_alive_s)
    assert packets.connect(name, keep_alive_s, user, password, will, clean) == other.sent()


@given(TOPICS, st.binary(max_size=20000), st.integers(0, 1), IDS, st.booleans(), st.booleans())
def test_publish_is_as_paho_writes_it_and_is_read_again(
    topic: str, payload: bytes, qos: int, packet_id: int, retain: bool, again: bool
) -> None:
    other = Paho("x")
    other.client._send_publish(packet_id, topic.encode(), payload, qos, retain, again and qos == 1)
    theirs = other.sent()
    ours = packets.publish(topic, payload, qos, packet_id if qos else 0, retain)
    if again and qos:
        packets.mark_again(ours)
    assert ours == theirs
    expected = Publish(topic, payload, qos, packet_id * qos, retain, int(again and qos == 1))
    assert Incoming(30000).feed(theirs) == [expected]


def test_what_no_length_can_tell_is_refused() -> None:
    with pytest.raises(packets.PacketError, match="65536 bytes"):
        packets.connect("a" * 65536, 60)
    for n, head in ((16383, "30ff7f"), (16384, "30808001"), (2097151, "30ffff7f"), (2097152, "3080808001")):
        assert packets.publish("a", bytes(n - 3)).startswith(bytes.fromhex(head))


def test_the_small_packets_are_as_paho_writes_them() -> None:
    other = Paho("x")
    for send, ours in (
        (lambda: other.client._send_puback(4711), packets.puback(4711)),
        (lambda: other.client._send_pingreq(), packets.pingreq()),
        (lambda: other.client._send_disconnect(), packets.disconnect()),
        (lambda: other.client._send_subscribe(False, [(b"a/b", 1), (b"c/+", 1)]), packets.subscribe(1, ("a/b", "c/+"))),
    ):
        other.client._sock = object()
        send()
        assert other.sent() == ours


def as_bytes(packet: Any) -> bytes:
    """A packet of a broker, written from the specification."""
    match packet:
        case Connack(present, code):
            return bytes((0x20, 2, present, code))
        case Puback(packet_id):
            return bytes((0x40, 2)) + packet_id.to_bytes(2, "big")
        case Suback(packet_id, codes):
            return bytes((0x90, 2 + len(codes))) + packet_id.to_bytes(2, "big") + codes
        case Pingresp():
            return b"\xd0\x00"
    body = len(packet.topic.encode()).to_bytes(2, "big") + packet.topic.encode()
    body += packet.packet_id.to_bytes(2, "big") * packet.qos + packet.payload
    length = bytes((len(body),)) if len(body) < 128 else bytes((len(body) & 127 | 128, len(body) >> 7))
    return bytes((0x30 | packet.again << 3 | packet.qos << 1 | packet.retain,)) + length + body


@given(st.lists(SERVER_PACKETS, max_size=6), st.data())
def test_whatever_the_pieces_the_packets_are_the_same(sent: list[Any], data: Any) -> None:
    stream = b"".join(as_bytes(packet) for packet in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    incoming, found = Incoming(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += incoming.feed(stream[start:end])
    assert found == sent


@given(SERVER_PACKETS)
def test_every_strict_prefix_needs_more(packet: Any) -> None:
    stream = as_bytes(packet)
    incoming = Incoming()
    for n in range(len(stream) - 1):
        assert incoming.feed(stream[n : n + 1]) == []
    assert incoming.feed(stream[-1:]) == [packet]


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(2, 64))
def test_no_bytes_raise_and_memory_is_bounded(pieces: list[bytes], room: int) -> None:
    incoming = Incoming(room)
    dead = False
    for piece in pieces:
        found = incoming.feed(piece)
        assert not (dead and found)
        assert all(not isinstance(packet, Malformed) for packet in found[:-1])
        dead = dead or (bool(found) and isinstance(found[-1], Malformed))
        assert len(incoming._buffer) == room


@given(st.binary(max_size=60), st.binary(min_size=8, max_size=8), st.integers(-10, 6000))
def test_no_answer_of_a_time_server_raises(packet: bytes, cookie: bytes, ms: int) -> None:
    assert not isinstance(sntp.answer(packet, cookie, 0, ms), sntp.Time)


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_no_downlink_raises_but_a_downlink_error(payload: bytes) -> None:
    for read in (downlink.acknowledgement, downlink.command):
        with contextlib.suppress(downlink.DownlinkError):
            read(payload)


def test_a_commands_reference_is_the_gateways() -> None:
    from gateway.tell import _encoded
    from schemas.models import Command
    from schemas.wire_down import decode_command

    for name in ("c-1", "2026-11-22T10:15:00Z", "ä" * 40):
        told = decode_command(_encoded(Command(id=name, command="status")))
        _, ours = downlink.command(('{"id": "%s", "command": "status"}' % name).encode())
        assert ours == told


@given(st.lists(st.sampled_from(("up", "down", "cut", "publish")), min_size=1, max_size=60), st.integers(1, 5))
def test_over_a_line_that_breaks_everything_is_captured_once_each(steps: list[str], window: int) -> None:
    """A broker that remembers what it got, and a line that loses whole directions when it is cut."""
    device = client.Client("kn-1", in_flight=window)
    got: dict[bytes, int] = {}
    captured: list[int] = []
    up: list[bytes] = []
    down: list[bytes] = []
    published = now_ms = 0
    connected = False

    def move(what: str) -> None:
        nonlocal connected
        if what == "cut":
            connected = False
            up.clear()
            down.clear()
            device.lost()
        elif what == "up" and device.out:
            up.append(bytes(device.out.pop(0)))
            serve(up.pop(0))
        elif what == "down" and down:
            captured.extend(event.mark for event in device.received(down.pop(0), now_ms) if hasattr(event, "mark"))

    def serve(packet: bytes) -> None:
        if packet[0] >> 4 == packets.CONNECT:
            down.append(b"\x20\x02\x01\x00")
        else:
            (seen,) = Incoming().feed(packet)
            if seen.payload in got:
                assert seen.again, "sent again without saying so"
            got[seen.payload] = got.get(seen.payload, 0) + 1
            down.append(bytes(packets.puback(seen.packet_id)))

    for step in [*steps, *["up", "down"] * 200]:
        now_ms += 10
        if not connected:
            device.connect(now_ms)
            connected = True
        if step == "publish" and device.publish("t", b"%d" % published, published, now_ms):
            published += 1
        move(step)
        assert device.under_way <= window
    assert sorted(captured) == list(range(published)), "each once"
    assert len(got) == published
