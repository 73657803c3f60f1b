"""The scripts that the bench sends, on the simulated chip in virtual time: the firmware's own life, and nothing lost by it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.bench.checklist import link
from firmware.bench.checklist.asking import Firmware, ask
from firmware.bench.checklist.check import Check
from simulators.board.host import Chip
from tests.firmware.bench.chip_prompt import ChipPrompt
from tests.firmware.gateway_core import GatewayCore
from tests.firmware.images import code_of
from tests.firmware.mqtt_city import DEVICE as STATION
from tests.firmware.mqtt_city import HOST, PASSWORD, start_broker
from tests.firmware.test_unit_faults import CONFIG, DEVICE, PARTS
from tests.firmware.test_week import provision
from tests.gateway.helpers import EUI, otaa

FIRMWARE = Firmware("heltec_v3", "1.0.0", "/flash")
ROUNDS = {"ROUNDS": 3, "PAUSE_MS": 1000}
FOREVER = [0, 1 << 60]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return code_of("heltec_v3", CONFIG, tmp_path_factory.mktemp("image"))


@pytest.fixture
def core(tmp_path: Path) -> Iterator[GatewayCore]:
    with GatewayCore(tmp_path / "gateway", otaa(DEVICE), acknowledges=True) as running:
        yield running


@pytest.fixture
def prompt(tmp_path: Path, micropython: str, image: Path, core: GatewayCore) -> ChipPrompt:
    chip = Chip(tmp_path / "chip", micropython, image)
    chip.change(parts=PARTS)
    assert chip.heap_kib  # a device's, measured before there is air
    chip.change(air={"server": core.address, "gateway": EUI, "snr_db": 8})
    provision(chip, CONFIG, tmp_path)
    return ChipPrompt(chip, tmp_path)


def told(prompt: ChipPrompt, script: str, kn: str, **values: int) -> list[dict[str, Any]]:
    return [dict(fact) for fact in ask(prompt, script, FIRMWARE, values=values) if fact["kn"] == kn]


def nvs(prompt: ChipPrompt) -> dict[str, Any]:
    (board,) = told(prompt, "facts", "board")
    return dict(board["nvs"])


def test_what_the_board_is(prompt: ChipPrompt) -> None:
    (board,) = told(prompt, "facts", "board")
    assert board["python"][0] == 1
    assert board["mpy"] == 6
    assert board["lora"] is True
    assert board["free_bytes"] > 900_000
    assert board["nvs"] == {}


def test_the_sensors_are_read_and_nothing_is_counted_stored_or_sent(prompt: ChipPrompt, core: GatewayCore) -> None:
    facts = ask(prompt, "sensors", FIRMWARE, values=ROUNDS)
    assert [fact["kn"] for fact in facts] == ["settings", "buses", "measured", "measured", "measured"]
    assert facts[1]["found"] == {"i2c0": [68]}
    for fact in facts[2:]:
        assert set(fact["values"]) == {"air_temperature", "relative_humidity", "soil_temperature"}
        assert fact["faults"] == {}
    assert {"generation", "segment"} & set(nvs(prompt)) == set()
    assert nvs(prompt)["trials"] == 0, "looking at the sensors is no try of a new configuration"
    assert not core.frames
    assert told(prompt, "start", "reading")[0]["seq"] == 1


def test_a_sensor_that_is_missing_is_a_fault_and_the_other_is_read(prompt: ChipPrompt) -> None:
    prompt.chip.change(parts=[PARTS[0] | {"faults": {"missing": FOREVER}}, *PARTS[1:]])
    for fact in told(prompt, "sensors", "measured", **ROUNDS):
        assert fact["faults"] == {"air": "missing"}
        assert set(fact["values"]) == {"soil_temperature"}


def test_the_sensors_rail_is_on_while_they_are_read(prompt: ChipPrompt) -> None:
    prompt.chip.change(parts=[PARTS[0] | {"rail": [36, 0]}, *PARTS[1:]])
    assert {tuple(fact["faults"]) for fact in told(prompt, "sensors", "measured", **ROUNDS)} == {()}


def test_two_starts_are_a_cycle_whose_reading_reaches_the_network(prompt: ChipPrompt, core: GatewayCore) -> None:
    first = ask(prompt, "start", FIRMWARE)
    assert [fact["kn"] for fact in first] == ["start", "reading", "turned"]
    assert first[1]["stored"] is True
    second = ask(prompt, "start", FIRMWARE)
    assert [fact["kn"] for fact in second][:3] == ["sent", "heard", "sent"]
    assert [fact["type"] for fact in second if fact["kn"] == "sent"][:2] == [0, 2]
    assert next(fact for fact in second if fact["kn"] == "radio")["reached"] is True
    assert second[-1]["session"] is True
    assert second[-1]["clock"][1] == "lorawan"
    assert list(core.readings[DEVICE]) == [(1, 1)]


def test_an_established_session_asks_whether_it_is_heard(prompt: ChipPrompt, core: GatewayCore) -> None:
    for _ in range(4):
        facts = ask(prompt, "start", FIRMWARE)
    assert [fact["type"] for fact in facts if fact["kn"] == "sent"] == [2], "no second join"
    assert [fact["type"] for fact in facts if fact["kn"] == "heard"] == [3]
    assert next(fact for fact in facts if fact["kn"] == "radio")["reached"] is True


def test_no_gateway_is_no_answer_and_uses_no_nonce_twice(prompt: ChipPrompt, core: GatewayCore) -> None:
    prompt.chip.change(air=prompt.chip.state["air"] | {"outages": [FOREVER]})
    nonces = []
    for _ in range(3):
        told(prompt, "start", "reading")
        facts = ask(prompt, "start", FIRMWARE)
        assert facts[-1]["session"] is False
        assert next(fact for fact in facts if fact["kn"] == "radio")["reached"] is False
        nonces.append(nvs(prompt)["lw_nonce"])
    assert nonces == sorted(set(nonces)), "what was sent is in NVS before"


def test_power_that_goes_between_the_two_starts_loses_nothing(prompt: ChipPrompt, core: GatewayCore) -> None:
    told(prompt, "start", "reading")
    prompt.chip.change(rtc_memory="", reset="power")
    (again,) = told(prompt, "start", "reading")
    assert again["seq"] == 2, "it measures again: nobody knows what the first start meant to do"
    ask(prompt, "start", FIRMWARE)
    assert set(core.readings[DEVICE]) == {(1, 1), (1, 2)}


def test_a_board_that_was_stopped_before_its_radio_worked_says_so_and_is_asked_again(prompt: ChipPrompt) -> None:
    told(prompt, "start", "reading")
    (settings,) = told(prompt, "sensors", "settings", **ROUNDS)
    assert (settings["ready"], settings["phase"]) == (False, "exchange")
    assert len(told(prompt, "sensors", "measured", **ROUNDS)) == 3


def test_who_is_stopped_at_its_cable_is_not_stopped_by_its_configuration(prompt: ChipPrompt, tmp_path: Path) -> None:
    """Three starts that did not get to their end, and a new configuration would not be taken any more."""
    stopped = tmp_path / "stopped.py"
    stopped.write_text("import esp32\nn = esp32.NVS('klimanetz')\nn.set_i32('trials', 3)\nn.commit()\n")
    prompt.chip.start(stopped)
    (settings,) = told(prompt, "sensors", "settings", **ROUNDS)
    assert (settings["ready"], settings["trouble"], nvs(prompt)["trials"]) == (True, "", 0)
    prompt.chip.start(stopped)
    (reading,) = told(prompt, "start", "reading")
    assert (reading["stored"], nvs(prompt)["trials"]) == (True, 0)


def test_without_a_configuration_it_says_what_is_missing(micropython: str, image: Path, tmp_path: Path) -> None:
    prompt = ChipPrompt(Chip(tmp_path / "empty", micropython, image), tmp_path)
    (settings,) = told(prompt, "sensors", "settings", **ROUNDS)
    assert settings == {
        "kn": "settings",
        "ready": False,
        "phase": "measure",
        "trouble": "config.json is missing",
        "sum": 0,
    }
    (turned,) = told(prompt, "start", "turned")
    assert turned["phase"] == "measure"


MQTT: dict[str, Any] = {
    "interval_s": 900, "radio": "mqtt", "ntp": "ntp.test", "sensors": {"air": {"chip": "sht4x", "bus": "i2c0"}},
    "mqtt": {"host": HOST, "tls": False}, "wifi": {"ssid": "stadtnetz", "password": "geheim"},
}  # fmt: skip


def mqtt_prompt(tmp_path: Path, micropython: str, port: int, password: str = PASSWORD, **world: Any) -> ChipPrompt:
    config = MQTT | {"mqtt": MQTT["mqtt"] | {"port": port}}
    code = code_of("esp32_devkit", config, tmp_path / "image")
    chip = Chip(tmp_path / "chip", micropython, code, environment={"KLIMANETZ_BOARD_GRACE_MS": "1000"})
    chip.change(
        parts=PARTS[:1], ntp={"ntp.test": {"way_ms": 60}}, hosts={f"{HOST}:{port}": ["127.0.0.1", port]},
        wifi={"ssid": "stadtnetz", "password": "geheim", "channel": 9, **world},
    )  # fmt: skip
    identity = {"device": STATION, "activation": "mqtt", "mqtt_user": STATION, "mqtt_password": password}
    files = {"config.json": config, "identity.json": identity}
    (tmp_path / "give.py").write_text(
        "".join(f"with open('/flash/{n}', 'w') as f:\n    f.write({json.dumps(what)!r})\n" for n, what in files.items())
    )
    chip.start(tmp_path / "give.py")
    return ChipPrompt(chip, tmp_path)


def radio_of(prompt: ChipPrompt) -> Check:
    firmware = Firmware("esp32_devkit", "1.0.0", "/flash")
    ask(prompt, "start", firmware)
    facts = ask(prompt, "start", firmware)
    return link.radio(MQTT, facts, facts[-1], True)


@pytest.mark.mosquitto
def test_a_broker_is_reached_or_refuses(tmp_path: Path, micropython: str, mosquitto: str) -> None:
    broker = start_broker(mosquitto, tmp_path / "broker")
    (tmp_path / "bad").mkdir()
    try:
        assert radio_of(mqtt_prompt(tmp_path, micropython, broker.port)).colour == "green"
        refused = radio_of(mqtt_prompt(tmp_path / "bad", micropython, broker.port, "wrong"))
    finally:
        broker.stop()
    assert refused.colour == "red"
    assert "refuses" in refused.reason
    assert "wrong" not in refused.reason, "no password leaves the board"


def test_no_wifi_is_told(tmp_path: Path, micropython: str) -> None:
    check = radio_of(mqtt_prompt(tmp_path, micropython, 1, away=[FOREVER]))
    assert check.colour == "red"
    assert "no network" in check.reason
