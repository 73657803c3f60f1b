"""The bench at boards that somebody else imitates: roughly, and without a chip behind the prompt (other_board.py)."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firmware.bench.board import looking, restoring
from firmware.bench.board.backup import IDENTITY, MAIN, Backup
from firmware.bench.board.repl import Repl
from firmware.bench.board.rom import chip_of
from firmware.bench.board.shelf import ERASING, WRITTEN, Journal, Shelf
from firmware.bench.identity.provision import Order, provision
from firmware.bench.trouble import BenchError, WrongUse
from schemas.models import Activation
from tests.firmware.bench.laptop import CONFIG, Laptop
from tests.firmware.bench.laptop import IDENTITY as KN_0007
from tests.firmware.bench.other_board import Manners, OtherBoard

MAC = "7c:df:a1:00:00:01"
OVER_MQTT: dict[str, Any] = {
    "radio": "mqtt", "interval_s": 10, "mqtt": {"host": "broker", "tls": False}, "wifi": {"ssid": "s"},
    "sensors": CONFIG["sensors"],
}  # fmt: skip
LIVED = {
    IDENTITY: json.dumps(KN_0007).encode(), "/config.json": json.dumps(CONFIG).encode(),
    "/lorawan.json": b'{"dev_nonce": 41}', "/outbox/000001": b"readings", "/outbox/state": b"s", "/note.txt": b"mine",
}  # fmt: skip
ERASE, WRITE = 0x02, 0x03


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path, 4, ("esp32", "esp32s3", "esp32c3"))


@contextmanager
def board_of(laptop: Laptop, micropython: str, *also: Any, **more: Any) -> Iterator[OtherBoard]:
    with OtherBoard(
        laptop.folder / "board", micropython, *also, **{"files": LIVED, "manners": Manners(paste=True), **more}
    ) as board:
        yield board


def flash(laptop: Laptop, at: OtherBoard, **more: Any) -> Any:
    return laptop.flasher.flash(laptop.wish(str(at.port), **{"config": b"", **more}))


CASES = [
    ("esp32", "esp32_devkit", Manners(stub="silent", paste=True, wipes=True)),
    ("esp32c3", "esp32_c3", Manners(stub="hangup", baud="silent", paste=True, wipes=True, flash_id=0)),
    ("esp32s3", "heltec_v3", Manners(baud="ok", paste=True, end=False, garbage=b"ets Jul 29\r\n\xc0\xff\xc0junk" * 20)),
]


def test_whatever_its_manners_a_board_keeps_what_it_had(tmp_path: Path, micropython: str) -> None:
    def one(case: tuple[str, str, Manners]) -> None:
        chip, model, manners = case
        laptop = Laptop(tmp_path / chip, 4, (chip,))
        files = LIVED if chip == "esp32s3" else {**LIVED, "/config.json": json.dumps(OVER_MQTT).encode()}
        saved: list[int] = []

        def at(op: int, n: int) -> bool:
            if (op, n) == (ERASE, 1):
                saved.append(len(laptop.shelf.backups(MAC)))
            return False

        with board_of(laptop, micropython, chip=chip, files=files, manners=manners) as board:
            board.cut_when = at
            done = flash(laptop, board, board=model)
            after = board.files()
        assert (done.chip, done.mac, done.device) == (chip, MAC, "kn-0007")
        assert saved == [1]  # before anything was erased
        assert {path: after.get(path) for path in files} == files
        assert MAIN in after

    with ThreadPoolExecutor(len(CASES)) as pool:  # most of the time is waiting
        list(pool.map(one, CASES))


def test_cut_off_it_goes_on_at_another_port_and_knows_its_model(tmp_path: Path, micropython: str) -> None:
    def one(case: tuple[tuple[int, int], int]) -> None:
        op, keys = case
        laptop = Laptop(tmp_path / str(keys), 4)
        with board_of(laptop, micropython, manners=Manners(wipes=True, paste=True)) as board:
            board.cut_when, board.cut_keys = lambda *now: now == op, keys
            with pytest.raises(BenchError, match="went away"):
                flash(laptop, board)
            board.cut_when, board.cut_keys = lambda *_: False, -1
            board.replug()
            done = laptop.flasher.flash(laptop.wish(board.path, board="", config=b""))
            after = board.files()
        assert (done.board, done.device, done.resumed) == ("heltec_v3", "kn-0007", True)
        assert {path: after.get(path) for path in LIVED} == LIVED

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, [((ERASE, 1), 0), ((0, 0), 60_000)]))


def test_an_identity_given_since_is_not_taken_away_again(laptop: Laptop, micropython: str) -> None:
    other = {**LIVED, IDENTITY: json.dumps({**KN_0007, "device": "kn-0099"}).encode()}
    with board_of(laptop, micropython, files=LIVED) as board:
        with Repl(str(board.port)) as repl:
            found = looking.by_repl(repl, datetime.now(UTC)).backup
        name = laptop.shelf.save(found).rename(laptop.shelf.place(MAC).parent / "b.json").name
        laptop.shelf.place(MAC).mkdir(parents=True, exist_ok=True)
        (laptop.shelf.folder / name).rename(laptop.shelf.place(MAC) / name)
        laptop.shelf.write_journal(MAC, Journal(ERASING, name, "heltec_v3"))
        board.unplug()
        board.put(other)
        board.plug()
        done = flash(laptop, board)
        assert (done.device, board.files()[IDENTITY]) == ("kn-0099", other[IDENTITY])


def test_a_cut_off_run_left_the_counters_out_and_a_new_identity_leaves_nothing_of_the_old(
    laptop: Laptop, micropython: str
) -> None:
    raw = b"counters" * (0x6000 // 8)
    with board_of(laptop, micropython) as board:
        flash(laptop, board)
        kept = Backup(MAC, "2026-11-25T00:00:00Z", "heltec_v3", LIVED, {}, raw, 0x9000)
        laptop.shelf.write_journal(MAC, Journal(WRITTEN, laptop.shelf.save(kept).name, "heltec_v3"))
        board.unplug()
        board.put({})
        board.plug()
        assert flash(laptop, board).resumed
        assert board.flash.read_bytes()[0x9000:0xF000] == raw
        assert flash(laptop, board, new_identity=True).device == ""  # erasing leaves these files where they are
        assert {path for path in board.files() if not path.startswith("/lib/")} == {"/config.json", "/note.txt", MAIN}


def test_a_laptop_that_cannot_save_does_not_erase(laptop: Laptop, micropython: str) -> None:
    (laptop.folder / "full").write_text("no folder")
    laptop.shelf = Shelf(laptop.folder / "full")
    with board_of(laptop, micropython) as board:
        with pytest.raises(BenchError, match=r"cannot be written .*--shelf DIR"):
            flash(laptop, board)
        assert not {ERASE, WRITE} & set(board.ops)
        assert board.files() == LIVED


def test_a_restore_that_is_cut_off_is_nobody_yet(laptop: Laptop, micropython: str) -> None:
    big = {**LIVED, "/outbox/000001": random.Random(1).randbytes(10_240)}
    now = datetime.now(UTC)

    def restored(board: OtherBoard) -> None:
        with Repl(str(board.port)) as repl:
            restoring.onto(repl, looking.by_repl(repl, now), kept, now)

    with board_of(laptop, micropython, files=big, manners=Manners()) as board:
        with Repl(str(board.port)) as repl:
            kept = looking.by_repl(repl, now).backup
        board.unplug()
        board.put({})
        board.plug()
        board.cut_keys = 14_000
        with pytest.raises(BenchError):
            restored(board)
        half = board.files()
        assert half
        assert IDENTITY not in half
        board.cut_keys = -1
        board.plug()
        restored(board)
        after = board.files()
    assert json.loads(after.pop("/lorawan.json"))["dev_nonce"] >= 41 + restoring.NONCES_AT_LEAST
    assert {**after, "/lorawan.json": b""} == {**big, "/lorawan.json": b""}


def test_a_board_without_a_chip_has_no_name_and_says_no_chip(laptop: Laptop, micropython: str) -> None:
    files, now = {"/config.json": LIVED["/config.json"]}, datetime.now(UTC)
    with board_of(laptop, micropython, files=files) as board, Repl(str(board.port)) as repl:
        machine = looking.by_repl(repl, now).machine
        with pytest.raises(WrongUse, match="name the device"):
            provision(repl, None, Order(new=Activation.OTAA), laptop.shelf.save, now)  # type: ignore[arg-type]
    assert chip_of(machine) == ""
    assert chip_of("Generic ESP32S3 module with ESP32S3") == "esp32s3"
