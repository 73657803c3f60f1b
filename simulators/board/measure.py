"""How much of the heap is taken when a device has loaded everything that it ever has at a time. MicroPython only.

Run twice, with the doubles of the hardware and with nothing in their place: the difference is what the doubles take,
the names included that they bring into the interpreter's tables, and what they work with while they speak.
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


def while_they_speak():
    """Bytes that the radio's double works with, to send a frame: nothing of that is the device's."""
    try:
        import lora
    except ImportError:
        return 0
    if not lora.SX1262:
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
