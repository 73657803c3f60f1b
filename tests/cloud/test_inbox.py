"""The reader of the broker's bytes: over a real socket, however the bytes are cut, and over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud import mqtt
from cloud.inbox import LIMIT_BYTES, Delivery, Inbox
from tests.brokers import start_mosquitto
from tests.ports import free_port

CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"


def publish(topic: bytes, payload: bytes, mid: int | None = None, retained: bool = False) -> bytes:
    """A PUBLISH packet (3.3)."""
    body = len(topic).to_bytes(2, "big") + topic + (b"" if mid is None else mid.to_bytes(2, "big")) + payload
    size, length = len(body), b""
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            break
    return bytes([0x30 | (0 if mid is None else 2) | retained]) + length + body


@asynccontextmanager
async def connected(pieces: list[bytes]) -> AsyncIterator[tuple[Inbox, list[bytes]]]:
    """An inbox on a peer that says these things one after the other, and what the peer has heard."""
    heard: list[bytes] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)  # CONNECT
        writer.write(CONNACK)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        while said := await reader.read(1 << 16):
            heard.append(said)
        writer.close()

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    made = mqtt.client(mqtt.MqttUrl("127.0.0.1", server.sockets[0].getsockname()[1]), "ingest-1")
    inbox = Inbox(made)
    async with made, asyncio.timeout(20):
        yield inbox, heard
    server.close()


async def take(inbox: Inbox, count: int) -> list[Delivery]:
    taken: list[Delivery] = []
    while len(taken) < count:
        taken += await inbox.take()
    return taken


messages = st.lists(
    st.tuples(st.binary(max_size=40), st.binary(max_size=300), st.booleans(), st.integers(1, 65535) | st.none()),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(messages, st.lists(st.integers(1, 200), max_size=20), st.booleans())
def test_messages_come_whole_however_the_bytes_are_cut(
    sent: list[tuple[bytes, bytes, bool, int | None]], cuts: list[int], pings: bool
) -> None:
    data = b"".join(
        publish(topic, payload, mid, kept) + (PINGRESP if pings else b"") for topic, payload, kept, mid in sent
    )
    pieces, at = [], 0
    for size in cuts:
        pieces.append(data[at : at + size])
        at += size
    pieces.append(data[at:])

    async def scenario() -> None:
        async with connected(pieces) as (inbox, heard):
            taken = await take(inbox, len(sent))
            assert taken == [(t, p, kept, None if mid is None else mid.to_bytes(2, "big")) for t, p, kept, mid in sent]
            inbox.acknowledge(taken)
            acks = b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for _, _, _, mid in sent if mid is not None)
            while b"".join(heard)[: len(acks)] != acks:
                await asyncio.sleep(0.001)

    asyncio.run(scenario())


@pytest.mark.parametrize("garbage", [b"\x32\x02\x00\x05", b"\x30\xff\xff\xff\xff\x01", b"\xf7\x00", b"\x30\x01\x00"])
def test_what_is_not_mqtt_ends_the_connection(garbage: bytes) -> None:
    async def scenario() -> None:
        async with connected([publish(b"a", b"1", 1) + garbage]) as (inbox, _):
            with pytest.raises(aiomqtt.MqttError):
                await take(inbox, 99)

    asyncio.run(scenario())


def test_nothing_more_is_read_while_much_waits() -> None:
    one = publish(b"a", bytes(1 << 20), 1)

    async def scenario() -> None:
        async with connected([one] * 64) as (inbox, _):
            while inbox._paused is None:
                await asyncio.sleep(0.001)
            assert LIMIT_BYTES <= sum(len(payload) for _, payload, _, _ in inbox._waiting) < 2 * LIMIT_BYTES
            assert len(await take(inbox, 64)) == 64

    asyncio.run(scenario())


def test_what_the_broker_says_beside_messages_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog's acknowledgements alone are megabytes of PUBACK; they are not waiting to be taken."""
    monkeypatch.setattr("cloud.inbox.LIMIT_BYTES", 100_000)
    monkeypatch.setattr("cloud.inbox.CHUNK_BYTES", 10_000)
    pubacks = b"\x40\x02\x00\x01" * 50_000

    async def scenario() -> None:
        async with connected([pubacks, publish(b"a", b"1", 1)]) as (inbox, _):
            assert len(await take(inbox, 1)) == 1

    asyncio.run(scenario())


def test_a_packet_of_any_size_costs_its_size() -> None:
    """Copied once, not with each piece that comes of it."""

    async def scenario() -> None:
        async with connected([publish(b"a", bytes(64 << 20), 1) + publish(b"b", b"2", 2)]) as (inbox, _):
            cuts = []
            cut = inbox._cut
            inbox._cut = lambda data: cuts.append(len(data)) or cut(data)  # type: ignore[method-assign, func-returns-value]
            taken = await take(inbox, 2)
            assert [len(payload) for _, payload, _, _ in taken] == [64 << 20, 1]
            assert sum(cuts) < 2 * (64 << 20)

    asyncio.run(scenario())


def test_an_end_that_is_no_word_of_mqtt_is_an_end_all_the_same() -> None:
    """What else goes wrong in the libraries beneath must not end ingest."""

    async def scenario() -> None:
        async with connected([]) as (inbox, _):
            inbox._made._disconnected.set_exception(ValueError("a fault"))
            with pytest.raises(aiomqtt.MqttError):
                await inbox.take()
            inbox._made._disconnected = asyncio.get_running_loop().create_future()
            inbox._made._disconnected.set_result(None)

    asyncio.run(scenario())


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that sign themselves."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "key.pem", folder / "cert.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[0].write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    paths[1].write_bytes(made.public_bytes(encoding))
    return paths


@pytest.mark.mosquitto
def test_over_tls_nothing_stays_behind(mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, cert = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    port = free_port()
    broker = start_mosquitto(
        mosquitto, tmp_path / "broker",
        f"max_inflight_messages 2000\nlistener {port} 127.0.0.1\nallow_anonymous true\nkeyfile {key}\ncertfile {cert}",
    )  # fmt: skip

    async def scenario() -> None:
        made = mqtt.client(mqtt.MqttUrl("localhost", port, tls=True), "ingest-1")
        inbox = Inbox(made)
        async with made as client, aiomqtt.Client(broker.host, broker.port) as other, asyncio.timeout(30):
            await client.subscribe("t/+", qos=1)
            sending = asyncio.create_task(_publish(other, 3000))
            taken: list[Delivery] = []
            while len(taken) < 3000:
                some = await inbox.take()
                inbox.acknowledge(some)
                taken += some
            await sending
            assert [int(payload) for _, payload, _, _ in taken] == list(range(3000))

    try:
        assert ssl.create_default_context().cert_store_stats()["x509"] >= 1
        asyncio.run(scenario())
    finally:
        broker.stop()


async def _publish(client: aiomqtt.Client, count: int) -> None:
    for n in range(count):
        await client.publish("t/1", b"%d" % n, qos=1)
