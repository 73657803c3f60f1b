"""The folder of pinned MicroPython images and radio drivers that a laptop takes along: no network at the bench.

The rule: every file has the SHA-256 that the team recorded when it was fetched, it is checked before each use, and no
sum is invented: what `images.json` does not name is not flashed. The folder can be copied, or kept in the team's own
repository. Sources: micropython.org/download (names of builds), micropython-lib's index as `mip` reads it.
"""

import hashlib
import json
import struct
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from firmware.bench.board import partitions
from firmware.bench.trouble import WrongUse
from firmware.bench.words import say

LOCK = "images.json"
# Ours -> MicroPython's name of the build. PSRAM is not needed, and a generic build runs with or without it.
BUILDS = {"esp32": "ESP32_GENERIC", "esp32s3": "ESP32_GENERIC_S3", "esp32c3": "ESP32_GENERIC_C3"}
OFFSETS = {"esp32": 0x1000, "esp32s3": 0x0, "esp32c3": 0x0}  # where an image begins: the bootloader's place
CHIP_IDS = {0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 12: "esp32c2", 13: "esp32c6", 16: "esp32h2"}
IMAGE_MAGIC = 0xE9


@dataclass(frozen=True, slots=True)
class Pinned:
    """One image. `file` stands in the folder; `url`: where it came from; `offset` on flash."""

    chip: str
    version: str
    file: str
    sha256: str
    url: str = ""

    @property
    def offset(self) -> int:
        return OFFSETS[self.chip]


@dataclass(frozen=True, slots=True)
class Package:
    """A package of micropython-lib as it goes to /lib: {path below /lib: SHA-256}; the files stand in `packages/`."""

    name: str
    version: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Folder:
    """What `images.json` says."""

    path: Path
    images: list[Pinned]
    packages: list[Package]

    def image(self, chip: str) -> tuple[Pinned, bytes]:
        """The image for a chip, checked. Raises WrongUse."""
        found = [one for one in self.images if one.chip == chip]
        if not found:
            raise WrongUse(
                say(
                    "%(path)s has no MicroPython for %(chip)s; with a network: klimanetz device fetch --chip %(chip)s",
                    "in %(path)s fehlt MicroPython für %(chip)s; mit Netz: klimanetz device fetch --chip %(chip)s",
                    chip=chip,
                    path=self.path,
                )
            )
        newest = found[-1]
        data = self._read(self.path / newest.file, newest.sha256)
        check(data, chip, str(self.path / newest.file))
        return newest, data

    def package(self, name_version: str) -> dict[str, bytes]:
        """{path on the device: bytes} of a package like "lora-sync@0.1.1", checked. Raises WrongUse."""
        name, _, version = name_version.partition("@")
        for package in self.packages:
            if (package.name, package.version) == (name, version):
                place = self.path / "packages" / f"{name}@{version}"
                return {f"/lib/{file}": self._read(place / file, sha) for file, sha in package.files.items()}
        raise WrongUse(
            say(
                "the radio's driver %s is not in %s; with a network: klimanetz device fetch",
                "der Funktreiber %s fehlt in %s; mit Netz: klimanetz device fetch",
                name_version,
                self.path,
            )
        )

    def _read(self, path: Path, sha256: str) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise WrongUse(
                say("%s cannot be read: %s", "%s kann nicht gelesen werden: %s", path, error.strerror)
            ) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WrongUse(
                say(
                    "%s is not the file that was recorded (its SHA-256 differs); delete it and fetch it again",
                    "%s ist nicht die Datei, die eingetragen wurde (SHA-256 stimmt nicht); löschen und neu holen",
                    path,
                )
            )
        return data


