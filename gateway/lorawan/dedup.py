"""One transmission, heard by several gateways: wait a moment, then take the best and remember who else heard it.

The window opens with the first that hears a frame. Two receptions belong together when their bytes are the same, so
a repetition by the device after the window is a frame of its own (and `network` calls it a retransmission).
"""

from dataclasses import dataclass

from gateway.semtech.objects import Rx

WINDOW_MS = 200  # the first receive window opens 1,000 ms after the transmission


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame as one antenna heard it; `input_id` is the captured datagram it came in."""

    rx: Rx
    received_ms: int
    input_id: int


@dataclass(frozen=True, slots=True)
class Reception:
    """A frame with everyone who heard it, the best link first."""

    heard: tuple[Heard, ...]

    @property
    def best(self) -> Rx:
        """The best link."""
        return self.heard[0].rx

    @property
    def received_ms(self) -> int:
        """When the first gateway's datagram came in."""
        return min(one.received_ms for one in self.heard)

    @property
    def snr_db(self) -> float | None:
        """The best of all gateways."""
        return max((one.rx.snr_db for one in self.heard if one.rx.snr_db is not None), default=None)

    @property
    def gateways(self) -> list[str]:
        """Who heard it, each once, the best first."""
        return list(dict.fromkeys(one.rx.gateway for one in self.heard))


class Deduplicator:
    """Frames within their window. `now_ms` is of a clock that only goes forward."""

    def __init__(self, window_ms: int = WINDOW_MS) -> None:
        self._window_ms = window_ms
        self._open: dict[bytes, tuple[int, list[Heard]]] = {}  # in the order in which they opened

    def add(self, heard: Heard, now_ms: float) -> bool:
        """Takes one reception; whether it is the first of its frame."""
        first = heard.rx.phy not in self._open
        self._open.setdefault(heard.rx.phy, (int(now_ms) + self._window_ms, []))[1].append(heard)
        return first

    def due(self, now_ms: float) -> list[Reception]:
        """Frames whose window has closed, the oldest first."""
        closed = []
        for phy, (due_ms, _) in self._open.items():
            if due_ms > now_ms:
                break
            closed.append(phy)
        return [Reception(tuple(sorted(self._open.pop(phy)[1], key=_worse))) for phy in closed]

    def next_due_ms(self) -> int | None:
        """When `due` has something again."""
        return next((due_ms for due_ms, _ in self._open.values()), None)


def _worse(heard: Heard) -> tuple[bool, float, float]:
    """Sorts the best link first; a gateway without a counter cannot answer."""
    rx = heard.rx
    return rx.tmst is None, -(rx.snr_db if rx.snr_db is not None else -99), -(rx.rssi_dbm or -999)
