"""What a device says of itself, whichever way it travels. Runs on MicroPython and CPython.

Apart from its wire format, so that a device holds the code of the latter only while it sends one.
"""

from collections import namedtuple

Status = namedtuple(
    "Status",
    (
        "firmware",  # version, up to 16 characters of ASCII
        "config",  # 16-bit check sum of the configuration in use
        "uptime_s",
        "boots",  # power-ups, ever
        "reset",  # one of RESETS: why it started last
        "waiting",  # readings in the outbox
        "forgotten",  # readings that left it before the cloud had them, ever
        "free_heap",  # bytes
        "battery",  # V, or None
        "faults",  # [(sensor, one of FAULTS)], sensor: up to 12 characters of a place's alphabet
        "answer",  # (reference 16 bits, ok, detail up to 32 characters) to a command, or None
    ),
)
