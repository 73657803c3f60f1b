"""What the board is and what stands in its NVS: nothing of the firmware is loaded. Sent with ROOT before it."""

import gc
import json
import os
import sys
from binascii import hexlify

import esp32
import machine


def imports(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def flash_bytes():
    try:
        import esp

        return esp.flash_size()
    except (ImportError, AttributeError):
        return None


def kept():
    nvs, out = esp32.NVS("klimanetz"), {}
    for key in ("boots", "generation", "segment", "unstored", "crash", "trials", "lw_nonce"):
        try:
            out[key] = nvs.get_i32(key)
        except OSError:
            pass
    return out


gc.collect()
free_heap = gc.mem_free()
files = os.statvfs(ROOT or "/")
python = list(sys.implementation.version)[:3]
facts = {
    "kn": "board",
    "python": python,
    "machine": getattr(sys.implementation, "_machine", ""),
    "mpy": getattr(sys.implementation, "_mpy", 0) & 0xFF,
    "serial": hexlify(machine.unique_id()).decode(),
    "flash_bytes": flash_bytes(),
    "files_bytes": files[0] * files[2],
    "free_bytes": files[0] * files[3],
    "free_heap": free_heap,
    "lora": imports("lora"),
    "nvs": kept(),
}
print(json.dumps(facts))
