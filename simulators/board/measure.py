"""How much of the heap the doubles of a chip's hardware take: loaded as the device will load them. MicroPython only."""

import gc

for _name in ("machine", "esp32", "onewire", "select", "time", "lora", "network", "socket"):
    try:
        __import__(_name)
    except ImportError:
        pass  # no double of that yet
gc.collect()
print(gc.mem_alloc())
