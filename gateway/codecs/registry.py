"""Codecs by the name that `devices.csv` gives.

Ours and the open formats have a word; codecs of bought devices are called `vendor/device` and are handed in.
"""

from collections.abc import Mapping

from gateway.codecs.cayenne_lpp import CayenneLpp
from gateway.codecs.codec import Codec, CodecError
from gateway.codecs.klimanetz import Klimanetz
from gateway.codecs.senml import SenMl

_OPEN: tuple[Codec, ...] = (Klimanetz(), CayenneLpp(), SenMl())
OPEN: dict[str, Codec] = {one.name: one for one in _OPEN}


def codec(name: str, bought: Mapping[str, Codec] | None = None) -> Codec:
    """The codec of that name, also among those of `bought` devices (by `vendor/device`). Raises CodecError."""
    found = OPEN.get(name) or (bought or {}).get(name)
    if found is None:
        allowed = ", ".join([*OPEN, *sorted(bought or ())])
        raise CodecError(f"unknown codec '{name}': allowed are {allowed}")
    return found
