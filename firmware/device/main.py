"""What runs on a device: cycles until the end of its life. Whatever ends one is told, and the next begins anew.

An exception that nobody foresaw is written down once, and the chip starts again after a pause that keeps a device with
a lasting fault from emptying its cell. MicroPython only.
"""

import gc
import sys
import time

import machine

PAUSE_MS = 60000
CRASH = "crash.txt"
GC_EVERY = 24576  # bytes: what is given back early is not scattered, and large things still find room


def run(board, version, root=""):
    """`board`: a name in firmware/device/boards; `root`: where flash is mounted. Does not return."""
    gc.threshold(GC_EVERY)
    try:
        from firmware.device.unit import Unit

        Unit(board, version, root).run()
    except Exception as error:
        _write_down(error, root)
        _remember()
        time.sleep_ms(PAUSE_MS)
        machine.reset()


def _remember():
    """For the next status; whatever stands in the way of that must not stand in the way of the reset."""
    try:
        from firmware.device.store import Nvs

        Nvs().set("crash", 1)
    except Exception:
        pass


def _write_down(error, root):
    import io

    text = io.StringIO()
    sys.print_exception(error, text)
    try:
        with open(root + "/" + CRASH, "w") as file:
            file.write(text.getvalue()[-1000:])
    except OSError:
        pass
