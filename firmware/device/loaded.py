"""Modules that are needed now and then: loaded for as long as they are used, and given back. MicroPython only."""

import gc
import sys


class Loaded:
    """`with Loaded("schemas.wire_status") as module:`; afterwards its code takes no memory any more."""

    def __init__(self, name):
        self._name = name

    def __enter__(self):
        self._before = set(sys.modules)
        gc.collect()
        return __import__(self._name, None, None, ("*",))

    def __exit__(self, *_):
        for name in list(sys.modules):
            if name not in self._before:
                del sys.modules[name]
                parts = name.rpartition(".")
                package, short = parts[0], parts[2]
                holder = sys.modules.get(package)
                if holder is not None and hasattr(holder, short):
                    delattr(holder, short)
        gc.collect()
