"""`esp32` of the simulated chip: NVS with the port's names; what it holds stands in a file of the host."""

import json
import os

from simulators.board import timeline

if timeline.chip.get("model") == "esp32c3":
    from simulators.board.pins import wake_on_gpio
else:
    from simulators.board.pins import wake_on_ext0, wake_on_ext1

WAKEUP_ALL_LOW, WAKEUP_ANY_HIGH = False, True
_NOT_FOUND = -4354  # ESP_ERR_NVS_NOT_FOUND


def gpio_deep_sleep_hold(on):
    pass


def __getattr__(name):
    """The ULP is loaded when it is asked for; an ESP32-C3 has none."""
    if name not in ("ULP", "wake_on_ulp") or timeline.chip.get("model") == "esp32c3":
        raise AttributeError(name)
    from simulators.board import ulp

    return getattr(ulp, name)


_all = {}  # namespace -> key -> value; shared by all that opened it
_kept = None  # the partition in a flash, where the chip has one; else a file of the host


def _load():
    global _kept
    where = timeline.chip.get("nvs")
    if where:
        from simulators.board.nvs import Kept

        _kept = Kept(*where)
        _all.update(_kept.read())
        return
    try:
        with open(timeline.folder + "/nvs.json") as file:
            _all.update(json.load(file))
    except OSError:
        pass


def _save():
    if _kept:
        _kept.write(_all)
        return
    path = timeline.folder + "/nvs.json"
    with open(path + ".new", "w") as file:
        json.dump(_all, file)
    os.rename(path + ".new", path)


class NVS:
    """One namespace. Durable after `commit`, all of it or nothing."""

    def __init__(self, namespace):
        if not _all:
            _load()
        self._own = _all.setdefault(namespace, {})

    def get_i32(self, key):
        return self._get(key, int)

    def set_i32(self, key, value):
        if not -(1 << 31) <= value < 1 << 31:
            raise OverflowError("value out of range")
        self._set(key, value)

    def get_blob(self, key, buffer):
        value = bytes([int(byte) for byte in self._get(key, list)])
        if len(value) > len(buffer):
            raise OSError(-4364)  # ESP_ERR_NVS_INVALID_LENGTH
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        self._set(key, list(bytes(value)))

    def erase_key(self, key):
        if key not in self._own:
            raise OSError(_NOT_FOUND)
        del self._own[key]

    def commit(self):
        if timeline.is_dead() or timeline.durable_write():
            timeline.lose_power()
        _save()

    def _get(self, key, kind):
        value = self._own.get(key)
        if not isinstance(value, kind):
            raise OSError(_NOT_FOUND)
        return value

    def _set(self, key, value):
        if len(key) > 15:
            raise ValueError("a key of NVS has at most 15 characters")
        self._own[key] = value
