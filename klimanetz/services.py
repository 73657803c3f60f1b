"""The three services as coroutines: each runs until `stop`, and says one line when it is ready."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable

import uvicorn

from cloud.api.app import create_app
from cloud.ingest.pipeline import Pipeline
from cloud.ingest.rawlog import RawLog
from cloud.ingest.service import Ingest, IngestConfig
from cloud.ingest.workers import work
from cloud.ledger.arrivals import Arrivals
from cloud.ledger.dead_letters import DeadLetters
from cloud.ledger.heartbeats import Heartbeats
from cloud.ledger.ledger import Ledger
from cloud.registry.changes import RegistryChanges
from cloud.store.model import StoreRefused, StoreUnavailable
from gateway import service as gateway_service
from gateway.mqtt import MqttUrl as GatewayBroker
from gateway.semtech.endpoint import UdpAddress
from gateway.spool import Limits
from klimanetz import wiring
from klimanetz.failure import Failure
from klimanetz.settings import Settings

NOT_READING_MS = 120_000
SEND_BUFFER = 262_144  # bytes for a client; left to itself Linux gives one that does not read up to 4 MB
Say = Callable[[str], None]
log = logging.getLogger("klimanetz")


async def gateway(
    settings: Settings, stop: asyncio.Event, say: Say, address: asyncio.Future[tuple[str, int]] | None = None
) -> None:
    """Semtech UDP, the LoRaWAN network role, other networks' events, the spool. `address`: where it hears."""
    url = settings.mqtt_url
    config = gateway_service.GatewayConfig(
        mqtt=GatewayBroker(url.host, url.port, url.username, url.password, url.tls),
        udp_host=settings.udp_listen.host,
        udp_port=settings.udp_listen.port,
        spool=settings.spool,
        instance=settings.instance or "gateway",
        limits=Limits(reading=settings.spool_readings),
        gateways="any" if settings.gateways is None else settings.gateways,
        channels=wiring.channels(settings),
    )

    def ready(bound: UdpAddress) -> None:
        if address is not None:
            address.set_result((bound[0], bound[1]))
        say(f"gateway: hears Semtech UDP on {bound[0]}:{bound[1]}")

    await gateway_service.run(
        config, wiring.registry(settings, stale_ms=1000, keys=True), wiring.seal(settings), ready, stop
    )


async def ingest(settings: Settings, stop: asyncio.Event, say: Say, workers: int = 1) -> None:
    """Broker to store; with several workers each applies the readings of its share of the devices."""
    registry = wiring.registry(settings)
    instance = settings.instance or "ingest-1"
    config = IngestConfig(
        settings.mqtt_url,
        instance,
        settings.spool / instance,
        settings.mqtt_share,
        workers,
        wiring.worker_command,
        settings.retention_days,
    )
    store = await asyncio.to_thread(wiring.store, settings)
    try:
        await asyncio.to_thread(store.ping)
    except (StoreRefused, StoreUnavailable) as error:  # no reason to stop: what comes is captured meanwhile
        log.error("%s; what comes is captured and waits", error)
    try:
        replica = Ingest(config, store, Ledger(registry.engine), registry)
        await replica.run(stop, lambda: say(f"ingest: {instance} listens"))
    finally:
        store.close()


async def worker(settings: Settings, stop: asyncio.Event, say: Say, number: int, workers: int) -> None:
    """One of several workers of an ingest, which starts it and tells it when to end."""
    registry = wiring.registry(settings)
    raw = RawLog(settings.spool / (settings.instance or "ingest-1"), alone=False)
    store = await asyncio.to_thread(wiring.store, settings)
    pipeline = Pipeline(store, Ledger(registry.engine), registry, raw.id, divided=settings.mqtt_share is not None)
    try:
        await work(raw, pipeline, number, workers)
    finally:
        store.close()


async def api(settings: Settings, stop: asyncio.Event, say: Say) -> None:
    """HTTP."""
    registry = wiring.registry(settings)
    writable = wiring.with_keys(registry, settings)
    store = await asyncio.to_thread(wiring.store, settings)
    app = create_app(
        store,
        registry,
        delivery=wiring.Delivery(Ledger(registry.engine), registry),
        dead_letters=wiring.Letters(DeadLetters(registry.engine), writable),
        changes=None if writable is None else RegistryChanges(writable),
        arrivals=Arrivals(registry.engine),
        ingests=wiring.Ingests(Heartbeats(registry.engine)),
        imprint_url=settings.imprint_url,
        privacy_url=settings.privacy_url,
        accessibility_url=settings.accessibility_url,
    )
    listen = settings.http_listen
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        listening = socket.create_server((listen.host, listen.port), family=family, backlog=512)
    except OSError as error:
        raise Failure(
            f"cannot listen on {listen}: {os.strerror(error.errno or 0)}; set KLIMANETZ_HTTP_LISTEN to a free port"
        ) from None
    if hasattr(
        socket, "TCP_USER_TIMEOUT"
    ):  # Linux: who has not read for so long is let go; accepted sockets inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, NOT_READING_MS)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5))
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]  # ours, see cli.services
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    host, port = listening.getsockname()[:2]
    say(f"api: http://{f'[{host}]' if ':' in host else host}:{port}")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    app.state.streams.end()
    server.should_exit = True
    await serving
    stopping.cancel()
    store.close()
