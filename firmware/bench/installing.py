"""One box from whatever it is to a station that reports: flashed, provisioned, verified, in this order.

The rule: each part is what its own command does, and can be done again; so is the whole.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from firmware.bench.board.repl import Repl
from firmware.bench.board.shelf import Shelf
from firmware.bench.checklist.check import Check, Colour, label, worst
from firmware.bench.checklist.cloud import Cloud
from firmware.bench.checklist.verifying import Seen, Verification, Wanted
from firmware.bench.flash.flashing import Flashed, Flasher, Told, Wish
from firmware.bench.identity.provision import Order, Provisioned, check_order, provision
from firmware.bench.identity.registry import Registry

PROVISION, VERIFY, CLOUD = "provision", "verify", "cloud"


@dataclass(frozen=True, slots=True)
class Laptop:
    """What a box is worked at with: where its things are kept, who is asked, what time it is (UTC)."""

    flasher: Flasher
    shelf: Shelf
    registry: Registry
    cloud: Cloud | None
    why_no_cloud: str
    now: Callable[[], datetime]


@dataclass
class Installed:
    """How it went. `seconds`: step -> how long; `colour` and `reason` are the check-list's worst."""

    flashed: Flashed
    provisioned: Provisioned
    seen: Seen
    colour: Colour = "green"
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def install(
    laptop: Laptop, wish: Wish, order: Order, wanted: Wanted, told: Told,
    on_check: Callable[[Check], None] = lambda _: None,
) -> Installed:  # fmt: skip
    """Raises BenchError; whatever happened, running it again goes on."""
    check_order(laptop.registry, order)
    flashed = laptop.flasher.flash(replace(wish, restart=False), told)
    seconds = dict(flashed.seconds)

    def timed(step: str, since: float) -> None:
        seconds[step] = time.monotonic() - since
        told(step, 1, 1)

    with Repl(wish.port) as repl:
        begun = time.monotonic()
        told(PROVISION, 0, 1)
        provisioned = provision(
            repl,
            laptop.registry,
            order,
            laptop.shelf.save,
            laptop.now(),
            lambda n, of: told(PROVISION, n, of),
            flashed.mac,
        )
        timed(PROVISION, begun)
        begun = time.monotonic()
        told(VERIFY, 0, 1)
        verification = Verification(repl, laptop.cloud, wanted, on_check, why_not=laptop.why_no_cloud, now=laptop.now)
        seen = verification.run()
        timed(VERIFY, begun)
    begun = time.monotonic()
    told(CLOUD, 0, 1)
    verification.await_cloud(lambda n, of: told(CLOUD, int(n), max(1, int(of))))
    timed(CLOUD, begun)
    return Installed(flashed, provisioned, seen, worst(seen.checks), _reason(seen.checks), seconds)


def _reason(checks: list[Check]) -> str:
    """Of the worst line, in words; "" where all is well."""
    colour = worst(checks)
    bad = [check for check in checks if check.colour == colour != "green"]
    return "; ".join(f"{label(check.name)}: {check.reason}" for check in bad[:2])