def load(path: Path) -> Folder:
    """Raises WrongUse."""
    try:
        said = json.loads((path / LOCK).read_text("utf-8-sig"))
        images = [Pinned(**_texts(one, Pinned)) for one in _list(said, "images")]
        packages = [Package(**_texts(one, Package), files=_sums(one)) for one in _list(said, "packages")]
    except FileNotFoundError:
        raise WrongUse(
            say(
                "there are no images in %s; with a network, once: klimanetz device fetch --images %s",
                "in %s sind keine Images; einmal mit Netz: klimanetz device fetch --images %s",
                path,
                path,
            )
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise WrongUse(say("%s cannot be used: %s", "%s ist nicht brauchbar: %s", path / LOCK, error)) from None
    return Folder(path, images, packages)


def _list(said: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects, [] where it is not there. Raises ValueError, in words, as those below do."""
    found = said.get(name, []) if isinstance(said, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(say("'%s' has to be a list of objects", "'%s' muss eine Liste von Objekten sein", name))
    return found


def _texts(one: dict[str, Any], kind: type) -> dict[str, str]:
    """What is known of an entry; whoever edits the file by hand may have written more into it."""
    out = {}
    for known in fields(kind):
        value = one.get(known.name, None if known.default is MISSING else known.default)
        if known.name == "files":
            continue
        if not isinstance(value, str):
            raise ValueError(_lacks(one, known.name))
        out[known.name] = value.lower() if known.name == "sha256" else value
    return out


def _sums(package: dict[str, Any]) -> dict[str, str]:
    found = package.get("files")
    if not isinstance(found, dict) or not all(isinstance(sha256, str) for sha256 in found.values()):
        raise ValueError(_lacks(package, "files"))
    return {name: sha256.lower() for name, sha256 in found.items()}


def _lacks(one: dict[str, Any], name: str) -> str:
    called = one.get("file") or one.get("name") or "?"
    return say(
        "the entry of %s lacks '%s', or it is no text", "im Eintrag %s fehlt '%s' oder ist kein Text", called, name
    )


def record(folder: Folder) -> None:
    """Write `images.json`, sorted, so that a difference is read at once."""
    said = {
        "images": [asdict(one) for one in sorted(folder.images, key=lambda one: (one.chip, one.version))],
        "packages": [asdict(one) for one in sorted(folder.packages, key=lambda one: (one.name, one.version))],
    }
    folder.path.mkdir(parents=True, exist_ok=True)
    new = folder.path / (LOCK + ".new")
    new.write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    new.replace(folder.path / LOCK)


def check(data: bytes, chip: str, name: str) -> list[partitions.Partition]:
    """Its partitions, where it is an image for this chip that MicroPython's builds look like. Raises WrongUse."""
    made_for = chip_of(data)
    if made_for is None:
        raise WrongUse(say("%s is not an ESP32 image", "%s ist kein Image für einen ESP32", name))
    if made_for != chip:
        raise WrongUse(
            say(
                "%s is an image for %s, and this board has an %s; nothing was written",
                "%s ist ein Image für %s, diese Karte hat einen %s; es wurde nichts geschrieben",
                name,
                made_for,
                chip,
            )
        )
    rows = partitions.parse(data[partitions.TABLE_AT - OFFSETS[chip] :])
    if not rows:
        raise WrongUse(
            say(
                "%s has no partition table: take the .bin that MicroPython publishes, not the .app-bin",
                "%s hat keine Partitionstabelle: die .bin nehmen, die MicroPython veröffentlicht, nicht die .app-bin",
                name,
            )
        )
    app = next((row.offset for row in rows if row.kind == partitions.APP), 0)
    begin = app - OFFSETS[chip]
    if begin > len(data) or _is_cut_off(data[max(0, begin) :]):
        raise WrongUse(
            say(
                "%s is cut off: its program is not all there; fetch it again",
                "%s ist abgeschnitten: das Programm darin ist nicht vollständig; neu holen",
                name,
            )
        )
    return rows


def _is_cut_off(app: bytes) -> bool:
    """Whether a program ends before its last segment does (ESP-IDF, "App Image Format")."""
    if app[:1] != bytes((IMAGE_MAGIC,)):
        return False
    at = 24
    for _ in range(app[1] if len(app) > at else 1):
        if at + 8 > len(app):
            return True
        at += 8 + struct.unpack_from("<I", app, at + 4)[0]
    return at > len(app)


def chip_of(data: bytes) -> str | None:
    """What chip an image is for: ESP-IDF, "App Image Format", chip id at byte 12. None where it is no image."""
    if len(data) < 24 or data[0] != IMAGE_MAGIC:
        return None
    (number,) = struct.unpack_from("<H", data, 12)
    return CHIP_IDS.get(number, f"chip {number}")
