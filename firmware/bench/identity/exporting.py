"""A trip's manifest out of the registry, before the technician leaves."""

from collections.abc import Sequence

from firmware.bench.identity.manifest import Manifest
from firmware.bench.identity.registry import Online
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say


def export(registry: Online, now: str, devices: Sequence[str] = ()) -> Manifest:
    """All devices or these, with every station. Needs a key of the scope admin. Raises BenchError."""
    whole = registry.whole(list(devices) or None)
    revision = registry.tag
    names = [str(row["device"]) for row in whole["devices"]]
    if missing := [name for name in devices if name not in names]:
        raise WrongUse(
            say(
                "not registered: %s; `klimanetz devices import` does that",
                "nicht eingetragen: %s; das geht mit `klimanetz devices import`",
                ", ".join(missing),
            )
        )
    heard = {name: bool(registry.heard(name)) for name in names}
    return Manifest(now, registry.url, revision, whole["stations"], whole["devices"], whole["deployments"], heard)
