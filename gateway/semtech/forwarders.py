"""The gateways that talk to us: which are heard, and which way leads back to each.

A downlink goes to the address that the gateway's newest PULL_DATA came from, which is how it gets through a
gateway's firewall. The protocol has no authentication: a list of EUIs, best with addresses, is what can be had.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from gateway.semtech.objects import Stat
from schemas.models import utc_text, utc_text_ms

Address = tuple[Any, ...]  # of a socket: (host, port), for IPv6 two more
Allowed = Literal["any"] | Mapping[str, str | None]  # EUI -> address, None for any address
SILENT_MS = 300_000  # then a gateway is off the air: it sends PULL_DATA every some seconds and `stat` every 30
STATES_MAX = 1000  # gateways whose state is published
WAYS_MAX = 10_000  # with "any" everyone can invent EUIs


@dataclass(frozen=True, slots=True)
class Way:
    """Where a gateway waits for downlinks, and the protocol version it speaks."""

    address: Address
    version: int


@dataclass(slots=True)
class State:
    """What a gateway last said of itself."""

    address: str
    heard_ms: int
    stat: Stat | None = None
    told: str = ""  # what was published of it


class Forwarders:
    """EUIs are lower-case hex."""

    def __init__(self, allowed: Allowed = "any") -> None:
        self._allowed = allowed if allowed == "any" else {eui.lower(): host for eui, host in allowed.items()}
        self._ways: dict[str, Way] = {}
        self._states: dict[str, State] = {}

    def admits(self, eui: str, address: Address) -> bool:
        """Whether a datagram with this EUI from this address is taken."""
        if self._allowed == "any":
            return True
        return eui in self._allowed and self._allowed[eui] in (None, str(address[0]).removeprefix("::ffff:"))

    def pulled(self, eui: str, address: Address, version: int) -> None:
        """A PULL_DATA: from now on this is the way."""
        self._ways.pop(eui, None)
        self._ways[eui] = Way(address, version)
        if len(self._ways) > WAYS_MAX:
            del self._ways[next(iter(self._ways))]

    def said(self, eui: str, address: Address, stat: Stat | None, now_ms: int) -> None:
        """A PUSH_DATA, with the gateway's own state or without."""
        state = self._states.get(eui)
        if state is None:
            if len(self._states) >= STATES_MAX:
                return
            state = self._states[eui] = State(str(address[0]), now_ms)
        state.address, state.heard_ms = str(address[0]), now_ms
        state.stat = stat or state.stat

    def states(self, now_ms: int) -> dict[str, dict[str, object]]:
        """EUI -> status message, of gateways that have something new to tell: figures, or that they fell silent."""
        news = {}
        for eui, state in self._states.items():
            body = _status(state, now_ms)
            if (text := repr(body)) != state.told:
                state.told, news[eui] = text, body
        return news

    def way(self, eui: str) -> Way | None:
        """The way to a gateway, None where it has not opened one yet."""
        return self._ways.get(eui)

    def __len__(self) -> int:
        return len(self._ways)


def _status(state: State, now_ms: int) -> dict[str, object]:
    online = now_ms - state.heard_ms < SILENT_MS
    body: dict[str, object] = {"online": online, "role": "lora-gateway", "address": state.address}
    if not online:
        body["heard"] = utc_text_ms(state.heard_ms)
    for name, value in asdict(state.stat).items() if state.stat else ():
        if value is not None:
            body[name] = utc_text(value) if isinstance(value, datetime) else value
    return body
