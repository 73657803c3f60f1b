"""Checking a configuration that is new: loaded for that alone (loaded.py). MicroPython only."""

import json

from edge.config import ConfigError, check_sum, checked, laid_over
from edge.sensors.chips import CHIPS


def check(text, buses):
    """(configuration or None, check sum, what is wrong)"""
    try:
        return checked(json.loads(text), CHIPS, buses), check_sum(text), ""
    except ConfigError as error:
        return None, 0, str(error)
    except (ValueError, TypeError, AttributeError):
        return None, 0, "it is not JSON"


def changed(in_use, change, buses):
    """(the text of the configuration in use with a change over it, what is wrong)"""
    try:
        given = json.loads(change)
    except ValueError:
        return b"", "the change is not JSON"
    if not isinstance(given, dict):
        return b"", "the change is not an object"
    new = json.dumps(laid_over(json.loads(in_use), given)).encode()
    return new, check(new, buses)[2]
