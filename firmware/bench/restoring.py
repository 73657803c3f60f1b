"""A backup put onto a board again: the same board after its flash was lost, or another that becomes the device.

The rule: counters go up, never back. The device may have counted on after the backup was made, so a session begins
anew, DevNonce and frame counter leap over what it can have used since, and its readings get a new generation. What the
board itself still knows of the same device wins over the backup. Pure but for `onto`.
Source: LoRaWAN L2 1.0.4, 6.2.4 (a DevNonce is never used twice) and 4.3.1.5 (nor is a frame counter).
"""

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime

from firmware.bench import looking
from firmware.bench.backup import CLOCK, IDENTITY, OF_IDENTITY, OUTBOX, Backup
from firmware.bench.filling import check_files, put_files, put_nvs
from firmware.bench.looking import Found, Told
from firmware.bench.repl import Repl
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say

SESSION = "/lorawan.json"
NONCE, COUNTERS, GENERATION = "lw_nonce", "lw_count", "generation"
NONCES_AT_LEAST, NONCES_AN_HOUR, NONCE_MAX = 100, 2, 0xFFFF
FRAMES_AT_LEAST, FRAMES_AN_HOUR, FRAME_MAX = 1000, 360, 0xFFFFFFFF
GENERATIONS = 8  # it may have lost its flash meanwhile, and begun some of its own
_COUNTERS = struct.Struct("<III")  # firmware/device/lora_memory.py


def ahead(backup: Backup, now: datetime) -> Backup:
    """The backup as a device may go on with it that counted since. Raises WrongUse where no DevNonce is left."""
    hours = max(0, int((now - datetime.fromisoformat(backup.made).astimezone(UTC)).total_seconds() // 3600) + 1)
    nvs = dict(backup.nvs)
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
    missing = {path: data for path, data in backup.files.items() if not path.startswith((OUTBOX, CLOCK))}
    nvs = {**backup.nvs, **board.nvs}
    for key, value in backup.nvs.items():
        own = board.nvs.get(key)
        if isinstance(value, int) and isinstance(own, int):
            nvs[key] = max(value, own)
    return replace(board, files={**missing, **board.files}, nvs=nvs)


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
    put_nvs(repl, out.nvs)  # before the identity: cut off here, it is nobody yet, and leaps again
    put_files(repl, {path: data for path, data in out.files.items() if path != IDENTITY}, told or (lambda *_: None))
    put_files(repl, {path: data for path, data in out.files.items() if path == IDENTITY}, lambda *_: None)
    check_files(repl, out.files, out.nvs)
    return out
