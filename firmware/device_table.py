"""The device's `schemas/quantities.py`: the same table with the columns that a device reads, and no others.

The rule: made from the one table when an image is built, never written by hand, and with the same names, so that wire
format, channels and configuration run on it unchanged. Labels, codes and vocabularies are for the cloud.
"""

from schemas import quantities
from schemas.quantities import QUANTITIES

# What wire format and channels read, then what the station judges by and how it averages.
COLUMNS = ("name", "wire_id", "steps", "low", "bits", "minimum", "maximum", "step_minute", "kind")
KINDS = ("MEAN", "MAXIMUM", "SUM", "VECTOR", "ENERGY", "COUNTER")

_HEAD = '''"""Generated from schemas/quantities.py: the columns that a device reads."""

from collections import namedtuple

%s

Quantity = namedtuple("Quantity", %r)
QUANTITIES = (
%s
)
BY_NAME = {q.name: q for q in QUANTITIES}
BY_WIRE_ID = {q.wire_id: q for q in QUANTITIES}
'''


def source() -> str:
    """The module's text."""
    rows = [f"    Quantity({', '.join(repr(getattr(q, column)) for column in COLUMNS)})," for q in QUANTITIES]
    kinds = "\n".join(f"{kind} = {getattr(quantities, kind)!r}" for kind in KINDS)
    return _HEAD % (kinds, COLUMNS, "\n".join(rows))
