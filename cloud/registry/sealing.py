"""Devices' keys in the registry's tables: sealed where they are written, open where they are read.

The rule: whoever does not need keys does not get them (`HIDDEN`); where there is a seal no table holds one open.
"""

from typing import Any, Protocol

SECRET = ("app_key", "nwk_skey", "app_skey")
Row = dict[str, Any]


class Seal(Protocol):
    """`about` says whose a text is and has to be the same for both."""

    def seal(self, text: str, about: str) -> str: ...

    def open(self, sealed: str, about: str) -> str: ...


class Hidden:
    """For services that read the registry and need no keys."""

    def seal(self, text: str, about: str) -> str:
        raise TypeError("this service may not write keys")

    def open(self, sealed: str, about: str) -> str:
        return ""


HIDDEN = Hidden()


def opened(row: Row, seal: Seal | None) -> Row:
    """A device's row as it is read."""
    if seal is None:
        return row
    keys = {name: seal.open(row[name], row["device"]) or None for name in SECRET if row.get(name)}
    return {**row, **keys}


def sealed(row: Row, seal: Seal | None) -> Row:
    """A device's row as it is written."""
    if seal is None:
        return row
    return {**row, **{name: seal.seal(row[name], row["device"]) for name in SECRET if row.get(name)}}
