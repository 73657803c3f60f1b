"""The gateway as a process with 400 devices, for `make bench`: `python -m tests.gateway.bench_process SPOOL PORT`.

Prints the UDP port it is heard on, and ends with SIGTERM.
"""

import asyncio
import signal
import sys
from pathlib import Path

from edge.lorawan.frames import addr_text
from gateway.mqtt import MqttUrl
from gateway.service import GatewayConfig, run
from schemas.models import Device
from tests.gateway.helpers import PlainSeal

DEVICES = 400


def dev_addr(n: int) -> int:
    """The address of device n."""
    return 0x26010000 + n


def keys(n: int) -> tuple[bytes, bytes]:
    """NwkSKey and AppSKey of device n."""
    return bytes((1, *n.to_bytes(2, "big"))).ljust(16), bytes((2, *n.to_bytes(2, "big"))).ljust(16)


class Fleet:
    """A DeviceDirectory of ABP devices."""

    def __init__(self) -> None:
        self._by_name: dict[str, Device] = {}
        self._by_addr: dict[str, list[Device]] = {}
        for n in range(DEVICES):
            nwk_skey, app_skey = (key.hex() for key in keys(n))
            addr = addr_text(dev_addr(n))
            device = Device(device="kn-%04d" % n, activation="abp", dev_addr=addr, nwk_skey=nwk_skey, app_skey=app_skey)
            self._by_name[device.device], self._by_addr[addr] = device, [device]

    def by_name(self, device: str) -> Device | None:
        return self._by_name.get(device)

    def by_dev_eui(self, dev_eui: str) -> Device | None:
        return None

    def by_dev_addr(self, dev_addr: str) -> list[Device]:
        return self._by_addr.get(dev_addr, [])


async def main() -> None:
    """Runs until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = GatewayConfig(MqttUrl("127.0.0.1", int(sys.argv[2])), Path(sys.argv[1]), udp_host="127.0.0.1", udp_port=0)
    await run(config, Fleet(), PlainSeal(), lambda address: print(address[1], flush=True), stop)


if __name__ == "__main__":
    asyncio.run(main())
