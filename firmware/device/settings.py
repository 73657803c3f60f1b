"""Identity and configuration as they stand on flash, and what happens when one of them is wrong.

The rule: a configuration that cannot be used is never the end: the last good one goes on, and the status says so. A new
one is on trial until a whole cycle has worked with it; if the device starts again three times before that, the last
good one comes back. MicroPython only.
"""

import json

from edge.config import ConfigError, check_sum, checked, laid_over

CONFIG, GOOD, IDENTITY = "config.json", "config.good", "identity.json"
TRIALS_MAX = 3


class Settings:
    """`files`: the root of flash; `chips`: edge.sensors.chips.CHIPS; `buses`: of the board."""

    def __init__(self, files, nvs, chips, buses):
        self._files, self._nvs, self._chips, self._buses = files, nvs, chips, buses
        self.trouble = ""  # why the given configuration is not in use
        self.identity = self._identity()
        self._text = None
        self.config = self._load()
        self.sum = check_sum(self._text)

    def _identity(self):
        try:
            identity = json.loads(self._files.read(IDENTITY))
            return identity if isinstance(identity, dict) and identity.get("device") else {}
        except (OSError, ValueError):
            return {}

    def _load(self):
        given = self._read(CONFIG)
        trials = self._nvs.get("trials", 0)
        if given is not None and given != self._read(GOOD) and trials >= TRIALS_MAX:
            self.trouble = "the device stopped %d times with it" % trials
        elif given is not None:
            config = self._checked(given)
            if config is not None:
                if given != self._read(GOOD):
                    self._nvs.set("trials", trials + 1)
                self._text = given
                return config
        else:
            self.trouble = "config.json is missing"
        good = self._read(GOOD)
        config = self._checked(good) if good is not None else None
        self._text = good if config is not None else b"{}"
        return config

    def _checked(self, text):
        try:
            return checked(json.loads(text), self._chips, self._buses)
        except (ValueError, TypeError, AttributeError) as error:  # ConfigError is a ValueError
            self.trouble = str(error) if isinstance(error, ConfigError) else "it is not JSON"
            return None

    def _read(self, name):
        try:
            return self._files.read(name)
        except OSError:
            return None

    def works(self):
        """A whole cycle has worked with the configuration in use."""
        if self._text != b"{}" and not self.trouble and self._read(GOOD) != self._text:
            try:
                self._files.write(GOOD, self._text)
            except OSError:
                return
        if not self.trouble:
            self._nvs.set("trials", 0)

    def change(self, text):
        """A change from the network, laid over what is in use: taken for the next cycle, or what is wrong with it."""
        try:
            given = json.loads(self._text)
            change = json.loads(text)
            if not isinstance(change, dict):
                return "the change is not an object"
            new = json.dumps(laid_over(given, change)).encode()
            checked(json.loads(new), self._chips, self._buses)
            self._files.write(CONFIG, new)
            self._nvs.set("trials", 0)
        except ConfigError as error:
            return str(error)
        except ValueError:
            return "the change is not JSON"
        except OSError:
            return "flash did not take it"
        return ""
