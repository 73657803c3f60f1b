"""What goes wrong on a lamp post: the station keeps measuring, and its next status says what is wrong.

The whole firmware as an image under real MicroPython, LoRaWAN to the real gateway core; every reading is told to be stored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.board.host import START_US, Chip
from tests.firmware.gateway_core import GatewayCore
from tests.firmware.images import code_of
from tests.firmware.tampered_air import Tamper, TamperedAir
from tests.firmware.test_week import provision
from tests.gateway.helpers import EUI, otaa

HERE = Path(__file__).parent
DEVICE = "kn-0"
CONFIG: dict[str, Any] = {
    "interval_s": 900, "radio": "lorawan", "sleep": "deep", "lorawan": {"dr": 5},
    "sensors": {
        "air": {"chip": "sht4x", "bus": "i2c0"},
        "soil": {"chip": "ds18b20", "bus": "onewire0", "as": {"air_temperature": "soil_temperature"}},
    },
}  # fmt: skip
PARTS = [
    {"chip": "sht4x", "bus": "i2c0", "address": 68},
    {"chip": "ds18b20", "bus": "onewire0", "rom": "2801020304050600"},
    {"chip": "battery", "pin": 1, "divider": 4.9},
]
ALWAYS = [0, 1 << 60]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return code_of("heltec_v3", CONFIG, tmp_path_factory.mktemp("image"))


@pytest.fixture
def core(tmp_path: Path) -> Iterator[GatewayCore]:
    with GatewayCore(tmp_path / "gateway", otaa(DEVICE), acknowledges=True) as running:
        yield running


@pytest.fixture
def chip(tmp_path: Path, micropython: str, image: Path, core: GatewayCore) -> Chip:
    made = Chip(tmp_path / "chip", micropython, image)
    made.change(parts=PARTS)
    assert made.heap_kib  # measured before there is air
    made.change(air={"server": core.address, "gateway": EUI, "snr_db": 8})
    provision(made, CONFIG, tmp_path)
    return made


def run(chip: Chip, hours: float) -> None:
    chip.run(HERE / "unit_main.py", chip.true_s + hours * 3600)


def on_flash(chip: Chip, tmp_path: Path, code: str) -> str:
    script = tmp_path / "on_flash.py"
    script.write_text(code)
    return chip.start(script)


def faults(core: GatewayCore) -> set[tuple[str, str]]:
    return {(one["sensor"], one["fault"]) for one in core.health(DEVICE).get("faults", [])}


def seqs(core: GatewayCore) -> list[int]:
    return sorted(seq for _, seq in core.readings.get(DEVICE, {}))


def test_a_bus_held_low_costs_its_sensors_and_nothing_else(chip: Chip, core: GatewayCore) -> None:
    run(chip, 1)
    chip.change(held_low={"i2c0": ALWAYS})
    run(chip, 1.5)
    assert seqs(core) == list(range(1, len(seqs(core)) + 1))
    last = max(core.readings[DEVICE].items())[1]
    assert set(last["values"]) == {"soil_temperature", "battery"}
    assert ("air", "bus") in faults(core)
    chip.change(held_low={})
    run(chip, 1)
    assert not faults(core)


@pytest.mark.parametrize(("fault", "code"), [("missing", "missing"), ("bad_crc", "crc"), ("stuck", "stuck")])
def test_a_sensor_that_is_broken_is_told(chip: Chip, core: GatewayCore, fault: str, code: str) -> None:
    run(chip, 0.5)
    chip.change(parts=[PARTS[0] | {"faults": {fault: ALWAYS}}, *PARTS[1:]])
    run(chip, 4)
    assert ("air", code) in faults(core)
    last = max(core.readings[DEVICE].items())[1]
    assert "soil_temperature" in last["values"]
    assert ("air_temperature" in last["values"]) == (fault == "stuck")


def test_a_configuration_with_a_typo_leaves_the_last_good_one(chip: Chip, core: GatewayCore, tmp_path: Path) -> None:
    run(chip, 1)
    good = core.health(DEVICE)["config"]
    before = len(seqs(core))
    provision(chip, CONFIG | {"intervall_s": 60}, tmp_path)
    run(chip, 1)
    assert len(seqs(core)) >= before + 3
    assert ("config", "config") in faults(core)
    assert core.health(DEVICE)["config"] == good
    assert "config_rejected" in max(core.readings[DEVICE].items())[1]["status"]


def test_a_configuration_over_the_air(chip: Chip, core: GatewayCore) -> None:
    run(chip, 1)
    core.command(DEVICE, id="slow", command="configure", configuration={"interval_s": 5})
    run(chip, 1)
    answer = core.health(DEVICE)["answer"]
    assert not answer["ok"]
    assert "interval_s" in answer["detail"]
    core.command(DEVICE, id="right", command="configure", configuration={"interval_s": 1800})
    run(chip, 1.5)
    assert core.health(DEVICE)["answer"]["ok"]
    before = len(seqs(core))
    run(chip, 3)
    assert len(seqs(core)) - before in (5, 6, 7)


@pytest.mark.parametrize("name", ["config.use", "lorawan.json", "clock.json", "outbox/state"])
def test_a_corrupt_file_is_no_end(chip: Chip, core: GatewayCore, tmp_path: Path, name: str) -> None:
    run(chip, 1)
    before = seqs(core)
    on_flash(chip, tmp_path, "with open('/flash/%s', 'wb') as file:\n    file.write(b'\\x00{\"rubbish' * 9)\n" % name)
    chip.change(rtc_memory="", reset="power")
    run(chip, 1.5)
    assert len(seqs(core)) >= len(before) + 4
    assert seqs(core) == list(range(1, len(seqs(core)) + 1))


def test_a_full_flash(chip: Chip, core: GatewayCore, tmp_path: Path) -> None:
    run(chip, 1)
    before = len(seqs(core))
    fill = "try:\n    for n in range(1000):\n        with open('/flash/film%d' % n, 'wb') as file:\n            file.write(bytes(4096))\nexcept OSError:\n    pass\n"
    on_flash(chip, tmp_path, fill)
    run(chip, 1.5)
    newest = max(core.readings[DEVICE].items())
    assert len(seqs(core)) >= before + 4, "what flash does not take goes out all the same"
    assert ("outbox", "full") in faults(core) or "outbox_full" in newest[1]["status"]


def flipped(phy: bytes) -> bytes:
    return phy[:-1] + bytes([phy[-1] ^ 1])


@pytest.mark.parametrize(
    ("tamper", "told"),
    [(flipped, True), (lambda phy: phy[:-5], True), (lambda phy: b"", False), (lambda phy: b"\xff" * 255, True),
     (lambda phy: b"\x60" + bytes(range(1, 200)), False)],
    ids=["a bit", "cut off", "empty", "no frame", "for another device"],
)  # fmt: skip
def test_downlinks_that_are_none(chip: Chip, core: GatewayCore, tamper: Tamper, told: bool) -> None:
    with TamperedAir(core.address) as air:
        chip.change(air=chip.state["air"] | {"server": air.address})
        run(chip, 1)
        air.tamper = tamper
        run(chip, 2)
        assert air.seen
        air.tamper = lambda phy: phy
        run(chip, 3)
    assert seqs(core) == list(range(1, len(seqs(core)) + 1))
    assert len(seqs(core)) >= 22
    assert (("radio", "downlink") in core.faults_told(DEVICE)) == told


def test_a_downlink_that_is_replayed(chip: Chip, core: GatewayCore) -> None:
    with TamperedAir(core.address) as air:
        chip.change(air=chip.state["air"] | {"server": air.address})
        run(chip, 1)
        joined, first = air.seen[0], air.seen[1]
        core.command(DEVICE, id="slow", command="configure", configuration={"interval_s": 1800})
        run(chip, 1)
        command = air.seen[-1]
        for n, phy in enumerate((joined, first, command)):
            air.tamper = lambda _, phy=phy: phy  # type: ignore[misc]
            core.command(DEVICE, id=f"status{n}", command="status")
            run(chip, 2)
        heard = len(air.seen)
        air.tamper = lambda phy: phy
        run(chip, 3)
    assert heard >= 6
    assert seqs(core) == list(range(1, len(seqs(core)) + 1))
    assert ("radio", "downlink") in core.faults_told(DEVICE)
    assert core.health(DEVICE)["config"] != core.statuses(DEVICE)[1]["config"], "the new interval holds"


def test_garbage_on_a_uart(micropython: str, core: GatewayCore, tmp_path: Path) -> None:
    config = CONFIG | {"sensors": CONFIG["sensors"] | {"dust": {"chip": "pms", "bus": "uart0"}}}
    chip = Chip(tmp_path / "chip", micropython, code_of("heltec_v3", config, tmp_path / "image"))
    dust = {"chip": "pms", "bus": "uart0"}
    chip.change(parts=[*PARTS, dust], air={"server": core.address, "gateway": EUI, "snr_db": 8})
    provision(chip, config, tmp_path)
    run(chip, 0.5)
    assert "pm2_5" in max(core.readings[DEVICE].items())[1]["values"]
    chip.change(parts=[*PARTS, dust | {"faults": {"garbage": ALWAYS}}])
    run(chip, 1)
    last = max(core.readings[DEVICE].items())[1]
    assert set(last["values"]) == {"air_temperature", "relative_humidity", "soil_temperature", "battery"}
    assert "dust" in {sensor for sensor, _ in faults(core)}


def test_an_error_that_nobody_foresaw(chip: Chip, core: GatewayCore, tmp_path: Path) -> None:
    run(chip, 1)
    script = tmp_path / "broken.py"
    script.write_text(
        "import firmware.device.unit\n\ndef broken(self):\n    raise KeyError('of a colleague')\n\n"
        "firmware.device.unit.Unit._exchange = broken\n" + (HERE / "unit_main.py").read_text()
    )
    chip.run(script, chip.true_s + 1000)
    assert "of a colleague" in on_flash(chip, tmp_path, "print(open('/flash/crash.txt').read())")
    run(chip, 1)
    assert seqs(core) == list(range(1, len(seqs(core)) + 1))
    assert "crash" in {status.get("reset") for status in core.statuses(DEVICE)}
    assert ("firmware", "other") in core.faults_told(DEVICE)


def test_it_starts_with_nothing_and_waits(micropython: str, image: Path, tmp_path: Path) -> None:
    empty = Chip(tmp_path / "empty", micropython, image)
    empty.run(HERE / "unit_main.py", START_US / 1e6 + 3600)
    assert "crash" not in on_flash(empty, tmp_path, "import os\nprint(os.listdir('/flash'))")
