"""Identity and configuration as they stand on flash, and what happens when one of them is wrong.

The rule: a configuration that cannot be used is never the end: the last good one goes on, and the status says so. A new
one is on trial until a whole cycle has worked with it; if the device starts again three times before that, the last
good one comes back. What was checked once is kept beside it with its check sum, so that the code that checks is loaded
only for a configuration that is new. MicroPython only.
"""

import json
from binascii import crc32

from firmware.device.loaded import Loaded

CONFIG, GOOD, IDENTITY = "config.json", "config.good", "identity.json"
CHECKED = "config.use"  # {"of": CRC-32 of the text, "by": firmware, "sum": what a status says, "config": …}
TRIALS_MAX = 3


class Settings:
    """`files`: the root of flash; `buses`: of the board; `version`: of the firmware."""

    def __init__(self, files, nvs, buses, version):
        self._files, self._nvs, self._buses, self._version = files, nvs, buses, version
        self.trouble = ""  # why the given configuration is not in use
        self.identity = self._identity()
        self._text = None  # of the configuration in use
        self.sum = 0
        self.changed = False  # a new configuration waits for the next start
        self.config = self._load()

    def _identity(self):
        try:
            identity = json.loads(self._files.read(IDENTITY))
            return identity if isinstance(identity, dict) and identity.get("device") else {}
        except (OSError, ValueError):
            return {}

    def _load(self):
        given = self._read(CONFIG)
        good = self._read(GOOD)
        trials = self._nvs.get("trials", 0)
        if given is None:
            self.trouble = "config.json is missing"
        elif given != good and trials >= TRIALS_MAX:
            self.trouble = "the device stopped %d times with it" % trials
        else:
            config = self._usable(given)
            if config is not None:
                if given != good:
                    self._nvs.set("trials", trials + 1)
                return config
        return self._usable(good) if good is not None else None

    def _usable(self, text):
        """The checked configuration of a text, None where it cannot be used."""
        of = crc32(text) & 0xFFFFFFFF
        try:
            known = json.loads(self._files.read(CHECKED))
            if known["of"] == of and known["by"] == self._version:
                self._text, self.sum = text, known["sum"]
                return known["config"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        config, total, wrong = self._check(text)
        if config is None:
            self.trouble = wrong
            return None
        self._text, self.sum = text, total
        try:
            self._files.write(
                CHECKED, json.dumps({"of": of, "by": self._version, "sum": total, "config": config}).encode()
            )
        except OSError:
            pass  # it is checked again at the next start
        return config

    def _check(self, text):
        with Loaded("firmware.device.configuring") as configuring:
            return configuring.check(text, self._buses)

    def _read(self, name):
        try:
            return self._files.read(name)
        except OSError:
            return None

    def works(self):
        """A whole cycle has worked with the configuration in use."""
        if self.trouble or self._text is None:
            return
        if self._nvs.get("trials", 0):
            try:
                if self._read(GOOD) != self._text:
                    self._files.write(GOOD, self._text)
            except OSError:
                return
            self._nvs.set("trials", 0)

    def change(self, text):
        """A change from the network, laid over what is in use: taken for the next cycle, or what is wrong with it."""
        with Loaded("firmware.device.configuring") as configuring:
            new, wrong = configuring.changed(self._text or b"{}", text, self._buses)
        if wrong:
            return wrong
        try:
            self._nvs.set("trials", 0)
            self._files.write(CONFIG, new)
        except OSError:
            return "flash did not take it"
        self.changed = True
        return ""
