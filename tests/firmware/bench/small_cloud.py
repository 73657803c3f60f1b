"""A small cloud for the bench: real registry, ingest and API on SQLite, at a port; the gateway's real core hands readings in."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from cloud.api.app import create_app
from cloud.registry import imports
from cloud.registry.changes import RegistryChanges
from klimanetz.wiring import Delivery
from tests.cloud.ingest_parts import Parts, make, message
from tests.firmware.gateway_core import GatewayCore
from tests.gateway.helpers import DEV_EUI, EUI, JOIN_EUI, otaa

KEY = "kn_bench"


class SmallCloud:
    """`url`, `core` (a gateway's: `air` for a board), and what is to be said by others: `say`."""

    def __init__(self, folder: Path, device: str, elevation_m: float) -> None:
        self.parts: Parts = make(folder)
        self._lock = threading.Lock()
        self.deaf = False  # the cloud takes nothing in
        rows = [f"s{n},S{n},51.48{n},11.97,{elevation_m},2.0,passiv" for n in range(4)]
        head = "station,name,latitude,longitude,elevation_m,height_m,shield\n"
        imports.import_stations(self.parts.registry, (head + "\n".join(rows)).encode())
        listed = (
            f"device,station,activation,dev_eui,join_eui,app_key\n{device},s0,otaa,{DEV_EUI},{JOIN_EUI},{'00' * 16}\n"
        )
        others = "".join(f"other-{n},s{n},mqtt,,,\n" for n in range(1, 4))
        imports.import_devices(self.parts.registry, (listed + others).encode())
        self.parts.registry.add_key(KEY, "read", None)
        self.core = GatewayCore(folder / "gateway", otaa(device), on_readings=self._on_readings)
        self.url = ""

    @property
    def air(self) -> dict[str, Any]:
        return {"server": self.core.address, "gateway": EUI, "snr_db": 8}

    def say(self, **values: float) -> None:
        """The other stations, just now."""
        for n in range(1, 4):
            self._take(f"other-{n}", {"device": f"other-{n}", "values": values})

    def _on_readings(self, device: str, readings: list[dict[str, Any]]) -> None:
        if not self.deaf:
            for one in readings:
                self._take(device, one)

    def _take(self, device: str, reading: dict[str, Any]) -> None:
        with self._lock:
            self.parts.take(message(reading, device=device, received_ms=int(time.time() * 1000)))


@contextmanager
def small_cloud(folder: Path, device: str, elevation_m: float = 100.0) -> Iterator[SmallCloud]:
    """It runs until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    cloud = SmallCloud(folder, device, elevation_m)
    app = create_app(
        cloud.parts.store, cloud.parts.registry, delivery=Delivery(cloud.parts.ledger, cloud.parts.registry),
        changes=RegistryChanges(cloud.parts.registry),
    )  # fmt: skip
    listening = socket.create_server(("127.0.0.1", 0))
    cloud.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    try:
        with cloud.core:
            yield cloud
    finally:
        server.should_exit = True
        thread.join(10)
        cloud.parts.store.close()


def settings(cloud: SmallCloud | None) -> dict[str, str]:
    """The environment of a laptop that can reach it."""
    return {} if cloud is None else {"KLIMANETZ_API_URL": cloud.url, "KLIMANETZ_API_KEY": KEY}


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
