"""Fill the folder of images, with a network: MicroPython's builds, and the radio's drivers as `mip` would install them.

The SHA-256 of what came is recorded; where the folder has one already, another file under the same name is refused.
Sources: micropython.org/download/<build> (list of releases), micropython.org/pi/v2 (index of micropython-lib).
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx

from firmware import image
from firmware.bench.flash import images
from firmware.bench.flash.images import BUILDS, Folder, Package, Pinned
from firmware.bench.trouble import BenchError, WrongUse
from firmware.bench.words import say

SITE = "https://micropython.org"
_RELEASE = re.compile(r'/resources/firmware/([A-Z0-9_]+-\d{8}-(v[0-9.]+)\.bin)"')
_TIMEOUT_S = 30
Told = Callable[[str], None]


def fetch(path: Path, chips: list[str], version: str = "", site: str = SITE, told: Told = lambda _: None) -> Folder:
    """The folder afterwards. `version`: like "v1.26.1", "" for the newest release. Raises BenchError."""
    folder = images.load(path) if (path / images.LOCK).exists() else Folder(path, [], [])
    with httpx.Client(base_url=site, timeout=_TIMEOUT_S, follow_redirects=True) as web:
        for chip in chips:
            folder = _with_image(folder, web, chip, version, told)
            images.record(folder)
        for name, at in (image.LORA_SYNC, *image.LORA_PACKAGES.values()):
            folder = _with_package(folder, web, name, at, told)
            images.record(folder)
    return folder


def _with_image(folder: Folder, web: httpx.Client, chip: str, version: str, told: Told) -> Folder:
    if chip not in BUILDS:
        raise WrongUse(
            say(
                "there is no chip '%s'; there are %s",
                "den Chip '%s' gibt es nicht; es gibt %s",
                chip,
                ", ".join(BUILDS),
            )
        )
    page = _get(web, f"/download/{BUILDS[chip]}/").text
    found = [(file, at) for file, at in _RELEASE.findall(page) if file.startswith(BUILDS[chip] + "-")]
    wanted = [(file, at) for file, at in found if not version or at == version]
    if not wanted:
        there = ", ".join(dict.fromkeys(at for _, at in found)) or "none"
        raise WrongUse(
            say(
                "MicroPython has no %s for %s; there are: %s",
                "MicroPython %s gibt es für %s nicht; es gibt: %s",
                version or "release",
                chip,
                there,
            )
        )
    file, at = wanted[0]
    url = f"/resources/firmware/{file}"
    known = next((one for one in folder.images if one.file == file), None)
    if known is not None and (folder.path / file).exists():
        told(say("%s is there", "%s ist da", file))
        return folder
    told(say("fetching %s", "hole %s", file))
    data = _get(web, url).content
    images.check(data, chip, file)
    sha256 = _kept(folder.path / file, data, known.sha256 if known else None)
    made = Pinned(chip, at, file, sha256, str(web.base_url).rstrip("/") + url)
    return replace(folder, images=[one for one in folder.images if one.file != file] + [made])


def _with_package(folder: Folder, web: httpx.Client, name: str, version: str, told: Told) -> Folder:
    """One package and what it needs, laid together as `mip` lays it into /lib."""
    known = next((one for one in folder.packages if (one.name, one.version) == (name, version)), None)
    place = folder.path / "packages" / f"{name}@{version}"
    if known is not None and all((place / file).exists() for file in known.files):
        return folder
    told(say("fetching %s", "hole %s", f"{name}@{version}"))
    files: dict[str, str] = {}
    for file, data in _package_files(web, name, version).items():
        files[file] = _kept(place / file, data, known.files.get(file) if known else None)
    made = Package(name, version, dict(sorted(files.items())))
    return replace(folder, packages=[one for one in folder.packages if one.name != name] + [made])


def _package_files(web: httpx.Client, name: str, version: str) -> dict[str, bytes]:
    said = _get(web, f"/pi/v2/package/{images_abi()}/{name}/{version}.json").json()
    out: dict[str, bytes] = {}
    for needed, at in said.get("deps", ()):
        out |= _package_files(web, needed, at)
    for file, short in said.get("hashes", ()):
        data = _get(web, f"/pi/v2/file/{short[:2]}/{short}").content
        if not hashlib.sha256(data).hexdigest().startswith(short):
            raise BenchError(say("%s came damaged; try again", "%s kam beschädigt an; noch einmal", file))
        out[file] = data
    return out


def images_abi() -> str:
    """What micropython-lib calls the version of its .mpy files."""
    return str(image.MPY_VERSION)


def _kept(path: Path, data: bytes, recorded: str | None) -> str:
    """Write it; its SHA-256. Raises BenchError where another one is recorded."""
    sha256 = hashlib.sha256(data).hexdigest()
    if recorded is not None and recorded != sha256:
        raise BenchError(
            say(
                "%s is not what was recorded: its maker changed it, or somebody between you and them; ask your team",
                "%s ist nicht, was eingetragen ist: geändert wurde es vom Herausgeber oder unterwegs; im Team klären",
                path.name,
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return sha256


def _get(web: httpx.Client, path: str) -> httpx.Response:
    try:
        answer = web.get(path)
        answer.raise_for_status()
        return answer
    except httpx.HTTPStatusError as error:
        raise BenchError(
            say("%s answers %s", "%s antwortet %s", error.request.url, error.response.status_code)
        ) from None
    except httpx.HTTPError as error:
        raise BenchError(
            say(
                "%s cannot be reached (%s); the images can also be copied from a colleague's folder",
                "%s ist nicht erreichbar (%s); die Images lassen sich auch aus dem Ordner eines Kollegen kopieren",
                web.base_url,
                error,
            )
        ) from None
