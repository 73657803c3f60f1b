"""In which order readings go out: what comes now before what waits, and what waits in its order."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from gateway.counters import Faults, GatewayCounters
from gateway.database import Database
from gateway.lorawan.downlinks import Downlinks
from gateway.mqtt import MqttUrl
from gateway.networks.events import Events
from gateway.notices import Notices
from gateway.spool import Spool
from gateway.tell import Tell
from gateway.unread import UnreadPayloads
from gateway.uplink import ROUND_MAX, BrokerUplink
from schemas.models import Reading
from tests.gateway.helpers import Directory

WAITING = 5 * ROUND_MAX
TEXT = '{"device": "kn-1", "generation": 1, "seq": 0, "time": "2026-11-01T00:00:00Z", "values": {"battery": 3}}'


class Broker:
    """The broker's side of a client: takes what is published. In the middle of the backlog a reading comes in."""

    def __init__(self, spool: Spool, live: Reading) -> None:
        self.spool, self.live = spool, live
        self.seqs: list[int] = []
        self.whole = asyncio.Event()

    async def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        body = json.loads(payload)
        self.seqs += [reading["seq"] for reading in (body if isinstance(body, list) else [body])]
        if len(self.seqs) == 2 * ROUND_MAX:
            self.spool.add([self.live])
        if len(self.seqs) == WAITING + 1:
            self.whole.set()


async def published(spool: Spool, uplink: BrokerUplink) -> list[int]:
    """Sequence numbers in the order in which a new connection publishes them."""
    broker = Broker(spool, Reading.model_validate_json(TEXT).model_copy(update={"seq": WAITING}))
    uplink._live_to = spool.last_id()  # as on a new connection
    uplink._backlog = (0, uplink._live_to)
    publishing = asyncio.create_task(uplink._publish(broker))  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        await broker.whole.wait()
    publishing.cancel()
    return broker.seqs


def test_what_comes_now_is_not_held_up_by_what_waits(tmp_path: Path) -> None:
    database = Database(tmp_path)
    spool, directory, counters = Spool(database), Directory(), GatewayCounters()
    faults, downlinks = Faults(logging.getLogger(__name__), lambda: 0), Downlinks(database)
    tell = Tell(database, directory, downlinks, counters, faults)
    unread = UnreadPayloads(database, spool, directory, counters, faults)
    events = Events(database, spool, directory, counters, faults, tell)
    notices = Notices(database, downlinks, unread, lambda now_ms: {}, faults)
    url = MqttUrl("127.0.0.1", 1883)
    uplink = BrokerUplink(url, "gateway-1", database, spool, events, tell, notices, counters, faults)
    one = Reading.model_validate_json(TEXT)
    spool.add(one.model_copy(update={"seq": seq}) for seq in range(WAITING))
    seqs = asyncio.run(published(spool, uplink))
    assert seqs.index(WAITING) == 2 * ROUND_MAX, "the very next one"
    assert [seq for seq in seqs if seq != WAITING] == list(range(WAITING)), "the backlog in its order"
    database.close()
