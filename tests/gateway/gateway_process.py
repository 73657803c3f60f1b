"""The gateway as a process of its own, for tests that kill it: `python -m tests.gateway.gateway_process SPOOL PORT`.

Prints the UDP port it is heard on. It knows the devices of `helpers`.
"""

import asyncio
import sys
from pathlib import Path

from gateway.mqtt import MqttUrl
from gateway.service import GatewayConfig, run
from tests.gateway.helpers import Directory, PlainSeal, abp, otaa

if __name__ == "__main__":
    config = GatewayConfig(MqttUrl("127.0.0.1", int(sys.argv[2])), Path(sys.argv[1]), udp_host="127.0.0.1", udp_port=0)
    directory = Directory(otaa(), abp())
    asyncio.run(run(config, directory, PlainSeal(), lambda address: print(address[1], flush=True), asyncio.Event()))
