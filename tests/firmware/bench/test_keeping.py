"""`klimanetz device backup`, `restore`, `rescue` and `ports` as a technician types them: a board that loses its flash, and
one that never comes back.
"""

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware.bench.board import backup as backups
from firmware.bench.board.backup import IDENTITY as IDENTITY_FILE
from firmware.bench.board.backup import Backup
from firmware.bench.board.repl import Repl
from firmware.bench.board.rescue import readings
from simulators.bench.board import SimulatedBoard
from tests.brokers import Broker
from tests.cloud import ingest_process
from tests.firmware.bench.laptop import CONFIG, IDENTITY, PARTS
from tests.firmware.bench.lives import NVS, lived, looked
from tests.firmware.bench.ready_board import ready_board
from tests.firmware.bench.test_backup import a_life

PROGRAM = Path(sys.executable).with_name("klimanetz")
SLOW = CONFIG | {"interval_s": 900}


def command(folder: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> Any:
    """The answer on stdout, or what stands on stderr."""
    done = subprocess.run(
        [PROGRAM, "device", *map(str, arguments), "--json"], capture_output=True, text=True, timeout=60, check=False,
        cwd=folder, stdin=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C.UTF-8"} | dict(environment or {}),
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


@pytest.fixture
def board(tmp_path: Path, micropython: str) -> Iterator[SimulatedBoard]:
    with ready_board(tmp_path, micropython, SLOW, IDENTITY, PARTS) as made:
        yield made


def test_what_was_saved_comes_back_ahead_of_all_that_was_used(tmp_path: Path, board: SimulatedBoard) -> None:
    before = lived(board.port)
    saved = command(tmp_path, "backup", "--port", board.port, "--shelf", tmp_path / "shelf")
    assert (saved["device"], saved["unsent"]) == ("kn-0007", before.unsent)
    assert os.stat(saved["file"]).st_mode & 0o777 == 0o600
    kept = backups.read(Path(saved["file"]))
    assert dict(kept.files) == dict(before.files) and {key: kept.nvs[key] for key in NVS} == NVS

    with Repl(board.port) as repl:  # its flash is lost
        for path in before.files:
            repl.remove(path)
        repl.run("import esp32\n_n = esp32.NVS('klimanetz')")
        for key in before.nvs:
            repl.run(f"_n.erase_key({key!r})")
        repl.run("_n.commit()")
    done = command(tmp_path, "restore", saved["file"], "--port", board.port, "--shelf", tmp_path / "shelf")
    assert done["device"] == "kn-0007"
    with Repl(board.port) as repl:
        after = looked(repl)
    assert after.identity == before.identity
    assert after.nvs["lw_nonce"] >= NVS["lw_nonce"] + 100
    assert "lw_count" not in after.nvs
    assert not json.loads(after.files.get("/lorawan.json", b"{}")).get("session")
    numbers = {(one.generation, one.seq) for one in readings(after)}
    of_before = {(one.generation, one.seq) for one in readings(before)}
    assert of_before <= numbers
    assert all(generation > NVS["generation"] for generation, _ in numbers - of_before), "a number may be given again"


def test_another_device_is_not_written_over_unasked(tmp_path: Path, board: SimulatedBoard) -> None:
    other = replace(lived(board.port), files={IDENTITY_FILE: json.dumps(IDENTITY | {"device": "kn-0008"}).encode()})
    backups.write(other, tmp_path / "other.json")
    said = command(tmp_path, "restore", tmp_path / "other.json", "--port", board.port, "--shelf", tmp_path / "shelf")
    assert "this board is kn-0007, and the backup is of kn-0008" in said
    done = command(
        tmp_path, "restore", tmp_path / "other.json", "--port", board.port, "--shelf", tmp_path / "shelf",
        "--replace-identity",
    )  # fmt: skip
    assert done["device"] == "kn-0008"
    (saved,) = list((tmp_path / "shelf").glob("*/backup-*.json"))[:1]
    assert backups.read(saved).device == "kn-0007"


def test_ports_say_which_board_it_is_and_leave_it_running(tmp_path: Path, board: SimulatedBoard) -> None:
    before = lived(board.port)
    (row,) = [one for one in command(tmp_path, "ports", "--port", board.port) if one["path"] == board.port]
    assert (row["board"], row["device"], row["chip"]) == ("heltec_v3", "kn-0007", "esp32s3")
    assert row["unsent"] >= before.unsent
    board.unplug()
    gone = command(tmp_path, "ports", "--port", board.port)[-1]
    assert "there is no board at" in gone.pop("trouble")
    assert gone == {"path": board.port, "bridge": "", "serial": "", "text": ""}


def test_a_file_that_is_no_backup_touches_nothing(tmp_path: Path, board: SimulatedBoard) -> None:
    (tmp_path / "no.json").write_text("{}")
    assert "is not a backup" in command(tmp_path, "restore", tmp_path / "no.json", "--port", board.port)
    assert "cannot be read" in command(tmp_path, "restore", tmp_path / "none.json", "--port", board.port)


@pytest.fixture
def service(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ingest_process.Service, str]]:
    """Ingest, and the URL of its broker."""
    broker = Broker(mosquitto, tmp_path / "broker", "")
    monkeypatch.setattr(ingest_process, "NOW_MS", 1_780_000_000_000)
    (tmp_path / "ingest").mkdir()
    made = ingest_process.Service(broker, tmp_path / "ingest", devices=1)
    made.start()
    yield made, f"mqtt://{broker.host}:{broker.port}"
    made.close()
    broker.stop()


@pytest.mark.mosquitto
def test_unsent_readings_are_sent_in_the_boards_place_and_once(
    tmp_path: Path, service: tuple[ingest_process.Service, str]
) -> None:
    life = a_life(3, 70, {1, 2, 3})
    life = replace(life, files={**life.files, IDENTITY_FILE: b'{"device": "kn-0", "activation": "mqtt"}'})
    path = tmp_path / "life.json"
    backups.write(life, path)
    running, broker = service
    url = {"KLIMANETZ_MQTT_URL": broker}
    for _ in range(2):
        assert command(tmp_path, "rescue", path, environment=url) == [
            {"device": "kn-0", "readings": 210, "stored": 210}
        ]
    assert sorted(running.store.identities("kn-0")) == [(1, seq) for seq in range(1, 211)]


def test_without_a_broker_it_says_that_nothing_is_lost(tmp_path: Path) -> None:
    backups.write(a_life(1, 3, {1}), tmp_path / "life.json")
    said = command(tmp_path, "rescue", tmp_path / "life.json", environment={"KLIMANETZ_MQTT_URL": "mqtt://127.0.0.1:9"})
    assert "does not take it" in said and "safe in the backup" in said


def test_frame_counters_are_where_the_firmware_has_them() -> None:
    """What the bench knows of lw_count is what firmware/device/lora_memory.py writes."""
    source = (Path(__file__).parents[3] / "firmware/device/lora_memory.py").read_text()
    assert '_COUNTERS = "<III"' in source
    assert struct.calcsize("<III") == 12


def test_every_counter_that_a_device_keeps_is_known_to_the_bench() -> None:
    folder = Path(__file__).parents[3] / "firmware/device"
    text = "\n".join(path.read_text() for path in folder.glob("*.py"))
    keys = set(re.findall(r'nvs\.(?:get|set)\("(\w+)"', text)) | set(re.findall(r'"(lw_\w+)"', text))
    assert keys and keys <= set(backups.NVS_KEYS) | {"p_"}
    assert isinstance(Backup("", "").nvs, dict)
