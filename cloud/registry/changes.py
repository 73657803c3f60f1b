"""The registry changed a row at a time, as JSON: the same checks and the same words as for a file of one row.

A row becomes a file and goes through `imports`, so what a column means is said in one place. The rule of files holds: a
member that is not there changes nothing, null or an empty text clears, keys are only ever replaced, and shown by
`with_keys` alone.
"""

import csv
import io
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloud.registry import exports, imports, tables
from cloud.registry.files import FileRefused
from cloud.registry.imports import Imported
from cloud.registry.registry import Registry
from cloud.registry.sealing import SECRET

Change = Literal["added", "changed", "unchanged"]
Row = dict[str, Any]
_NUMBERS = ("latitude", "longitude", "elevation_m", "height_m", "lcz")
_FLAGS = ("private",)


class RowRefused(Exception):
    """Nothing was taken over; the message says all that is wrong with the row."""


class RevisionChanged(Exception):
    """Somebody changed the registry since the revision that was named."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a row; `gave_way`: assumed stays that it shortened or removed, in words."""

    change: Change
    gave_way: tuple[str, ...]


class RegistryChanges:
    """Needs a registry that may write keys. `revision`: change only what still is of this one."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def put_station(self, row: Mapping[str, Any], revision: int | None = None) -> Written:
        """Raises RowRefused, RevisionChanged."""
        return self._take(imports.import_stations, row, revision)

    def put_device(self, row: Mapping[str, Any], revision: int | None = None) -> Written:
        """Raises RowRefused, RevisionChanged. `station` opens a deployment from now."""
        before = self.device(str(row.get("device")))
        written = self._take(imports.import_devices, row, revision)
        moved = before is not None and before != self.device(str(row.get("device")))
        return Written("changed", ()) if written.change == "unchanged" and moved else written

    def put_deployment(self, row: Mapping[str, Any], revision: int | None = None) -> Written:
        """Raises RowRefused, RevisionChanged."""
        return self._take(imports.import_deployments, row, revision)

    def station(self, name: str) -> Row | None:
        """As its file has it."""
        return next((row for row in exports.station_rows(self.registry) if row["station"] == name), None)

    def device(self, name: str) -> Row | None:
        """As its file has it, without its keys."""
        rows = (row for row in exports.device_rows(self.registry) if row["device"] == name)
        return next(({column: row[column] for column in exports.WITHOUT_KEYS} for row in rows), None)

    def deployments(self, device: str) -> list[Row]:
        """Where a device stood, by time."""
        return [row for row in exports.deployment_rows(self.registry) if row["device"] == device]

    def with_keys(self, devices: Container[str] | None = None) -> dict[str, list[Row]]:
        """Every station, and all devices or these with their keys and where they stood, as their files have it."""
        return {
            "stations": exports.station_rows(self.registry),
            "devices": [
                row for row in exports.device_rows(self.registry) if devices is None or row["device"] in devices
            ],
            "deployments": [
                row for row in exports.deployment_rows(self.registry) if devices is None or row["device"] in devices
            ],
        }

    def _take(self, take: Callable[..., Imported], row: Mapping[str, Any], revision: int | None) -> Written:
        try:
            done = take(self.registry, file_of(row), guard=_guard(revision))
        except FileRefused as refused:
            raise RowRefused(_without_keys("; ".join(bad.reason for bad in refused.rows), row)) from None
        change: Change = "added" if done.added else "changed" if done.changed else "unchanged"
        return Written(change, tuple(map(str, done.gave_way)))


def file_of(row: Mapping[str, Any]) -> bytes:
    """A registry file of this row. Raises RowRefused for what no cell can hold."""
    if odd := next((name for name in row if name != name.strip().lower()), None):
        raise RowRefused(f"unknown column: {odd[:40]}")  # a file's header is read more kindly than a member's name
    text = io.StringIO()
    csv.writer(text).writerows([list(row), [_cell(name, value) for name, value in row.items()]])
    try:
        return text.getvalue().encode()
    except UnicodeEncodeError:
        raise RowRefused("half a character stands in it: send whole ones") from None


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        if name in _FLAGS:
            return "yes" if value else "no"
    elif isinstance(value, int | float) and name in _NUMBERS:
        return repr(value)
    kind = "a number" if name in _NUMBERS else "true or false" if name in _FLAGS else "a text"
    raise RowRefused(f"{name[:40]}: give {kind}, or null")


def _without_keys(reason: str, row: Mapping[str, Any]) -> str:
    for name in SECRET:
        if isinstance(row.get(name), str) and row[name].strip():
            reason = reason.replace(row[name].strip(), "…")
    return reason


def _guard(revision: int | None) -> Callable[[Connection], None]:
    """To be asked inside the transaction; on PostgreSQL it lets one change after another pass."""

    def guard(connection: Connection) -> None:
        if revision is not None:
            number = sa.select(tables.revision.c.number).with_for_update()
            if (connection.execute(number).scalar() or 0) != revision:
                raise RevisionChanged

    return guard
