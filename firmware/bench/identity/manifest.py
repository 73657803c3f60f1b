"""A trip in one file: the registry as it was when the technician left, and what was done since, for no network at all.

The rule: what was done is on disk before the next step, and is never rewritten, only added to; the merge marks what
was settled. Keys are in it, so only its owner may read it. A file that is wrong is refused whole, with everything that
is wrong with it.
"""

import json
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from firmware.bench.board.backup import durable
from firmware.bench.identity.places import Place, Row, after, arriving, leaving, moment, of_device
from firmware.bench.trouble import BenchError, WrongUse, unreadable
from firmware.bench.words import say
from schemas.device_rows import KEYS
from schemas.models import Device, Station

FORMAT = "klimanetz-trip-1"
DEVICE, DEPLOY, WITHDRAW = "device", "deploy", "withdraw"
CHANGES = (DEVICE, DEPLOY, WITHDRAW)  # these are for the registry, any other word for the record


@dataclass(slots=True)
class Done:
    """Something done on the trip. `row`: the columns of a device that are to be, or a Place, or {"at"} of leaving one;
    `before`: the device, or where it stood, as the trip knew it then.

    `settled`: "" until it is merged; "merged", or "theirs" where the registry's own stayed.
    """

    what: str
    device: str
    time: str
    technician: str = ""
    row: Row = field(default_factory=dict, repr=False)  # keys are in it
    before: Row | None = field(default=None, repr=False)
    settled: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def changes(self) -> bool:
        """Whether it is for the registry."""
        return self.what in CHANGES


@dataclass(slots=True)
class Manifest:
    """`revision`: the registry's ETag at the export; `heard`: whether the cloud ever had a reading of a device."""

    exported: str
    url: str = ""
    revision: str = ""
    stations: list[Row] = field(default_factory=list)
    devices: list[Row] = field(default_factory=list)
    deployments: list[Row] = field(default_factory=list)
    heard: dict[str, bool] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)

    @property
    def waiting(self) -> list[Done]:
        """What the registry does not know yet."""
        return [one for one in self.done if one.changes and not one.settled]


class BadManifest(WrongUse):
    """Nothing was taken of it. `faults`: all that is wrong."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(
            say(
                "%s cannot be used; mend it or export a new one: %s",
                "%s ist nicht zu gebrauchen; berichtigen oder neu ausgeben: %s",
                path,
                "; ".join(faults),
            )
        )
        self.faults = faults


def write(manifest: Manifest, path: Path) -> None:
    """On disk when it returns. Raises BenchError."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, ensure_ascii=False, indent=1)
    try:
        durable(path, text.encode() + b"\n")
    except OSError as error:
        raise BenchError(
            say("%s cannot be written: %s", "%s kann nicht geschrieben werden: %s", path, error.strerror)
        ) from None


def read(path: Path) -> Manifest:
    """Raises WrongUse, BadManifest."""
    try:
        said = json.loads(path.read_text("utf-8-sig"))
        if said.pop("format") != FORMAT:
            raise ValueError("format")
        manifest = Manifest(**{**said, "done": [Done(**one) for one in said.get("done", [])]})
        faults = _faults(manifest)
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongUse(
            say(
                "%s is not the manifest of a trip, or is damaged; `klimanetz device manifest export` makes one",
                "%s ist kein Manifest einer Fahrt oder beschädigt; `klimanetz device manifest export` macht eines",
                path,
            )
        ) from None
    if faults:
        raise BadManifest(path, faults)
    return manifest


def _faults(manifest: Manifest) -> list[str]:
    faults = [fault for row in manifest.stations if (fault := _fault(Station, "station", row))]
    faults += [fault for row in manifest.devices if (fault := _fault(Device, "device", row))]
    for kind, rows, column in (
        (say("station", "Station"), manifest.stations, "station"),
        (say("device", "Gerät"), manifest.devices, "device"),
    ):
        names = [str(row.get(column)) for row in rows]
        faults += [
            say("%s %s is in it twice", "%s %s steht doppelt darin", kind, name)
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
    owners: dict[str, str] = {}
    for row in manifest.devices:
        eui, name = row.get("dev_eui"), str(row.get("device"))
        if eui and owners.setdefault(eui, name) != name:
            faults.append(
                say("DevEUI %s belongs to %s and to %s", "DevEUI %s gehört zu %s und zu %s", eui, owners[eui], name)
            )
    known = {row.get("station") for row in manifest.stations}, {row.get("device") for row in manifest.devices}
    for row in manifest.deployments:
        moment(row["from"]), moment(row.get("to"))
        if row["station"] not in known[0] or row["device"] not in known[1]:
            faults.append(
                say("a deployment of %s at %s, one of which is not in it",
                    "ein Einsatz von %s an %s, wovon eines nicht darin steht", row["device"], row["station"])
            )  # fmt: skip
    return faults


def _fault(model: type[BaseModel], column: str, row: Row) -> str | None:
    """Checked as the registry does; `station` of a device's row is where it stands, `private` is a word there."""
    cells = {name: value for name, value in row.items() if value is not None and name in model.model_fields}
    if "private" in cells:
        cells["private"] = cells["private"] in (True, "yes")
    try:
        model.model_validate(cells)
    except ValidationError as error:
        columns = ", ".join(dict.fromkeys(str(one["loc"][0]) for one in error.errors()))
        return say("%s %s has a wrong %s", "%s %s: falsch ist %s", column, row.get(column), columns)
    return None


def devices_of(manifest: Manifest) -> dict[str, Row]:
    """The devices as they are after what was done."""
    rows = {row["device"]: dict(row) for row in manifest.devices}
    for one in manifest.done:
        if one.what == DEVICE and one.settled != "theirs":
            rows[one.device] = {**rows.get(one.device, {}), **one.row}
    return rows


def stays_of(manifest: Manifest, device: str) -> list[Row]:
    """Where a device stood, after what was done."""
    stays = of_device(manifest.deployments, device)
    for one in manifest.done:
        if one.device == device and one.settled != "theirs":
            if one.what == DEPLOY:
                stays = after(stays, arriving(stays, Place(**one.row)))
            elif one.what == WITHDRAW:
                stays = after(stays, leaving(stays, device, one.row["at"]))
    return stays


def hidden(row: Row) -> Row:
    """A row as it may be shown."""
    secret = [name for name in KEYS if name.endswith("key")]
    return {name: "…" + str(value)[-4:] if value and name in secret else value for name, value in row.items()}
