"""How much of the heap the doubles of the hardware take, all of them loaded and while they speak. MicroPython only.

Measured before anything of the device is loaded. Names that both have (`Pin`, `sleep_ms`) count as theirs: on a chip
they are in the ROM.
"""

import gc

from simulators.board import timeline

timeline.chip.pop("air", None)  # nobody hears what is measured here
for _name in (
    "machine", "esp32", "onewire", "lora", "network", "select", "socket", "simulators.board.ntp_peer",
    "simulators.board.buses", "simulators.board.uart",
):  # fmt: skip
    try:
        __import__(_name)
    except ImportError:
        pass  # a modem without LoRaWAN in the image


def while_they_speak():
    """Bytes that the radio's double works with, to send a frame: nothing of that is the device's."""
    try:
        import lora
    except ImportError:
        return 0
    modem = lora.SX1262(None, None, None)
    modem.configure({"freq_khz": 868100, "sf": 7, "bw": "125", "coding_rate": 5, "syncword": 0x34})
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    modem.send(bytes(51))
    after = gc.mem_alloc()
    gc.enable()
    return after - before


speaking = while_they_speak()
gc.collect()
print(gc.mem_alloc() + speaking)
