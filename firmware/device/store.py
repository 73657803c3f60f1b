"""Where a device keeps what must outlive its power: files, NVS, and the memory of the RTC that outlives only sleep.

The rule: `Files.write` and `Nvs.set` are durable when they return and are done as a whole or not at all: a new file
takes the place of the old one (littlefs renames atomically), and NVS has its own log. What comes back from RTC memory
is checked by length and CRC, so that a brownout gives nothing rather than rubbish.
"""

import json
import os
from binascii import crc32
from struct import pack, unpack

RTC_BYTES = 2048


class Files:
    """One folder. Every method but `list` raises OSError."""

    def __init__(self, folder):
        self._folder = folder
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there, or flash is broken and the first write says so

    def read(self, name):
        with open(self._folder + "/" + name, "rb") as file:
            return file.read()

    def open(self, name):
        """To read a part of it."""
        return open(self._folder + "/" + name, "rb")

    def append(self, name, data):
        with open(self._folder + "/" + name, "ab") as file:
            file.write(data)

    def write(self, name, data):
        path = self._folder + "/" + name
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.rename(path + ".new", path)

    def remove(self, name):
        os.remove(self._folder + "/" + name)

    def list(self):
        try:
            return [name for name in os.listdir(self._folder) if not name.endswith(".new")]
        except OSError:
            return []


class Nvs:
    """Numbers and short bytes in the chip's non-volatile storage; they survive a loss of the file system."""

    def __init__(self, namespace="klimanetz"):
        import esp32

        self._nvs = esp32.NVS(namespace)

    def get(self, key, otherwise=None):
        """An int, or bytes of at most 64; `otherwise` where the key is not set."""
        try:
            return self._nvs.get_i32(key)
        except OSError:
            pass
        buffer = bytearray(64)
        try:
            return bytes(buffer[: self._nvs.get_blob(key, buffer)])
        except OSError:
            return otherwise

    def set(self, key, value):
        """Durable when it returns; what is there already is not written again."""
        if self.get(key) == value:
            return
        if isinstance(value, int):
            self._nvs.set_i32(key, value)
        else:
            self._nvs.set_blob(key, value)
        self._nvs.commit()


class RtcMemory:
    """A dict that outlives deep sleep and nothing else."""

    def __init__(self):
        import machine

        self._rtc = machine.RTC()

    def load(self):
        """What was saved before the sleep; {} after anything else."""
        data = self._rtc.memory()
        if len(data) < 6:
            return {}
        length, check = unpack("<HI", data[:6])
        body = data[6 : 6 + length]
        if len(body) != length or crc32(body) & 0xFFFFFFFF != check:
            return {}
        try:
            kept = json.loads(body)
        except ValueError:
            return {}
        return kept if isinstance(kept, dict) else {}

    def save(self, kept):
        """Raises ValueError where it does not fit."""
        body = json.dumps(kept).encode()
        if len(body) + 6 > RTC_BYTES:
            raise ValueError("%d bytes do not fit into the RTC's memory" % len(body))
        self._rtc.memory(pack("<HI", len(body), crc32(body) & 0xFFFFFFFF) + body)

    def clear(self):
        """Forget, so that the next start begins from flash."""
        self._rtc.memory(b"")
