"""A backup put onto a board again: the same board after its flash was lost, or another that becomes the device.

The rule: counters go up, never back. The device may have counted on after the backup was made, so a session begins
anew, DevNonce and frame counter leap over what it can have used since, and its readings get a new generation. What the
board itself still knows of the same device wins, where it is not behind the backup. Pure but for `onto`.
Source: LoRaWAN L2 1.0.4, 6.2.4 (a DevNonce is never used twice) and 4.3.1.5 (nor is a frame counter).
"""

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime

from firmware.bench.board import looking, nvs_pages
from firmware.bench.board.backup import CLOCK, IDENTITY, OF_IDENTITY, OUTBOX, Backup, outbox
from firmware.bench.board.filling import check_files, put_files, put_nvs
from firmware.bench.board.looking import Found, Told
from firmware.bench.board.repl import Repl
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say

SESSION = "/lorawan.json"
NONCE, COUNTERS, GENERATION = "lw_nonce", "lw_count", "generation"
NONCES_AT_LEAST, NONCES_AN_HOUR, NONCE_MAX = 100, 2, 0xFFFF
FRAMES_AT_LEAST, FRAMES_AN_HOUR, FRAME_MAX = 1000, 360, 0xFFFFFFFF
GENERATIONS = 8  # it may have lost its flash meanwhile, and begun some of its own
_COUNTERS = struct.Struct("<III")  # firmware/device/lora_memory.py


def ahead(backup: Backup, now: datetime) -> Backup:
    """The backup as a device may go on with it that counted since. Raises WrongUse where no DevNonce is left, or
    nobody knows which were used.
    """
    hours = max(0, int((now - datetime.fromisoformat(backup.made).astimezone(UTC)).total_seconds() // 3600) + 1)
    nvs = _counters(backup)
    files = {path: data for path, data in backup.files.items() if path != SESSION}
    if backup.identity.get("activation") == "otaa":
        filed = _dev_nonce(backup.files.get(SESSION))
        nonce = max(int(nvs.get(NONCE, 0)), filed) + NONCES_AT_LEAST + NONCES_AN_HOUR * hours
        if nonce > NONCE_MAX:
            raise WrongUse(
                say(
                    "this device's DevNonces are used up; make it another: klimanetz device provision --new",
                    "die DevNonces dieses Geräts sind verbraucht; ein anderes daraus machen: klimanetz device"
                    " provision --new",
                )
            )
        nvs[NONCE] = nonce
        if filed:  # the firmware takes the higher of the two
            files[SESSION] = json.dumps({"dev_nonce": nonce}).encode()
        nvs.pop(COUNTERS, None)
    elif isinstance(counters := nvs.get(COUNTERS), bytes) and len(counters) == _COUNTERS.size:
        of, up, down = _COUNTERS.unpack(counters)
        up = min(FRAME_MAX, up + FRAMES_AT_LEAST + FRAMES_AN_HOUR * hours)
        nvs[COUNTERS] = _COUNTERS.pack(of, up, down)
        if SESSION in backup.files:
            files[SESSION] = backup.files[SESSION]
    if GENERATION in nvs or any(path.startswith(OUTBOX) for path in files):
        nvs[GENERATION] = int(nvs.get(GENERATION, backup.identity.get("generation", 1))) + GENERATIONS
    return replace(backup, files=files, nvs=nvs, nvs_raw=b"", nvs_at=0)


def _counters(backup: Backup) -> dict[str, int | bytes]:
    nvs = dict(backup.nvs or nvs_pages.values(backup.nvs_raw))
    if backup.nvs_raw and not nvs and backup.identity.get("activation") in ("otaa", "abp"):
        raise WrongUse(
            say(
                "this backup's counters cannot be read, and no DevNonce may be used twice: klimanetz device provision"
                " --device %s --new-key",
                "die Zähler dieser Sicherung sind nicht lesbar, und kein DevNonce darf zweimal benutzt werden:"
                " klimanetz device provision --device %s --new-key",
                backup.device,
            )
        )
    return nvs


def _dev_nonce(session: bytes | None) -> int:
    """As the session's file has it, 0 where that says nothing."""
    try:
        return max(0, int(json.loads(session or b"{}")["dev_nonce"]))
    except (ValueError, TypeError, KeyError):
        return 0


def merged(backup: Backup, board: Backup, now: datetime) -> Backup:
    """What goes onto a board that says `board` of itself. Raises WrongUse."""
    if not backup.device:
        raise WrongUse(say("this backup has no identity", "diese Sicherung hat keine Identität"))
    if not board.device:
        return ahead(backup, now)
    leapt: Backup | None = None
    nvs = {**_counters(backup), **board.nvs}
    for key, value in _counters(backup).items():
        if _behind(key, board.nvs.get(key), value):
            leapt = leapt or ahead(backup, now)
            nvs.pop(key)
            nvs |= {key: leapt.nvs[key]} if key in leapt.nvs else {}
    there = backup.files if leapt is None else leapt.files
    missing = {path: data for path, data in there.items() if not path.startswith((OUTBOX, CLOCK))}
    return replace(board, files={**missing, **board.files}, nvs=nvs)


def _behind(key: str, own: int | bytes | None, value: int | bytes) -> bool:
    """Whether the board knows less of a counter than the backup: the device may have counted on in between."""
    if isinstance(value, int) and isinstance(own, int):
        return own < value
    if key == COUNTERS and isinstance(own, bytes) and isinstance(value, bytes) and len(own) == len(value) == 12:
        (of, up, _), (old, then, _) = _COUNTERS.unpack(own), _COUNTERS.unpack(value)
        return bool(of == old and up < then)
    return own is None


def left_out(backup: Backup, there: Backup) -> int:
    """Unsent readings of the backup that a board with `there` on it will not send."""

    def known(of: Backup) -> set[tuple[int, int]]:
        return {(one.generation, one.seq) for one, _, _ in outbox(of.files).newest_first()}

    return len(known(backup) - known(there))


def onto(
    repl: Repl, found: Found, backup: Backup, now: datetime, replace_identity: bool = False, told: Told | None = None
) -> Backup:
    """Put it there and read it back; what stands there now. Raises WrongUse where the board is another device."""
    board = found.backup
    if board.device and board.device != backup.device:
        if not replace_identity:
            raise WrongUse(
                say(
                    "this board is %(board)s, and the backup is of %(backup)s; if that is meant: --replace-identity"
                    " (a backup of the board is made first)",
                    "diese Karte ist %(board)s, die Sicherung ist von %(backup)s; wenn das gewollt ist:"
                    " --replace-identity (vorher wird die Karte gesichert)",
                    board=board.device,
                    backup=backup.device,
                )
            )
        for path in board.files:
            if path.startswith(OF_IDENTITY):
                repl.remove(path)
        board = board.without_identity()
    out = merged(backup, board, now)
    if not backup.nvs and not looking.has_nvs(repl):  # it never had more than its files
        out = replace(out, nvs={})
    put_nvs(repl, nvs := out.tried_anew())  # before the identity: cut off here, it is nobody yet, and leaps again
    put_files(repl, {path: data for path, data in out.files.items() if path != IDENTITY}, told or (lambda *_: None))
    put_files(repl, {path: data for path, data in out.files.items() if path == IDENTITY}, lambda *_: None)
    check_files(repl, out.files, nvs)
    return out
