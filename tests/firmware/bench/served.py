"""The real registry behind the real application, in the test's process, and what the bench asks it with."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient

from cloud.api.app import create_app
from cloud.registry.changes import RegistryChanges
from cloud.registry.registry import Registry
from firmware.bench.identity.registry import Online
from klimanetz.seal import Seal
from klimanetz.wiring import Delivery
from tests.cloud.ingest_parts import NOW_MS, make

NOW = "2026-11-22T10:15:00Z"
KEY = "0f" * 16
OTAA = {"activation": "otaa", "dev_eui": "70b3d57ed0001234", "join_eui": "0" * 16, "app_key": KEY, "codec": "klimanetz"}


class Served:
    """Stations marktplatz and neustadt, each with an MQTT device: kn-1 and kn-2. Keys: r, w, a."""

    def __init__(self, folder: Path) -> None:
        self.parts = make(folder)
        now_ms = count(NOW_MS, 1000)
        self.registry = Registry(self.parts.registry.engine, lambda: next(now_ms), 0, Seal("secret"))
        for key, scope in (("r", "read"), ("w", "write"), ("a", "admin")):
            self.registry.add_key(key, scope, None)
        self.app = create_app(
            self.parts.store,
            self.parts.registry,
            Delivery(self.parts.ledger, self.parts.registry),
            changes=RegistryChanges(self.registry),
        )
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def online(self, key: str = "a") -> Online:
        return Online("http://testserver", key, self.client, lambda _: None)


def answering(answer: Callable[[httpx.Request], Any], pause: Callable[[float], None] = lambda _: None) -> Online:
    """A registry that answers as it is told."""
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return Online("http://registry.example", "k", client, pause)
