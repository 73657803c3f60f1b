"""Which identity a board gets, and what is refused before it is touched; then on a board with a real MicroPython."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firmware.bench.board import backup as backups
from firmware.bench.board import looking
from firmware.bench.board.backup import CONFIG, IDENTITY, OF_IDENTITY, Backup
from firmware.bench.board.repl import Repl
from firmware.bench.board.shelf import Shelf
from firmware.bench.checklist.verifying import Wanted
from firmware.bench.identity import keys
from firmware.bench.identity import manifest as manifests
from firmware.bench.identity.exporting import export
from firmware.bench.identity.provision import Order, provision
from firmware.bench.identity.provisioning import Plan, Wish, decide
from firmware.bench.identity.registry import Offline, Online, Refused
from firmware.bench.identity.rows import BenchRow
from firmware.bench.identity.trip import Trip
from firmware.bench.installing import Laptop as Bench
from firmware.bench.installing import install
from firmware.bench.trouble import CableOut, WrongUse
from schemas.models import Activation, Device
from simulators.bench.board import SimulatedBoard
from tests.firmware.bench import laptop
from tests.firmware.bench.laptop import PARTS, Laptop
from tests.firmware.bench.served import NOW, OTAA, Served

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
MAC = "24:58:7c:12:34:56"
LORA = json.dumps(laptop.CONFIG).encode()
WIFI = json.dumps({
    "radio": "mqtt", "mqtt": {"host": "broker", "tls": False}, "wifi": {"ssid": "x"}, "sensors": laptop.CONFIG["sensors"],
}).encode()  # fmt: skip
JOINS = Device(device="kn-7", **{**OTAA, "activation": Activation.OTAA})  # type: ignore[arg-type]
ROW = {"device": "kn-7", "station": None, **OTAA}


def board(identity: dict[str, Any] | None = None, config: bytes = b"", **files: bytes) -> Backup:
    said = {IDENTITY: json.dumps(identity).encode()} if identity else {}
    said |= {CONFIG: config} if config else {}
    return Backup(MAC, NOW, "heltec_v3", {**said, **{f"/{name}": data for name, data in files.items()}})


def plan(wish: Wish, on: Backup, model: str = "heltec_v3") -> Plan:
    return decide(wish, on, model, AT)


def test_a_new_device_gets_its_eui_from_the_mac() -> None:
    made = plan(Wish(Device(device="kn-9", activation=Activation.OTAA), config=LORA), board())
    identity = json.loads(made.files[IDENTITY])
    assert (identity["dev_eui"], identity["join_eui"], identity["generation"]) == ("24587cfffe123456", keys.JOIN_EUI, 1)
    assert made.row["app_key"] == identity["app_key"]
    assert made.files[CONFIG] == LORA
    assert (made.clears, made.next) == ((), ())


def test_a_board_that_is_it_already_is_left_alone() -> None:
    made = plan(Wish(JOINS, ROW, True, LORA), board(keys.identity_of(JOINS, 5), LORA))
    assert (made.files, made.clears) == ({}, ())


def test_a_file_without_keys_leaves_the_boards_and_the_registrys() -> None:
    bare = Device(device="kn-7", activation=Activation.OTAA)
    on = plan(Wish(bare, None, False, LORA), board(keys.identity_of(JOINS), LORA))
    assert (on.files, on.row["app_key"]) == ({}, OTAA["app_key"])
    known = plan(Wish(bare, ROW, False, LORA), board())
    assert json.loads(known.files[IDENTITY])["app_key"] == OTAA["app_key"]


def test_an_identity_is_not_written_over() -> None:
    other = replace(board(keys.identity_of(JOINS), LORA))
    with pytest.raises(WrongUse, match="this board is kn-7, not kn-9; if it is to become another device"):
        plan(Wish(Device(device="kn-9", activation=Activation.OTAA)), other)
    with pytest.raises(WrongUse, match="this board is kn-7 with another app_key than the registry's"):
        plan(Wish(JOINS, {**ROW, "app_key": "11" * 16}, True, replace_identity=False), board(
            {**keys.identity_of(JOINS), "app_key": "11" * 16}, LORA))  # fmt: skip
    made = plan(Wish(Device(device="kn-9", activation=Activation.OTAA), replace_identity=True), other)
    assert made.clears == OF_IDENTITY
    assert json.loads(made.files[IDENTITY])["device"] == "kn-9"


def test_the_same_device_with_a_new_key_keeps_its_readings() -> None:
    on = board(keys.identity_of(JOINS, 4), LORA)
    made = plan(Wish(JOINS, ROW, True, replace_identity=True, new_key=True), on)
    identity = json.loads(made.files[IDENTITY])
    assert identity["app_key"] == made.row["app_key"] != OTAA["app_key"]
    assert (identity["dev_eui"], identity["generation"]) == (OTAA["dev_eui"], 4)
    assert made.clears == ("/lorawan.json",)


@pytest.mark.parametrize("heard", [True, None])
def test_a_device_that_sent_from_another_board_counts_above_it(heard: bool | None) -> None:
    made = plan(Wish(JOINS, ROW, heard, LORA), board())
    assert json.loads(made.files[IDENTITY])["generation"] == 1059  # days since 2024
    assert any("must not be switched on again" in one for one in made.next)
    assert any("DevNonces" in one for one in made.next)
    fresh = plan(Wish(JOINS, ROW, heard, LORA, new_key=True), board())
    assert not any("DevNonces" in one for one in fresh.next)
    assert json.loads(plan(Wish(JOINS, ROW, False, LORA), board()).files[IDENTITY])["generation"] == 1


def test_keys_that_somebody_else_holds_are_not_replaced_unasked() -> None:
    known = {name: value for name, value in ROW.items() if name != "app_key"}
    wish = Wish(Device(device="kn-7", activation=Activation.OTAA), known, True, LORA)
    with pytest.raises(WrongUse, match="the keys of kn-7 are not known here"):
        plan(wish, board())
    assert plan(replace(wish, new_key=True), board()).row["app_key"]
    assert plan(wish, board(keys.identity_of(JOINS), LORA)).files == {}


@pytest.mark.parametrize(
    ("config", "model", "wanted", "words"),
    [
        (b"", "heltec_v3", JOINS, "no configuration"),
        (b"{", "heltec_v3", JOINS, "not a JSON object"),
        (b"[]", "heltec_v3", JOINS, "the configuration"),
        (LORA.replace(b"i2c0", b"i2c7"), "heltec_v3", JOINS, "'i2c7' is none of"),
        (WIFI, "heltec_v3", JOINS, "is a device on LoRaWAN, and the configuration says radio mqtt"),
        (LORA, "heltec_v3", Device(device="kn-7", activation=Activation.MQTT), "is a device on MQTT"),
        (LORA, "esp32_devkit", JOINS, "esp32_devkit has no LoRa radio"),
    ],
)
def test_a_configuration_is_checked_first(config: bytes, model: str, wanted: Device, words: str) -> None:
    with pytest.raises(WrongUse, match=words):
        plan(Wish(wanted, config=config), board(), model)


def test_a_password_for_the_broker_is_told_once() -> None:
    made = plan(Wish(Device(device="kn-9", activation=Activation.MQTT), config=WIFI, password=True), board())
    assert json.loads(made.files[IDENTITY])["mqtt_password"] == made.password
    assert made.password in made.next[-1]
    assert made.password not in str(made.row)


# -- on a board


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.parts.store.close()


class Desk:
    """A flashed board at its prompt, and a shelf."""

    def __init__(self, repl: Repl, shelf: Shelf) -> None:
        self.repl, self._shelf = repl, shelf

    def provision(self, registry: Any, **order: Any) -> Any:
        return provision(self.repl, registry, Order(**order), self._shelf.save, AT)

    @property
    def files(self) -> dict[str, bytes | None]:
        """All but the program."""
        return {path: self.repl.read(path) for path in self.repl.files() if not path.startswith("/lib/")}

    @property
    def identity(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.files[IDENTITY] or b"{}")
        return said


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory, micropython: str) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with SimulatedBoard(folder / "board", "heltec_v3", micropython=micropython, parts=PARTS) as made:
        mine = Laptop(folder / "laptop")
        mine.flasher.flash(mine.wish(made.port))
        with Repl(made.port) as repl:
            yield Desk(repl, mine.shelf)


@pytest.fixture
def desk(flashed: Desk) -> Desk:
    for path in flashed.files:
        if path.startswith(OF_IDENTITY):
            flashed.repl.remove(path)
    return flashed


def test_from_new_to_another_device(desk: Desk, served: Served, tmp_path: Path) -> None:
    """One board through its life: new, again, offline into another device, with readings that nobody heard."""
    online = served.online()
    done = desk.provision(online, new=Activation.OTAA, station="marktplatz", height_m=3.0)
    assert (done.change, done.station, done.dev_eui) == ("added", "marktplatz", desk.identity["dev_eui"])
    assert done.dev_eui == keys.dev_eui_of_mac(done.mac)
    known = online.device(done.device)
    assert known and (known["app_key"], known["station"]) == (desk.identity["app_key"], None)  # from the trip's time on
    assert [(s["station"], s["from"], s["height_m"]) for s in online.stays(done.device)] == [
        ("marktplatz", "2026-11-25T10:00:00Z", 3.0)
    ]
    again = desk.provision(online, new=Activation.OTAA, station="marktplatz")
    assert (again.device, again.change, again.written) == (done.device, "unchanged", ())

    desk.repl.run(
        "import sys\nsys.path.append('/lib')\nfrom edge.outbox.outbox import Outbox\n"
        "from firmware.device.store import Files\nfrom schemas.wire import WireReading\n"
        "o = Outbox(Files('/outbox'))\no.begin(2, False)\n"
        "o.put(WireReading(0, 0, 1790000000, None, 'ntp', 1, {'air_temperature': 1.0}, 0), 3, 1)\n"
    )
    desk.repl.write("/lorawan.json", b"{}")
    trip_file = tmp_path / "trip.json"
    manifests.write(export(online, NOW), trip_file)
    trip = Trip(trip_file, "AB", lambda: NOW)
    with pytest.raises(WrongUse, match=f"this board is {done.device}, not kn-0042"):
        desk.provision(trip, device="kn-0042", new=Activation.OTAA)
    row = BenchRow(Device(device="kn-0042", activation=Activation.OTAA, dev_eui="70b3d57ed0000042"), "neustadt")
    with pytest.raises(WrongUse, match="station 'zoo' is not registered"):
        desk.provision(trip, row=row, station="zoo", replace_identity=True)
    assert manifests.read(trip_file).done == []
    other = desk.provision(trip, row=row, replace_identity=True)
    assert (other.before, other.unsent, desk.identity["device"]) == (done.device, 1, "kn-0042")
    assert not [path for path in desk.files if path.startswith("/outbox/") or path == "/lorawan.json"]
    assert backups.read(Path(other.backup)).unsent == 1
    assert any(f"klimanetz device rescue {other.backup}" in one for one in other.next)
    assert any(f"{done.device} is still registered at marktplatz" in one for one in other.next)
    assert [one.what for one in manifests.read(trip_file).done] == ["device", "deploy", "provisioned"]
    assert trip.standing_at("neustadt", "2026-11-26T00:00:00Z") == ["kn-0042", "kn-2"]


def test_what_the_registry_refuses_leaves_the_board_as_it_was(desk: Desk, served: Served) -> None:
    online = served.online()
    online.put_device({"device": "kn-7", **OTAA})
    desk.provision(online, device="kn-7")
    before = desk.files
    row = BenchRow(Device(device="kn-8", activation=Activation.OTAA, dev_eui=str(OTAA["dev_eui"])))
    with pytest.raises(Refused, match="already belongs to device 'kn-7'"):
        desk.provision(online, row=row, replace_identity=True)
    with pytest.raises(WrongUse, match="device 'kn-99' is not registered; `klimanetz devices import` does"):
        desk.provision(online, device="kn-99")
    other = {**laptop.CONFIG, "sensors": {"air": {"chip": "bme280", "bus": "i2c0"}}}
    with pytest.raises(WrongUse, match="the program on this board lacks bme280 for this configuration"):
        desk.provision(online, config=json.dumps(other).encode())
    with pytest.raises(Offline):
        desk.provision(Online("http://127.0.0.1:9", "a", pause=lambda _: None), device="kn-7")
    assert desk.files == before
    slower = json.dumps({**laptop.CONFIG, "interval_s": 900}).encode()
    done = desk.provision(online, config=slower)
    assert (done.device, done.written) == ("kn-7", ("/config.json",))  # without a name it is what it is
    assert desk.files["/config.json"] == slower


def test_what_can_be_refused_without_a_board_is_refused_before_it_is_flashed(served: Served, tmp_path: Path) -> None:
    mine = Laptop(tmp_path / "laptop")
    bench = Bench(mine.flasher, mine.shelf, served.online(), None, "", lambda: AT)
    nobody = tmp_path / "nowhere"  # whoever asks the board first says that there is none
    for order, said in (
        (Order("kn-99"), "device 'kn-99' is not registered"),
        (Order(new=Activation.OTAA, station="nowhere"), "station 'nowhere' is not registered"),
        (Order("kn-1"), "there is no board at"),
    ):
        with pytest.raises(WrongUse, match=said):
            install(bench, mine.wish(str(nobody)), order, Wanted("1"), lambda *_: None)


def test_a_provisioned_board_tries_its_configuration_again(desk: Desk, served: Served) -> None:
    desk.repl.run("import esp32\n_n = esp32.NVS('klimanetz')\n_n.set_i32('trials', 3)\n_n.commit()")
    desk.provision(served.online(), new=Activation.OTAA)
    assert looking.nvs_of(desk.repl, ["trials"]) == {"trials": 0}


def test_a_cable_that_comes_out_costs_nothing(desk: Desk, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    online, write = served.online(), desk.repl.write

    def cut(path: str, data: bytes, told: Any = None) -> None:
        if path == IDENTITY:
            raise CableOut("the cable is out")
        write(path, data, told)

    monkeypatch.setattr(desk.repl, "write", cut)
    with pytest.raises(CableOut):
        desk.provision(online, device="kn-7", new=Activation.OTAA, station="neustadt")
    assert IDENTITY not in desk.files
    monkeypatch.setattr(desk.repl, "write", write)
    done = desk.provision(online, device="kn-7", new=Activation.OTAA, station="neustadt")
    known = online.device("kn-7")
    assert known and (known["app_key"], known["station"]) == (desk.identity["app_key"], None)
    assert (done.change, desk.identity["generation"]) == ("unchanged", 1)  # the same keys as the first time
    assert len(online.stays("kn-7")) == 1
