"""How much of the heap the doubles of a chip's hardware take: loaded as the device will load them. MicroPython only."""

import gc

_PARTS = (
    "machine", "esp32", "onewire", "select", "time", "lora", "network", "socket", "simulators.board.ntp_peer"
)  # fmt: skip
for _name in _PARTS:
    try:
        __import__(_name)
    except ImportError:
        pass  # no double of that yet
gc.collect()
print(gc.mem_alloc())
