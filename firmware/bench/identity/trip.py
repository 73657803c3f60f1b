"""The registry on a trip without a network: what the manifest says, and what was done since. As `registry.Registry`."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from firmware.bench.identity.manifest import DEPLOY, DEVICE, WITHDRAW, Done, devices_of, read, stays_of, write
from firmware.bench.identity.places import Place, Row, arriving, leaving, standing, standing_at
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say


class Trip:
    """Each change is on disk when a method returns. `now`: RFC 3339. May be used by several threads of one program."""

    def __init__(self, path: Path, technician: str, now: Callable[[], str]) -> None:
        self.path, self._technician, self._now = path, technician, now
        self._lock = threading.Lock()
        self.manifest = read(path)

    def station(self, name: str) -> Row | None:
        return next((row for row in self.manifest.stations if row["station"] == name), None)

    def device(self, name: str) -> Row | None:
        return devices_of(self.manifest).get(name)

    def stays(self, device: str) -> list[Row]:
        return stays_of(self.manifest, device)

    def heard(self, device: str) -> bool | None:
        if device in self.manifest.heard:
            return self.manifest.heard[device]
        mine = any(one.what == "provisioned" and one.device == device for one in self.manifest.done)
        return None if mine else False  # it came into being on this trip

    def standing_at(self, station: str, at: str) -> list[str]:
        stays = [stay for device in devices_of(self.manifest) for stay in self.stays(device)]
        return standing_at(stays, station, at)

    def put_device(self, row: Row) -> str:
        before = self.device(row["device"])
        owner = self._owner(row)
        if owner is not None:
            raise WrongUse(
                say("DevEUI %s already belongs to device '%s'", "DevEUI %s gehört schon zum Gerät '%s'",
                    row["dev_eui"], owner)
            )  # fmt: skip
        new = {name: value for name, value in row.items() if value is not None}
        if before is not None and all(before.get(name) == value for name, value in new.items()):
            return "unchanged"
        self._add(self._done(DEVICE, row["device"], new, before))
        return "added" if before is None else "changed"

    def deploy(self, place: Place) -> list[Row]:
        if self.station(place.station) is None:
            raise WrongUse(
                say("station '%s' is not in %s", "die Station '%s' steht nicht in %s", place.station, self.path)
            )
        stays = self.stays(place.device)
        rows = arriving(stays, place)
        if rows:
            self._add(self._done(DEPLOY, place.device, asdict(place), standing(stays, place.at)))
        return rows

    def withdraw(self, device: str, at: str) -> list[Row]:
        stays = self.stays(device)
        rows = leaving(stays, device, at)
        if rows:
            self._add(self._done(WITHDRAW, device, {"at": at}, standing(stays, at)))
        return rows

    def tell(self, what: str, device: str, about: Mapping[str, Any]) -> None:
        self._add(self._done(what, device, dict(about)))

    def _done(self, what: str, device: str, row: Row, before: Row | None = None) -> Done:
        return Done(what, device, self._now(), self._technician, row, before)

    def _owner(self, row: Row) -> str | None:
        """Another device with this one's DevEUI."""
        rows = devices_of(self.manifest).values()
        same = (one["device"] for one in rows if row.get("dev_eui") and one.get("dev_eui") == row["dev_eui"])
        return next((name for name in same if name != row["device"]), None)

    def _add(self, done: Done) -> None:
        with self._lock:  # read anew: what somebody else added meanwhile stays
            manifest = read(self.path)
            manifest.done.append(done)
            write(manifest, self.path)
            self.manifest = manifest
