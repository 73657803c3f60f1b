"""Verifying a board: it is asked, its firmware lives one cycle, and the check-list comes out of it, line by line.

The rule: the reading that is made here is a real one, the first that the cloud shall see. The firmware makes, counts
and sends it as it always does, and the board goes on by itself afterwards. What cannot be asked is said, and the rest
goes on; only a cable that is out ends it.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from edge import energy
from edge.config import ConfigError, checked
from edge.lorawan.eu868 import DATA_RATES
from edge.sensors.chips import CHIPS
from firmware.bench.checklist import checks_board, checks_papers, checks_state, expected, link, sensible
from firmware.bench.checklist.agreement import agreement
from firmware.bench.checklist.asking import Fact, Firmware, ask, firmware_of
from firmware.bench.checklist.check import Check, red
from firmware.bench.checklist.cloud import Cloud, OnWait, until_arrived
from firmware.bench.checklist.neighbours import Spot, neighbours
from firmware.bench.trouble import BenchError, BoardSays, WrongUse
from firmware.bench.words import say
from firmware.contents import board_pins, boards, buses
from firmware.frames import channels_of, frame_bytes

ROUNDS, PAUSE_MS = 3, 1000
STARTS_MAX = 4  # of the firmware: one may be left over from before, and a cycle has two


class Board(Protocol):
    """What is asked of firmware.bench.board.repl.Repl."""

    def run(self, code: str, timeout_s: float = 10, on_output: Callable[[bytes], None] | None = None) -> str: ...

    def fresh(self) -> None: ...

    def read(self, path: str) -> bytes | None: ...

    def files(self, folder: str = "") -> dict[str, int]: ...

    def hashes(self, paths: Any) -> dict[str, str]: ...

    def reset(self) -> None: ...


@dataclass(frozen=True)
class Wanted:
    """What is expected and what may be done. `image`: a folder with manifest.json; without it the image is made again
    from the board's configuration, where its firmware is of `own_version`.
    """

    own_version: str
    image: Path | None = None
    station: str = ""
    cell: str = ""
    radio: bool = True
    rounds: int = ROUNDS
    cloud_wait_s: float = 60.0


@dataclass
class Seen:
    """All that was found: the checks, and the facts that a protocol keeps."""

    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    station: Mapping[str, Any] | None = None  # its GeoJSON


def check_cell(cell: str) -> None:
    """Raises WrongUse for a kind of cell that nothing is known of; "" is none."""
    if cell and cell not in checks_state.CELLS:
        kinds = ", ".join(checks_state.CELLS)
        raise WrongUse(
            say("there is no cell '%s': one of %s", "die Zelle '%s' gibt es nicht: eine von %s", cell, kinds)
        )


OnCheck = Callable[[Check], None]
OnStep = Callable[[str], None]


class Verification:
    """`cloud`: None where nobody can be asked, `why_not` says why. `on_check`: each line as it is known; `on_step`:
    what is being done, in words; `now`: the laptop's clock.
    """

    def __init__(
        self, board: Board, cloud: Cloud | None, wanted: Wanted, on_check: OnCheck, on_step: OnStep = lambda _: None,
        why_not: str = "", now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._board, self._cloud, self._wanted, self._now = board, cloud, wanted, now
        self._on_check, self._on_step, self._why_not = on_check, on_step, why_not
        self.seen = Seen()
        self._rounds: list[Fact] = []
        self._told: list[Fact] = []  # by the firmware's own cycle
        self._turned: dict[str, Fact] = {}  # phase -> how a start ended
        self._turned_at_ms = 0

    def run(self) -> Seen:
        """Everything that needs the cable; the board runs on afterwards. Raises BenchError where the cable is out."""
        firmware = self._what_it_is()
        if firmware is not None:
            self._what_it_measures(firmware)
            self._one_cycle(firmware)
        self._board.reset()
        return self.seen

    def await_cloud(self, on_wait: OnWait = lambda done, of: None, pause: Callable[[float], None] = time.sleep) -> None:
        """Until the reading is there: the cable may be out by now."""
        reading, arrived_s, asked, why_not = self._reading(), None, self._cloud is not None, self._why_not
        if not self._wanted.radio and self._cloud is not None:
            asked, why_not = False, say("the radio was not used", "das Funkmodul blieb aus")
        if asked and reading is not None and self._cloud is not None:
            key, device = (reading["generation"], reading["seq"]), str(self.seen.facts.get("device"))
            try:
                self._on_step(say("waiting for the cloud", "auf die Cloud warten"))
                arrived_s = until_arrived(self._cloud, device, key, self._wanted.cloud_wait_s, on_wait, pause)
            except BenchError as error:
                asked, why_not = False, str(error)
        self._add(link.cloud(reading, self._told, arrived_s, asked, self._wanted.cloud_wait_s, why_not))

    def _add(self, *checks: Check | None) -> None:
        for check in checks:
            if check is not None:
                self.seen.checks.append(check)
                self._on_check(check)

    def _what_it_is(self) -> Firmware | None:
        """Image, board, identity; the firmware that can be asked, None where there is none."""
        board, facts = self._board, self.seen.facts
        self._on_step(say("reading what is on it", "Inhalt lesen"))
        firmware = firmware_of(board.read("/main.py"))
        self._identity, self._config_text = board.read("/identity.json"), board.read("/config.json")
        self._files = set(board.files())
        config = checks_papers.object_of(self._config_text)
        manifest = expected.manifest(self._wanted.image, firmware, config, self._wanted.own_version)
        hashes = board.hashes([file["path"] for file in manifest["files"]]) if manifest else {}
        told = next(iter(self._asked("facts", firmware)), {})
        facts |= {
            "board": firmware.board if firmware else None,
            "firmware": firmware.version if firmware else None,
            "serial": told.get("serial"),
            "image_sha256": expected.digest(manifest),
            "config_sha256": hashlib.sha256(self._config_text).hexdigest() if self._config_text else None,
        }
        self._add(checks_board.image(manifest, hashes, self._files, told, firmware))
        if firmware is None or firmware.board not in boards():
            return None
        self._add(checks_board.board(told, board_pins(firmware.board)))
        self._radio_of_image = manifest["radio"] if manifest else ""
        self._add(self._who())
        return firmware

    def _who(self) -> Check:
        """Identity, and what the registry says of it and of its station."""
        given = checks_papers.object_of(self._identity) or {}
        device = str(given.get("device") or "")
        self.seen.facts |= {"device": device or None, "station": self._wanted.station or None}
        registered, asked = None, False
        if self._cloud is not None and device:
            try:
                registered, asked = self._cloud.device(device), True
                station = self._wanted.station or (registered or {}).get("station")
                if station:
                    self.seen.facts["station"] = station
                    self.seen.station = self._cloud.station(station)
            except BenchError as error:
                self._cloud, self._why_not = None, str(error)
        return checks_papers.identity(self._identity, registered, asked, self._wanted.station)

    def _config(self, firmware: Firmware) -> Mapping[str, Any] | None:
        given = checks_papers.object_of(self._config_text)
        try:
            config: Mapping[str, Any] = checked(given, CHIPS, buses(board_pins(firmware.board)))
        except ConfigError:
            return None
        return config

    def _what_it_measures(self, firmware: Firmware) -> None:
        """Every sensor several times; then the configuration can be judged by what hangs on the buses."""
        self._on_step(say("reading the sensors", "Sensoren lesen"))
        facts = self._asked("sensors", firmware, {"ROUNDS": self._wanted.rounds, "PAUSE_MS": PAUSE_MS})
        if any(fact["kn"] == "settings" and fact["phase"] != "measure" for fact in facts):
            facts = self._asked("sensors", firmware, {"ROUNDS": self._wanted.rounds, "PAUSE_MS": PAUSE_MS})
        settings = next((fact for fact in facts if fact["kn"] == "settings"), None)
        answering: Mapping[str, Any] = next((fact["found"] for fact in facts if fact["kn"] == "buses"), {})
        self._rounds = [fact for fact in facts if fact["kn"] == "measured"]
        names = buses(board_pins(firmware.board))
        self._add(
            checks_papers.configuration(
                self._config_text, names, self._files, settings, answering, self._radio_of_image
            )
        )
        config = self._config(firmware)
        if config is None:
            return
        spot = self._spot()
        self._add(*sensible.sensors(config, self._rounds, PAUSE_MS / 1000))
        self._add(agreement(config, self._rounds, spot.elevation_m if spot else None))
        self._add(neighbours(config, self._rounds, spot, self._latest(), self._now()))

    def _spot(self) -> Spot | None:
        if self.seen.station is None:
            return None
        longitude, latitude = self.seen.station["geometry"]["coordinates"][:2]
        return Spot(
            str(self.seen.station["id"]), longitude, latitude, self.seen.station["properties"].get("elevation_m")
        )

    def _latest(self) -> Mapping[str, Any] | None:
        try:
            return self._cloud.latest() if self._cloud is not None else None
        except BenchError:
            return None

    def _one_cycle(self, firmware: Firmware) -> None:
        """The firmware measures and stores, and its radio works: two starts, as on the lamp post."""
        config = self._config(firmware)
        last = "exchange" if self._wanted.radio else "measure"
        for _ in range(STARTS_MAX):
            self._on_step(say("the firmware's own cycle", "ein Zyklus der Firmware"))
            facts = self._asked("start", firmware)
            turned = next((fact for fact in facts if fact["kn"] == "turned"), None)
            if turned is None:
                break
            self._turned_at_ms = round(self._now().timestamp() * 1000)
            measured = "measure" in self._turned
            if turned["phase"] == "measure" or measured:
                self._told += facts
                self._turned[turned["phase"]] = turned
            if turned["phase"] == last and "measure" in self._turned:
                break
        reading, turned = self._reading(), self._turned.get("exchange") or self._turned.get("measure")
        volts = turned["battery"] if turned else None
        if volts is None and reading is not None:
            volts = reading["values"].get("battery")
        low_mv = config["low_battery_mv"] if config else 0
        self._add(checks_state.battery(volts, low_mv, self._wanted.cell, self._years(firmware, config)))
        self._add(checks_state.clock(turned and turned["clock"], self._turned_at_ms, self._wanted.radio))
        self._add(checks_state.outbox(reading, turned))
        if config is not None:
            self._add(link.radio(config, self._told, self._turned.get("exchange"), self._wanted.radio))

    def _reading(self) -> Fact | None:
        return next((one for one in reversed(self._told) if one["kn"] == "reading" and "seq" in one), None)

    def _years(self, firmware: Firmware, config: Mapping[str, Any] | None) -> float | None:
        if config is None or not self._wanted.cell:
            return None
        chips = sorted({one["chip"] for one in config["sensors"].values()})
        sf = DATA_RATES[config["lorawan"]["dr"]].sf
        try:
            payload = frame_bytes(2, channels_of(chips)) if config["radio"] == "lorawan" else 0
            spent = energy.budget(
                firmware.board, config["radio"], config["interval_s"], chips, sf, payload, config["sleep"]
            )
            return float(energy.years(spent.mah_day, self._wanted.cell))
        except energy.EnergyError:
            return None

    def _asked(
        self, script: str, firmware: Firmware | None, values: Mapping[str, int] = MappingProxyType({})
    ) -> list[Fact]:
        """What a script tells; where the board's program fails in it, that is a line of the list."""
        told: list[Fact] = []
        try:
            ask(self._board, script, firmware, told.append, values=values)
        except BoardSays as error:
            self._add(red("firmware", str(error), say("take a backup and flash it again: klimanetz device flash",
                                                      "sichern und noch einmal flashen: klimanetz device flash"),
                          {"trace": error.trace}))  # fmt: skip
        return told
