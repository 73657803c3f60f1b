"""How much of the heap is taken when a device has loaded everything that it ever has at a time. MicroPython only.

Run twice, with the doubles of the hardware and with nothing in their place: the difference is what the doubles take,
the names included that they bring into the interpreter's tables.
"""

import gc

for _name in (
    "machine", "esp32", "onewire", "lora", "network", "select", "socket", "simulators.board.ntp_peer",
    "simulators.board.buses", "simulators.board.uart",
    "firmware.device.unit", "firmware.device.lora",
    "firmware.device.mqtt", "schemas.wire_status",
):  # fmt: skip
    try:
        __import__(_name)
    except ImportError:
        pass  # not in this image
gc.collect()
print(gc.mem_alloc())
