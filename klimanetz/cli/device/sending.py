"""Readings of a board to the broker from this laptop, and what the cloud says of them."""

import asyncio
import ssl

import aiomqtt
import orjson

from cloud.mqtt import MqttUrl
from firmware.bench.trouble import BenchError
from firmware.bench.words import say
from schemas import topics
from schemas.wire import WireReading


async def send(url: MqttUrl, device: str, readings: list[WireReading], frames: list[bytes], wait_s: float) -> int:
    """How many of them the cloud has said to be stored within `wait_s`. Raises BenchError."""
    waiting = {(one.generation, one.seq) for one in readings}
    try:
        async with aiomqtt.Client(
            url.host, url.port, username=url.username, password=url.password,
            tls_context=ssl.create_default_context() if url.tls else None,
        ) as client:  # fmt: skip
            await client.subscribe(topics.topic(topics.ACK, device), qos=1)
            for frame in frames:
                await client.publish(topics.topic(topics.RAW, device), frame, qos=1)
            try:
                async with asyncio.timeout(wait_s):
                    await _until_stored(client, waiting)
            except TimeoutError:
                pass
    except aiomqtt.MqttError as error:
        raise BenchError(
            say(
                "the broker %s does not take it (%s); the readings are safe in the backup: try again later",
                "der Broker %s nimmt es nicht an (%s); die Messungen sind in der Sicherung: später noch einmal",
                url,
                error,
            )
        ) from None
    return len(readings) - len(waiting)


async def _until_stored(client: aiomqtt.Client, waiting: set[tuple[int, int]]) -> None:
    async for message in client.messages:
        for generation, first, last in orjson.loads(bytes(message.payload))["stored"]:
            waiting -= {key for key in waiting if key[0] == generation and first <= key[1] <= last}
        if not waiting:
            return
