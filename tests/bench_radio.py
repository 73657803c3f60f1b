"""The radio part of `make bench`: frames opened on one core beside other implementations, and the whole gateway.

The gateway is measured as it runs: a process of its own, fed over a real UDP socket by a forwarder that waits for
PUSH_ACKs as they would queue in the kernel, with its spool on the disk, publishing with QoS 1 to a real Mosquitto. The
time goes from the first datagram to the last reading that a subscriber has seen. No PULL_DATA, so no downlink leaves.
"""

import base64
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho

from edge.lorawan import frames, security, server
from edge.lorawan.device import Device as OnAir
from edge.lorawan.session import Session
from gateway.lorawan.aes import aes
from gateway.semtech import datagrams
from tests import oracles
from tests.brokers import start_mosquitto
from tests.gateway.bench_process import DEVICES, dev_addr, keys
from tests.gateway.helpers import EUI, payload, rxpk

FRAMES, PEER_FRAMES = 20_000, 5_000
GATEWAY_DATAGRAMS, PER_DATAGRAM = 1_000, 8  # 8,000 frames: 20 of each device
IN_FLIGHT = 64  # datagrams without PUSH_ACK
START_S, GIVE_UP_S = 10.0, 40.0
Row = Callable[..., None]


def rate(count: int, work: Callable[[], object], rounds: int = 1) -> float:
    """How many a second, the best of some rounds."""
    best = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        best = max(best, count / (time.perf_counter() - began))
    return best


def lorawan(row: Row) -> None:
    """Verify and decrypt uplinks of 24 bytes, one core: parse, MIC, counter, decryption, next session."""
    chance = random.Random(1)
    nwk, app = chance.randbytes(16), chance.randbytes(16)
    phys = [uplink(nwk, app, fcnt, chance.randbytes(24)) for fcnt in range(FRAMES)]

    def open_all() -> None:
        now = Session(0x49BE7DF1, nwk, app)
        for phy in phys:
            now = server.open_uplink(aes, now, frames.parse(phy)).session

    ours = rate(FRAMES, open_all, 3)
    for name, tool in (("lora-packet", "npm"), ("lrwn", "cargo")):
        theirs = oracles.frames_per_second(name, phys[:PEER_FRAMES], nwk, app) if shutil.which(tool) else None
        row("LoRaWAN: verify and decrypt, one session", ours, f"{name} ({tool})", theirs, "frames/s")
    fleet = [(chance.randbytes(16), chance.randbytes(16)) for _ in range(400)]
    many = [uplink(*fleet[n % 400], n // 400, chance.randbytes(24)) for n in range(FRAMES)]

    def open_many() -> None:
        sessions = [Session(0x49BE7DF1, *pair) for pair in fleet]
        for n, phy in enumerate(many):
            sessions[n % 400] = server.open_uplink(aes, sessions[n % 400], frames.parse(phy)).session

    row("LoRaWAN: the same, 400 sessions in turn", rate(FRAMES, open_many, 3), "", None, "frames/s")


def uplink(nwk: bytes, app: bytes, fcnt: int, data: bytes) -> bytes:
    body = frames.build_data(
        frames.UNCONFIRMED_UP, 0x49BE7DF1, fcnt & 0xFFFF, b"", 1,
        security.crypt_payload(aes(app), security.UP, 0x49BE7DF1, fcnt, data),
    )  # fmt: skip
    return bytes(body + security.data_mic(aes(nwk), security.UP, 0x49BE7DF1, fcnt, body))


def gateway(row: Row) -> None:
    """Datagrams through the whole gateway to a subscriber of the broker."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if mosquitto is None:
        print("whole gateway: left out, no mosquitto on PATH")
        return
    pushes = fleet_pushes()
    with tempfile.TemporaryDirectory() as folder:
        broker = start_mosquitto(mosquitto, Path(folder) / "broker")
        try:
            with Subscriber(broker.port) as subscriber, running(Path(folder), broker.port) as port:
                subscriber.wait_for_gateway()
                took = feed(port, pushes, lambda: subscriber.readings)
        finally:
            broker.stop()
    row("whole gateway: UDP to subscriber", len(pushes) / took, "", None, "datagrams/s")
    row(
        f"  with {PER_DATAGRAM} frames each of {DEVICES} devices",
        len(pushes) * PER_DATAGRAM / took,
        "",
        None,
        "readings/s",
    )


def fleet_pushes() -> list[bytes]:
    """PUSH_DATA with frames of all devices in turn, one reading in each frame."""
    fleet = [OnAir.abp(aes, dev_addr(n), *keys(n)) for n in range(DEVICES)]
    made, n = [], 0
    for number in range(GATEWAY_DATAGRAMS):
        objects = []
        for _ in range(PER_DATAGRAM):
            phy = fleet[n % DEVICES].uplink(payload(n // DEVICES), 1)
            objects.append(rxpk(phy, data=base64.b64encode(phy).decode()))
            n += 1
        made.append(datagrams.push_data(number.to_bytes(2, "big"), EUI, {"rxpk": objects}))
    return made


def feed(port: int, pushes: list[bytes], count: Callable[[], int]) -> float:
    """Sends all of them and waits for every reading; the seconds it took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.connect(("127.0.0.1", port))
        began = time.perf_counter()
        for number, push in enumerate(pushes):
            udp.send(push)
            if number >= IN_FLIGHT:
                udp.recv(64)
        wanted = len(pushes) * PER_DATAGRAM
        while count() < wanted:
            if time.perf_counter() - began > GIVE_UP_S:
                raise RuntimeError(f"{count()} of {wanted} readings came in {GIVE_UP_S:g} s")
            time.sleep(0.005)
        return time.perf_counter() - began


@contextmanager
def running(folder: Path, broker_port: int) -> Iterator[int]:
    """The gateway as a process; its UDP port. What it logs stays in the folder."""
    command = [sys.executable, "-m", "tests.gateway.bench_process", str(folder / "spool"), str(broker_port)]
    log = folder / "gateway.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.stdout
        port = process.stdout.readline()
        if not port:
            raise RuntimeError("the gateway did not start: " + log.read_text()[-500:])
        yield int(port)
    finally:
        process.terminate()
        process.wait(10)


class Subscriber:
    """Counts the readings that reach the broker, in a thread; knows when the gateway is there."""

    def __init__(self, broker_port: int) -> None:
        self.readings = 0
        self._subscribed, self._online = threading.Event(), threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "bench")
        self._client.on_message = self._on_message
        self._client.on_connect = lambda *_: self._client.subscribe(
            [(f"klimanetz/v1/{t}/#", 1) for t in ("up", "status")]
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", broker_port)

    def __enter__(self) -> "Subscriber":
        self._client.loop_start()
        self._wait(self._subscribed, "the broker did not take the subscription")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for_gateway(self) -> None:
        self._wait(self._online, "the gateway did not reach the broker")

    def _wait(self, event: threading.Event, else_: str) -> None:
        if not event.wait(START_S):
            raise RuntimeError(else_)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        if "/status/" in message.topic:
            self._online.set()
        else:
            self.readings += len(body) if isinstance(body, list) else 1
