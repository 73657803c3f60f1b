"""A new box takes over a place, and the cable of either box is pulled out at fifty points of that: nothing is lost.

Real esptool, mpremote and MicroPython at pseudo-terminals; the registry is a trip's manifest, as in a cellar.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware.bench.board import backup as backups
from firmware.bench.board.backup import CONFIG as CONFIG_FILE
from firmware.bench.board.backup import IDENTITY as IDENTITY_FILE
from firmware.bench.board.backup import Backup
from firmware.bench.board.repl import Repl
from firmware.bench.board.shelf import stamp
from firmware.bench.checklist.verifying import Wanted
from firmware.bench.flash.flashing import Wish
from firmware.bench.identity import manifest as manifests
from firmware.bench.identity.manifest import Manifest
from firmware.bench.identity.places import Place
from firmware.bench.identity.provision import Order
from firmware.bench.identity.trip import Trip
from firmware.bench.installing import Laptop as Bench
from firmware.bench.replacing import Change, Replaced, exchange, who_and_where
from firmware.bench.trouble import BenchError, WrongUse
from schemas.models import Activation
from simulators.bench.board import SimulatedBoard
from tests.firmware.bench.laptop import CONFIG, IDENTITY, PARTS, VERSION, Laptop
from tests.firmware.bench.lives import has_all_of, looked
from tests.firmware.bench.on_flash import nvs_of, stored

POINTS, PAIRS = 50, 5
STATION, OLD = "marktplatz", "kn-0007"
SLOW = CONFIG | {"interval_s": 900}


class Pair:
    """An old box that stands somewhere, a factory-new one, and a laptop; `fresh` makes all of it as it was."""

    def __init__(self, folder: Path, micropython: str, old_flash: Path, number: int = 0) -> None:
        self._old_flash, self._folder, self._n = old_flash, folder, 0
        self.laptop = Laptop(folder / f"laptop{number}")
        self.old = self._board(folder / f"old{number}", micropython, f"24ec4a0001{number:02x}")
        self.new = self._board(folder / f"new{number}", micropython, f"24ec4a0002{number:02x}")
        self.name = f"kn-0002{number:02x}"

    @staticmethod
    def _board(folder: Path, micropython: str, mac: str) -> SimulatedBoard:
        return SimulatedBoard(folder, "heltec_v3", micropython=micropython, parts=PARTS, mac=mac)

    def __enter__(self) -> "Pair":
        self.old.__enter__()
        self.new.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.old.__exit__(None, None, None)
        self.new.__exit__(None, None, None)

    def fresh(self) -> None:
        for board, flash in ((self.old, self._old_flash), (self.new, None)):
            board.unplug()
            place = board.folder / "flash.bin"
            if flash:
                shutil.copyfile(flash, place)
            else:
                with place.open("r+b") as file:
                    file.write(b"\xff" * place.stat().st_size)
            board.plug()
        self._n += 1
        shelf = self.laptop.shelf.folder
        for path in (*shelf.glob("replace-*"), *shelf.glob("24ec*/*")):
            path.unlink()
        trip = Manifest(
            stamp(datetime.now(UTC)), stations=[{"station": STATION, "name": "Markt", "latitude": 51.48, "longitude": 11.97}],
            devices=[{**IDENTITY, "codec": "klimanetz"}],
            deployments=[{"station": STATION, "device": OLD, "from": "2026-01-01T00:00:00Z", "to": None}],
        )  # fmt: skip
        self._trip = self.laptop.folder / f"trip{self._n}.json"
        manifests.write(trip, self._trip)

    def trip(self) -> Trip:
        return Trip(self._trip, "AB", lambda: stamp(datetime.now(UTC)))

    def replace(self) -> Replaced:
        bench = Bench(self.laptop.flasher, self.laptop.shelf, self.trip(), None, "", lambda: datetime.now(UTC))
        return exchange(
            bench, Change("", STATION, self.old.port), Wish(self.new.port, "heltec_v3"),
            Order(new=Activation.OTAA), Wanted(VERSION, radio=False, rounds=1), lambda *_: None, lambda _: None,
        )  # fmt: skip

    def holds(self, done: Replaced, before: Backup) -> None:
        assert (done.old, done.station) == (OLD, STATION)
        assert done.unsent >= before.unsent
        kept = backups.read(Path(done.backup))
        if not kept.nvs:  # its prompt did not answer in time: the loader read its flash
            kept = replace(kept, nvs=nvs_of(kept.nvs_raw))
        has_all_of(kept, before)
        trip, now = self.trip(), stamp(datetime.now(UTC))
        assert trip.standing_at(STATION, now) == [self.name]
        assert [stay["to"] for stay in trip.stays(OLD)] != [None]
        row = trip.device(self.name)
        assert row is not None
        self.new.unplug()
        self.old.unplug()
        there, whole = stored(self.new.folder / "flash.bin")
        assert whole
        assert there.identity["app_key"] == row["app_key"]
        assert json.loads(there.files[CONFIG_FILE]) == SLOW
        has_all_of(stored(self.old.folder / "flash.bin")[0], before)
        self.old.plug()
        self.new.plug()


@pytest.fixture
def pair(tmp_path: Path, micropython: str, lived_flash: tuple[Path, Backup]) -> Iterator[Pair]:
    with Pair(tmp_path, micropython, lived_flash[0]) as made:
        made.fresh()
        yield made


def test_a_new_box_takes_over(pair: Pair, lived_flash: tuple[Path, Backup]) -> None:
    done = pair.replace()
    pair.holds(done, lived_flash[1])
    print(done.installed.seconds)
    assert done.installed.colour == "yellow", done.installed.reason  # nobody was asked, nothing was sent
    identity = json.loads(now_on(pair.new)[IDENTITY_FILE])
    assert identity["device"] == pair.name
    stays = pair.trip().stays(pair.name)
    bench = Bench(pair.laptop.flasher, pair.laptop.shelf, pair.trip(), None, "", lambda: datetime.now(UTC))
    with pytest.raises(WrongUse, match="itself, which is to leave"):  # the same again, by mistake
        exchange(
            bench, Change(station=STATION), Wish(pair.new.port), Order(new=Activation.OTAA),
            Wanted(VERSION, radio=False, rounds=1), lambda *_: None, lambda _: None,
        )  # fmt: skip
    assert pair.trip().stays(pair.name) == stays


def now_on(board: SimulatedBoard) -> dict[str, bytes]:
    with Repl(board.port) as repl:
        return dict(looked(repl).files)


def test_the_boxes_the_wrong_way_round_are_named_and_left_alone(pair: Pair) -> None:
    before = now_on(pair.old)
    pair.old, pair.new = pair.new, pair.old
    with pytest.raises(BenchError, match="is no device, not kn-0007: are the ports the wrong way round"):
        pair.replace()
    pair.old, pair.new = pair.new, pair.old
    assert now_on(pair.old)[IDENTITY_FILE] == before[IDENTITY_FILE]
    assert pair.trip().standing_at(STATION, stamp(datetime.now(UTC))) == [OLD]


def test_whoever_leaves_has_to_be_told_apart(pair: Pair) -> None:
    bench = Bench(pair.laptop.flasher, pair.laptop.shelf, pair.trip(), None, "", lambda: datetime.now(UTC))
    wanted = Wanted(VERSION, radio=False, rounds=1)
    for change, order, said in (
        (Change(station="nowhere"), Order(), "which device leaves"),
        (Change(old="kn-9999"), Order(), "kn-9999 stands nowhere"),
        (Change(old=OLD), Order(device=OLD), "is the old box's name"),
    ):
        with pytest.raises(WrongUse, match=said):
            exchange(bench, change, Wish(pair.new.port), order, wanted, lambda *_: None, lambda _: None)


@pytest.mark.timeout(280)
def test_pulled_out_anywhere_nothing_is_lost(
    tmp_path: Path, micropython: str, lived_flash: tuple[Path, Backup]
) -> None:
    flash, before = lived_flash
    said: list[str] = []

    def one(number: int) -> None:
        with Pair(tmp_path, micropython, flash, number) as pair:
            pair.fresh()
            begun = pair.old.events, pair.new.events
            pair.holds(pair.replace(), before)
            whole = pair.old.events - begun[0], pair.new.events - begun[1]
            for n in range(number, POINTS, PAIRS):
                pair.fresh()
                board, events = (pair.old, whole[0]) if n % 5 == 4 else (pair.new, whole[1])
                board.unplug_at(board.events + 1 + n * events // POINTS)
                done = None  # where it was through before the cable came out
                try:
                    done = pair.replace()
                    said.append("")
                except BenchError as error:
                    said.append(str(error))
                board.unplug()
                board.plug()
                pair.holds(done or pair.replace(), before)

    with ThreadPoolExecutor(PAIRS) as pool:
        list(pool.map(one, range(PAIRS)))
    assert len(said) == POINTS
    assert sum(map(bool, said)) >= POINTS - 5, said


def test_a_change_that_was_given_up_does_not_come_back(pair: Pair) -> None:
    """Months later another device stands there, and that one leaves."""
    shelf, trip = pair.laptop.shelf, pair.trip()
    shelf.folder.mkdir(exist_ok=True)
    mark = shelf.folder / f"replace-{STATION}.json"
    mark.write_text(json.dumps({"old": OLD, "backup": "", "time": "2026-02-01T00:00:00Z"}))
    assert who_and_where(trip, shelf, Change(station=STATION), "2026-02-02T00:00:00Z") == (OLD, STATION)
    trip.put_device({"device": "kn-9", "activation": "mqtt", "codec": "klimanetz"})
    trip.withdraw(OLD, "2026-02-03T00:00:00Z")  # by this change: it goes on
    trip.deploy(Place(STATION, "kn-9", "2026-02-03T00:00:00Z"))
    assert who_and_where(trip, shelf, Change(station=STATION), "2026-02-04T00:00:00Z") == (OLD, STATION)
    mark.write_text(json.dumps({"old": OLD, "backup": "", "time": "2026-03-01T00:00:00Z"}))  # it had left before
    assert who_and_where(trip, shelf, Change(station=STATION), "2026-04-01T00:00:00Z") == ("kn-9", STATION)
