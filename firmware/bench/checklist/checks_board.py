"""What is on a board and what board it is: files, chip and flash against what they should be. Pure.

MicroPython looks for `name.py` before `name.mpy`, so a file that was left behind runs instead of the
image's.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from edge.outbox.outbox import SEGMENTS_MAX
from firmware.bench.checklist.asking import Fact, Firmware
from firmware.bench.checklist.check import Check, green, red, yellow
from firmware.bench.words import say

_CHIPS = re.compile(r"ESP32-?(S3|S2|C3|C6|H2)?", re.I)
_SEGMENT_BYTES = 8192  # of flash: 64 readings of some 80 bytes, in whole blocks of 4 KiB


def image(
    manifest: Mapping[str, Any] | None,
    hashes: Mapping[str, str],
    files: Collection[str],
    board: Fact,
    firmware: Firmware | None,
) -> Check:
    """`manifest`: an image's manifest.json; `hashes`: of its files as they stand on the board; `files`: all of it."""
    values: dict[str, Any] = {
        "micropython": ".".join(map(str, board.get("python", []))),
        "firmware": firmware.version if firmware else None,
    }
    if firmware is None:
        return red(
            "image",
            say("there is no firmware of ours on it", "es ist keine Firmware von uns darauf"),
            say("flash it: klimanetz device flash", "flashen: klimanetz device flash"),
            values,
        )
    if manifest is None:
        return yellow(
            "image",
            say(
                "firmware %s; its files were not compared",
                "Firmware %s; die Dateien wurden nicht verglichen",
                firmware.version,
            ),
            say("name the image: --image DIR", "das Image nennen: --image ORDNER"),
            values,
        )
    values |= {"image_version": manifest["version"], "image_files": len(manifest["files"])}
    again = say("flash it again: klimanetz device flash", "noch einmal flashen: klimanetz device flash")
    wrong = [file["path"] for file in manifest["files"] if hashes.get(file["path"]) != file["sha256"]]
    if wrong:
        values["differing"] = wrong
        return red(
            "image",
            say(
                "%s of %s files are not those of the image: %s",
                "%s von %s Dateien sind nicht die des Images: %s",
                len(wrong),
                len(manifest["files"]),
                _some(wrong),
            ),
            again,
            values,
        )
    # MicroPython looks for name.py before name.mpy, and a folder before both.
    named = {file["path"] for file in manifest["files"]}
    shadows = sorted(path for path in files if path.endswith(".py") and path[:-3] + ".mpy" in named)
    if shadows:
        values["shadows"] = shadows
        return red(
            "image",
            say(
                "%s is older and would run instead of the image's",
                "%s ist älter und liefe statt der des Images",
                _some(shadows),
            ),
            again,
            values,
        )
    if board.get("mpy") != manifest["mpy_version"]:
        return red(
            "image",
            say(
                "its MicroPython (%s) cannot load this image (.mpy %s)",
                "sein MicroPython (%s) kann dieses Image nicht laden (.mpy %s)",
                values["micropython"],
                manifest["mpy_version"],
            ),
            again,
            values,
        )
    if manifest["radio"] == "lorawan" and not board.get("lora"):
        return red(
            "image",
            say(
                "the radio's driver is missing (%s)",
                "der Treiber des Funkmoduls fehlt (%s)",
                ", ".join(manifest["packages"]),
            ),
            again,
            values,
        )
    return green(
        "image",
        say(
            "firmware %s on MicroPython %s, %s files as in the image",
            "Firmware %s auf MicroPython %s, %s Dateien wie im Image",
            firmware.version,
            values["micropython"],
            len(manifest["files"]),
        ),
        values,
    )


def board(told: Fact, pins: Any) -> Check:
    """`pins`: the module in firmware/device/boards that the image is for."""
    found = _CHIPS.search(told.get("machine", ""))
    chip = f"esp32{(found[1] or '').lower()}" if found else None
    flash, need = told.get("flash_bytes"), SEGMENTS_MAX * _SEGMENT_BYTES
    values = {
        "board": pins.NAME,
        "chip": chip,
        "flash_bytes": flash,
        "serial": told.get("serial"),
        "files_bytes": told.get("files_bytes"),
        "free_bytes": told.get("free_bytes"),
        "free_heap": told.get("free_heap"),
    }
    if chip is not None and chip != pins.CHIP:
        return red(
            "board",
            say(
                "this is an %s, and the firmware is for %s (%s)",
                "das ist ein %s, und die Firmware ist für %s (%s)",
                chip,
                pins.NAME,
                pins.CHIP,
            ),
            say("flash it for its own board", "für die richtige Karte flashen"),
            values,
        )
    wanted = pins.FLASH_MB
    if flash is not None and flash < wanted << 20:
        return red(
            "board",
            say(
                "its flash has %s MB, a %s has %s",
                "sein Flash hat %s MB, ein %s hat %s",
                flash >> 20,
                pins.NAME,
                wanted,
            ),
            say(
                "it is another board, or a bad copy: take another one",
                "es ist eine andere Karte oder ein schlechter Nachbau: eine andere nehmen",
            ),
            values,
        )
    free = told.get("free_bytes") or 0
    if free < need:
        return yellow(
            "board",
            say(
                "%s KiB of flash are free, the outbox may take %s",
                "%s KiB Flash sind frei, der Speicher braucht bis zu %s",
                free >> 10,
                need >> 10,
            ),
            say(
                "let it send what waits, or take a backup and flash it with --erase",
                "das Wartende senden lassen, oder sichern und mit --erase flashen",
            ),
            values,
        )
    if chip is None:
        return yellow(
            "board",
            say(
                "its chip cannot be told from MicroPython (%s)",
                "welcher Chip es ist, sagt MicroPython nicht (%s)",
                told.get("machine", ""),
            ),
            say("`klimanetz device ports` asks the chip itself", "`klimanetz device ports` fragt den Chip selbst"),
            values,
        )
    return green(
        "board",
        say("%s (%s), %s KiB of flash free", "%s (%s), %s KiB Flash frei", pins.NAME, chip, free >> 10),
        values,
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
