"""The gateways that talk to us: which are heard, and which way leads back to each.

A downlink goes to the address that the gateway's newest PULL_DATA came from, which is how it gets through a
gateway's firewall. The protocol has no authentication: a list of EUIs, best with addresses, is what can be had.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Address = tuple[Any, ...]  # of a socket: (host, port), for IPv6 two more
Allowed = Literal["any"] | Mapping[str, str | None]  # EUI -> address, None for any address
WAYS_MAX = 10_000  # with "any" everyone can invent EUIs


@dataclass(frozen=True, slots=True)
class Way:
    """Where a gateway waits for downlinks, and the protocol version it speaks."""

    address: Address
    version: int


class Forwarders:
    """EUIs are lower-case hex."""

    def __init__(self, allowed: Allowed = "any") -> None:
        self._allowed = allowed if allowed == "any" else {eui.lower(): host for eui, host in allowed.items()}
        self._ways: dict[str, Way] = {}

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

    def way(self, eui: str) -> Way | None:
        """The way to a gateway, None where it has not opened one yet."""
        return self._ways.get(eui)

    def __len__(self) -> int:
        return len(self._ways)
