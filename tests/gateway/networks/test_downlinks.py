"""The way back: the messages that the networks document, and the newest route of each device."""

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.database import Database
from gateway.networks.downlinks import (
    PAYLOAD_MAX,
    DownlinkError,
    NetworkKind,
    Route,
    Routes,
    network_reference,
    push,
)

CHIRPSTACK = Route(NetworkKind.CHIRPSTACK, "5bb92de6-49b3-49af-a366-34667f2230be", "a8404187d187106e")
THINGS_STACK = Route(NetworkKind.THINGS_STACK, "app@tenant", "dev1")


def test_chirpstack() -> None:
    topic, body = push(CHIRPSTACK, 10, b"\x01\x02", confirmed=True, reference="ack-7")
    assert topic == "application/5bb92de6-49b3-49af-a366-34667f2230be/device/a8404187d187106e/command/down"
    message = json.loads(body)
    uuid.UUID(message.pop("id"))
    assert message == {"devEui": "a8404187d187106e", "confirmed": True, "fPort": 10, "data": "AQI="}
    assert "id" not in json.loads(push(CHIRPSTACK, 10, b"")[1])


def test_things_stack() -> None:
    topic, body = push(THINGS_STACK, 11, b"\x01\x02", reference="cmd-1")
    assert topic == "v3/app@tenant/devices/dev1/down/push"
    assert json.loads(body) == {
        "downlinks": [
            {"f_port": 11, "frm_payload": "AQI=", "confirmed": False, "priority": "NORMAL",
             "correlation_ids": ["klimanetz:cmd-1"]}
        ]
    }  # fmt: skip
    assert "correlation_ids" not in json.loads(push(THINGS_STACK, 10, b"")[1])["downlinks"][0]


def test_a_reference_is_the_same_every_time() -> None:
    for network in NetworkKind:
        assert network_reference(network, "a") == network_reference(network, "a") != network_reference(network, "b")
        assert network_reference(network, "") == ""


@pytest.mark.parametrize(
    ("route", "fport", "payload", "says"),
    [
        (CHIRPSTACK, 0, b"", "port 0"), (CHIRPSTACK, 224, b"", "port 224"),
        (THINGS_STACK, 10, bytes(PAYLOAD_MAX + 1), "243 bytes"),
        (Route(NetworkKind.THINGS_STACK, "app", "a/b"), 10, b"", "no topic leads to a/b"),
        (Route(NetworkKind.CHIRPSTACK, "+", "a"), 10, b"", "no topic leads to a of"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for(route: Route, fport: int, payload: bytes, says: str) -> None:
    with pytest.raises(DownlinkError, match=says):
        push(route, fport, payload)


@given(st.sampled_from([CHIRPSTACK, THINGS_STACK]), st.integers(1, 223), st.binary(max_size=PAYLOAD_MAX), st.booleans())
def test_what_goes_in_is_in_it(route: Route, fport: int, payload: bytes, confirmed: bool) -> None:
    message = json.loads(push(route, fport, payload, confirmed)[1])
    sent = message["downlinks"][0] if "downlinks" in message else message
    assert base64.b64decode(sent.get("data", sent.get("frm_payload"))) == payload
    assert (sent.get("fPort", sent.get("f_port")), sent["confirmed"]) == (fport, confirmed)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    yield database
    database.close()


def test_routes(database: Database, tmp_path: Path) -> None:
    routes = Routes(database)
    assert routes.get("a") is None
    routes.keep("a", CHIRPSTACK)
    routes.keep("a", THINGS_STACK)
    routes.keep("b", CHIRPSTACK)
    assert (routes.get("a"), routes.device_at(THINGS_STACK), routes.device_at(CHIRPSTACK)) == (THINGS_STACK, "a", "b")
    routes.forget("b")
    assert (routes.get("b"), routes.device_at(CHIRPSTACK)) == (None, None)


def test_a_route_that_stays_costs_no_write(database: Database) -> None:
    routes = Routes(database)
    routes.keep("a", CHIRPSTACK)
    database.execute("CREATE TRIGGER no BEFORE INSERT ON route BEGIN SELECT RAISE(ABORT, 'no'); END")
    routes.keep("a", CHIRPSTACK)
    assert routes.get("a") == CHIRPSTACK
