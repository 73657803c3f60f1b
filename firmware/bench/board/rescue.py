"""A board's readings that the cloud has not stored, sent from the laptop in its place.

The rule: a reading keeps its identity (device, generation, seq), so that what came over the radio meanwhile is the same
reading and not another one. Times are told as the device would have: of a life that was never synchronised, between
what was known before it and the moment of the backup. Frames are those of schemas.wire, for topic `raw/<device>`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from edge.clock import Clock
from firmware.bench.board.backup import CLOCK, Backup, outbox
from schemas.wire import READINGS_MAX, WireReading, encode

CLOCK_PPM = 50_000  # of the RC oscillator, the worst a board has (firmware/device/board.py)
FRAME_BYTES = 4096
LAPTOP_MS = 2_000  # how far off a laptop's clock may be


def readings(backup: Backup) -> list[WireReading]:
    """Newest first, each with the time that can be told."""
    clock = _clock(backup.files, _ms(backup.made))
    return [_timed(reading, clock, boot, uptime_s) for reading, boot, uptime_s in outbox(backup.files).newest_first()]


def frames(found: list[WireReading]) -> list[bytes]:
    """All of them in as few frames as they fit."""
    out = []
    rest = list(found)
    while rest:
        frame, n = encode(rest[:READINGS_MAX], FRAME_BYTES)
        out.append(frame)
        rest = rest[n:]
    return out


def _clock(files: Mapping[str, bytes], made_ms: int) -> Clock:
    """As after one more start, whose time is the backup's."""
    try:
        boots = json.loads(files.get(CLOCK, b"[]"))
        clock = Clock(max((one[0] for one in boots), default=0) + 1, CLOCK_PPM, boots)
    except (ValueError, TypeError, IndexError):
        clock = Clock(1, CLOCK_PPM)
    newest = outbox(files).newest
    if newest is not None:
        clock.seen(newest.boot, newest.uptime_s * 1000)
    clock.sync(made_ms, "ntp", LAPTOP_MS, 0)
    return clock


def _timed(reading: WireReading, clock: Clock, boot: int, uptime_s: int) -> WireReading:
    when = None if reading.time_s is not None else clock.resolve(boot, uptime_s * 1000)
    if when is None:
        return reading
    utc_ms, source, unc_ms = when
    return reading._replace(
        time_s=(utc_ms + 500) // 1000, age_s=None, time_source=source, uncertainty_s=unc_ms / 1000 + 1
    )


def _ms(made: str) -> int:
    return int(datetime.fromisoformat(made).astimezone(UTC).timestamp() * 1000)
