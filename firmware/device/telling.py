"""What a device says on its serial port as it works: one line of JSON an event, for whoever stands beside it.

The rule: nothing waits for a listener and nothing depends on one; no line holds a key or a password. The lines are
listed in docs/device.md; `klimanetz device monitor` and `verify` read them. MicroPython only.
"""

import json


def tell(what, **facts):
    """`kn` is what it is about."""
    facts["kn"] = what
    print(json.dumps(facts))
