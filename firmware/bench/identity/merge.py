"""What was done on a trip goes into the registry; where somebody else was quicker, both sides are named.

The rule: three versions are compared, the registry's at the export, its own now, and the trip's. What only the trip
changed is written, what both changed to the same is there already, what both changed otherwise is a conflict, which
stops nothing else. What is settled is marked on disk at once, so the same merge again, or one that was interrupted,
does the rest and nothing twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from firmware.bench.identity.manifest import DEPLOY, DEVICE, WITHDRAW, Done, Manifest, hidden
from firmware.bench.identity.places import Place, Row, arriving, later, leaving, moment, standing
from firmware.bench.identity.registry import ChangedMeanwhile, Refused
from firmware.bench.words import say

Side = Literal["mine", "theirs"]
_TRIES = 3


class Writable(Protocol):
    """The registry now. `tag`: its revision when it was asked last."""

    tag: str

    def device(self, name: str) -> Row | None: ...

    def stays(self, device: str) -> list[Row]: ...

    def owner(self, dev_eui: str) -> Row | None: ...

    def put_device(self, row: Row, tag: str | None = None) -> str: ...

    def put_stay(self, row: Row) -> str: ...


@dataclass(frozen=True, slots=True)
class Conflict:
    """`mine` is the trip's, `theirs` the registry's now, `base` the registry's at the export; without keys."""

    done: Done
    reason: str
    mine: Row
    theirs: Row | None
    base: Row | None


@dataclass(slots=True)
class Merged:
    """`written`: what was done, and "added" or "changed"; `there`: the registry had it so; `left`: theirs stays."""

    written: list[tuple[Done, str]] = field(default_factory=list)
    there: list[Done] = field(default_factory=list)
    left: list[Done] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


def merge(manifest: Manifest, registry: Writable, keep: Callable[[], None], side: Side | None = None) -> Merged:
    """Settle what waits. `keep` puts the manifest on disk; `side`: whose version stands where both changed.

    Raises Offline and KeyRefused; what was settled until then stays settled.
    """
    merged = Merged()
    planned = {(stay["device"], stay["from"]) for stay in manifest.deployments}
    for done in manifest.waiting:
        try:
            answer = _device(done, registry, side) if done.what == DEVICE else _stay(done, registry, side, planned)
        except Refused as refused:
            owner = registry.owner(str(done.row["dev_eui"])) if done.row.get("dev_eui") else None
            answer = Conflict(done, str(refused), hidden(done.row), _shown(owner), _shown(done.before))
            answer = "theirs" if side == "theirs" else answer
        if isinstance(answer, Conflict):
            merged.conflicts.append(answer)
            continue
        if answer == "theirs":
            merged.left.append(done)
        elif answer == "unchanged":
            merged.there.append(done)
        else:
            merged.written.append((done, answer))
        done.settled = "theirs" if answer == "theirs" else "merged"
        keep()
    return merged


def _device(done: Done, registry: Writable, side: Side | None) -> str | Conflict:
    for _ in range(_TRIES):
        theirs = registry.device(done.device)
        tag, base = registry.tag, done.before or {}
        mine = {name: value for name, value in done.row.items() if value != base.get(name)}
        seen = {name: value for name, value in mine.items() if theirs is not None and name in theirs}
        others = {name: theirs[name] for name in seen if theirs and theirs[name] not in (base.get(name), mine[name])}
        if theirs is not None and seen == mine and all(theirs[name] == value for name, value in mine.items()):
            return "unchanged"
        if others and side is None:
            reason = say(
                "somebody else changed %s of %s", "jemand anders hat %s von %s geändert", ", ".join(others), done.device
            )
            return Conflict(done, reason, hidden(mine), hidden(others), _shown(done.before))
        if others and side == "theirs":
            return "theirs"
        try:
            return registry.put_device(
                {"device": done.device, **(mine if theirs is not None else done.row)}, tag or None
            )
        except ChangedMeanwhile:
            continue
    raise Refused(say("the registry changes all the time; try again", "das Register ändert sich dauernd; noch einmal"))


def _stay(done: Done, registry: Writable, side: Side | None, planned: set[tuple[str, str]]) -> str | Conflict:
    stays = registry.stays(done.device)
    at = str(done.row["at"])
    now = standing(stays, at)
    rows = arriving(stays, Place(**done.row)) if done.what == DEPLOY else leaving(stays, done.device, at)
    there = now is None if done.what == WITHDRAW else now is not None and now["station"] == done.row["station"]
    new = (stay for stay in later(stays, at) if (done.device, stay["from"]) not in planned)
    other = now if not (there or _same(now, done.before)) else next(new, None)
    if other is not None and side is None:
        reason = say(
            "%s stands elsewhere in the registry by now", "%s steht im Register inzwischen anderswo", done.device
        )
        return Conflict(done, reason, done.row, other, done.before)
    if other is not None and side == "theirs":
        return "theirs"
    changes = {registry.put_stay(row) for row in rows}
    return next((change for change in ("added", "changed") if change in changes), "unchanged")


def _same(one: Row | None, other: Row | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one["station"] == other["station"] and moment(one["from"]) == moment(other["from"]))


def _shown(row: Row | None) -> Row | None:
    return None if row is None else hidden(row)
