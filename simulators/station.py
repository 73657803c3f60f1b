"""A simulated station: it measures the weather of its place and counts its readings for life. No clock, no socket.

What must survive a restart (`to_dict`) is stored before anything made from it is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edge.lorawan.device import Device, Joined
from schemas.wire import WireReading, encode
from simulators.city import Site
from simulators.weather import Place, Weather, weather_at

READINGS_PORT = 1
Aes = Callable[[bytes], Any]
WeatherAt = Callable[[float, Place, int], Weather]


@dataclass(slots=True)
class Station:
    """One device at one site; `lorawan` is None for a Wi-Fi station."""

    device: str
    site: Site
    seed: int
    lorawan: Device | None = None
    dev_eui: str | None = None
    generation: int = 1
    seq: int = 0
    last_s: int = 0
    weather: WeatherAt = weather_at
    _previous: WireReading | None = field(default=None, repr=False)

    def measure(self, time_s: int) -> WireReading:
        """The next reading, at a moment in whole seconds."""
        now = self.weather(time_s, self.site.place, self.seed)
        values = {
            "air_temperature": now.air_temperature,
            "relative_humidity": now.relative_humidity,
            "air_pressure": now.air_pressure,
            "battery": round(4.05 - 0.00002 * (self.seq % 10_000), 2),
        }
        self.seq += 1
        self.last_s = time_s
        return WireReading(self.generation, self.seq, time_s, None, "ntp", 0.5, values, ())

    def frame(self, time_s: int) -> bytes:
        """Measure, and the LoRaWAN frame that carries the reading and the one before it."""
        assert self.lorawan is not None
        reading = self.measure(time_s)
        readings = [reading, self._previous] if self._previous is not None else [reading]
        self._previous = reading
        payload, _ = encode(readings, self.lorawan.room())
        return bytes(self.lorawan.uplink(payload, READINGS_PORT))

    def hear(self, phy: bytes) -> bool:
        """A downlink that may be for this station; True when it made it join."""
        if self.lorawan is None:
            return False
        if isinstance(self.lorawan.on_join_accept(phy), Joined):
            return True
        self.lorawan.on_downlink(phy)
        return False

    def to_dict(self) -> dict[str, Any]:
        """What must survive, for JSON."""
        radio = self.lorawan.to_dict() if self.lorawan is not None else None
        return {"generation": self.generation, "seq": self.seq, "last_s": self.last_s, "radio": radio}


def message(device: str, reading: WireReading) -> dict[str, Any]:
    """A reading as a Wi-Fi station sends it in JSON."""
    return {
        "device": device,
        "generation": reading.generation,
        "seq": reading.seq,
        "time": rfc3339(reading.time_s),
        "time_source": reading.time_source,
        "time_uncertainty_s": reading.uncertainty_s,
        "values": reading.values,
        "link": {"via": "wifi"},
    }


def rfc3339(time_s: int) -> str:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
