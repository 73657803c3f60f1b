"""What the gateway needs of other parts: small protocols, handed in by the wiring."""

from typing import Protocol

from edge.lorawan.control import Control
from edge.lorawan.session import Session
from schemas.models import Device


class DeviceDirectory(Protocol):
    """Who is who. EUIs and addresses are lower-case hex, most significant byte first. Answers at once, from memory."""

    def by_name(self, device: str) -> Device | None:
        """The device of this name."""

    def by_dev_eui(self, dev_eui: str) -> Device | None:
        """The LoRaWAN device with this EUI."""

    def by_dev_addr(self, dev_addr: str) -> list[Device]:
        """The devices activated by personalisation that have this address; several may share one."""


class Seal(Protocol):
    """Keys at rest are sealed; `about` says whose they are and has to be the same for both."""

    def seal(self, text: str, about: str) -> str: ...

    def open(self, sealed: str, about: str) -> str: ...


class SessionStore(Protocol):
    """LoRaWAN sessions and used DevNonces, by DevEUI (a device without one: its name).

    A DevNonce is used under a join key, a text that names JoinEUI and AppKey: a device with new keys counts anew.
    A session is one join: (device, join nonce), 0 for activation by personalisation. What is written here has to be
    durable before anything that follows from it leaves the house, an answer above all.
    """

    def at_address(self, dev_addr: str) -> list[tuple[str, Session]]:
        """(device, session) of every join that got this address, the newest join first."""

    def get(self, device: str, join_nonce: int) -> Session | None:
        """One session."""

    def join_nonce(self, device: str) -> int:
        """The one of the newest join, 0 before the first."""

    def is_used(self, device: str, join_key: str, dev_nonce: int) -> bool:
        """Whether a join of this device under this key had this DevNonce."""

    def control(self, device: str, join_nonce: int) -> Control | None:
        """The picture of the device's radio in this session, None before it has one."""

    def last_nonce(self, device: str, join_key: str) -> int | None:
        """The highest DevNonce of this device under this key, None before the first."""

    def add(self, device: str, join_key: str, session: Session, control: Control) -> None:
        """A join that is answered now: its DevNonce is used. The one before stays until the device uses this."""

    def last_mic(self, device: str, join_nonce: int) -> bytes:
        """The MIC of the session's newest uplink, b"" before the first."""

    def save(self, device: str, session: Session, control: Control, mic: bytes) -> None:
        """A session that has been used, with its newest uplink's MIC. Older ones of the device end here."""
