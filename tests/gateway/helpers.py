"""What the gateway's tests share: a directory of devices, a device on the air, a packet forwarder."""

import base64
import itertools
import socket
from typing import Any

from edge.lorawan.device import Device as LoRaWANDevice
from gateway.lorawan.aes import aes
from gateway.semtech import datagrams
from schemas.models import Device
from schemas.wire import WireReading, encode

EUI = "a84041ffff1ec1f5"
OTHER_EUI = "a84041ffff1ec1f6"
DEV_EUI, JOIN_EUI, APP_KEY = "70b3d57ed0000001", "0000000000000001", "2b7e151628aed2a6abf7158809cf4f3c"
DEV_ADDR, NWK_SKEY, APP_SKEY = "26011bda", "11" * 16, "22" * 16


def otaa(name: str = "kn-0001", **more: Any) -> Device:
    return Device(
        device=name, activation="otaa", **{"dev_eui": DEV_EUI, "join_eui": JOIN_EUI, "app_key": APP_KEY, **more}
    )


def abp(name: str = "kn-0002", **more: Any) -> Device:
    keys = {"dev_addr": DEV_ADDR, "nwk_skey": NWK_SKEY, "app_skey": APP_SKEY}
    return Device(device=name, activation="abp", **{**keys, **more})


class PlainSeal:
    """A seal that one can see through, and still tells whose a text is."""

    def seal(self, text: str, about: str) -> str:
        return "%s:%s" % (about, text[::-1])

    def open(self, sealed: str, about: str) -> str:
        owner, _, text = sealed.partition(":")
        assert owner == about
        return text[::-1]


class Directory:
    """A DeviceDirectory in a list."""

    def __init__(self, *devices: Device) -> None:
        self.devices = list(devices)

    def by_name(self, device: str) -> Device | None:
        return next((d for d in self.devices if d.device == device), None)

    def by_dev_eui(self, dev_eui: str) -> Device | None:
        return next((d for d in self.devices if d.dev_eui == dev_eui), None)

    def by_dev_addr(self, dev_addr: str) -> list[Device]:
        return [d for d in self.devices if d.activation == "abp" and d.dev_addr == dev_addr]


def on_air(stored: dict[str, Any] | None = None) -> LoRaWANDevice:
    """The OTAA device as it is in the field."""
    return LoRaWANDevice(aes, int(JOIN_EUI, 16), int(DEV_EUI, 16), bytes.fromhex(APP_KEY), stored)


def abp_on_air() -> LoRaWANDevice:
    return LoRaWANDevice.abp(aes, int(DEV_ADDR, 16), bytes.fromhex(NWK_SKEY), bytes.fromhex(APP_SKEY))


def payload(seq: int, temperature: float = 3.42, time_s: int | None = 1_795_000_000, generation: int = 1) -> bytes:
    """A frame of our wire format with one reading."""
    source = "none" if time_s is None else "ntp"
    reading = WireReading(generation, seq, time_s, None, source, 0.5, {"air_temperature": temperature}, ())
    return encode([reading])[0]


def rxpk(phy: bytes, **changes: Any) -> dict[str, Any]:
    whole = {
        "tmst": 708016819, "freq": 868.1, "chan": 0, "rfch": 1, "stat": 1, "modu": "LORA", "datr": "SF9BW125",
        "codr": "4/5", "rssi": -101, "lsnr": 4.5, "size": len(phy), "data": base64.b64encode(phy).decode(),
    }  # fmt: skip
    return whole | changes


class Forwarder:
    """A packet forwarder on a real socket, as small as can be; every wait ends after five seconds."""

    def __init__(self, server: tuple[str, int], eui: str = EUI) -> None:
        self.eui = eui
        self._tokens = itertools.count(1)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.connect(server)
        self._early: list[datagrams.Datagram] = []

    def push(self, *objects: dict[str, Any]) -> bytes:
        """Sends frames; the token that PUSH_ACK has to repeat."""
        token = (next(self._tokens) % 65536).to_bytes(2, "big")
        self._socket.send(datagrams.push_data(token, self.eui, {"rxpk": list(objects)}))
        return token

    def push_and_wait(self, *objects: dict[str, Any]) -> None:
        """Sends frames and waits until they are acknowledged."""
        token = self.push(*objects)
        while self.wait_for(datagrams.PushAck).token != token:
            pass

    def pull(self) -> None:
        """Opens the way for downlinks."""
        self._socket.send(datagrams.pull_data(b"\x00\x01", self.eui))
        self.wait_for(datagrams.PullAck)

    def downlink(self, error: str | None = None) -> datagrams.Tx:
        """The next frame that the gateway is told to send; it says that it will, or why not."""
        answer = self.wait_for(datagrams.PullResp)
        self._socket.send(datagrams.tx_ack(answer.token, self.eui, error))
        return answer.tx

    def heard(self) -> list[datagrams.Datagram]:
        """Everything that the gateway has said by now."""
        self._socket.setblocking(False)
        try:
            while True:
                self._early.append(datagrams.parse(self._socket.recv(65536)))
        except (BlockingIOError, ConnectionRefusedError):
            pass
        finally:
            self._socket.settimeout(5)
        found, self._early = self._early, []
        return found

    def told(self) -> list[datagrams.PullResp]:
        """Every frame that the gateway has been told to send by now."""
        self._early = self.heard()
        found = [early for early in self._early if isinstance(early, datagrams.PullResp)]
        self._early = [early for early in self._early if not isinstance(early, datagrams.PullResp)]
        return found

    def answer(self, told: datagrams.PullResp, error: str | None = None) -> None:
        """Says that it will send a frame, or why not."""
        self._socket.send(datagrams.tx_ack(told.token, self.eui, error))

    def raw(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    def wait_for(self, kind: type) -> Any:
        for early in self._early:
            if isinstance(early, kind):
                self._early.remove(early)
                return early
        while True:
            parsed = datagrams.parse(self._socket.recv(65536))
            if isinstance(parsed, kind):
                return parsed
            self._early.append(parsed)

    def close(self) -> None:
        self._socket.close()
