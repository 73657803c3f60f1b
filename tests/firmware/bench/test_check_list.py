"""The check-list's pure half: facts in, colours and reasons out. Each bad case names what is wrong."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.config import checked
from edge.sensors.chips import CHIPS
from firmware.bench.checklist import air, checks_board, checks_papers, checks_state, link, sensible
from firmware.bench.checklist.agreement import agreement
from firmware.bench.checklist.asking import Firmware, Lines, fact_of, firmware_of, source
from firmware.bench.checklist.check import Check, colour_word, green, label, together, worst, yellow
from firmware.bench.checklist.neighbours import Spot, neighbours
from firmware.bench.checklist.units import shown
from firmware.contents import board_pins, buses

FIRMWARE = Firmware("heltec_v3", "1.2.3")
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HELTEC = board_pins("heltec_v3")
TOLD: dict[str, Any] = {
    "kn": "board", "python": [1, 29, 0], "machine": "Generic ESP32S3 module with ESP32S3", "mpy": 6, "lora": True,
    "serial": "24ec4a000001", "flash_bytes": 8 << 20, "files_bytes": 6 << 20, "free_bytes": 5 << 20, "free_heap": 200000,
}  # fmt: skip
MAIN = b"main"
MANIFEST: dict[str, Any] = {
    "version": "1.2.3", "mpy_version": 6, "radio": "lorawan", "packages": ["lora-sync@0.1.1"],
    "files": [{"path": "/main.py", "sha256": hashlib.sha256(MAIN).hexdigest()}, {"path": "/lib/a.mpy", "sha256": "aa"}],
}  # fmt: skip
HASHES = {file["path"]: file["sha256"] for file in MANIFEST["files"]}
CONFIG: dict[str, Any] = {
    "radio": "lorawan",
    "sensors": {
        "air": {"chip": "sht4x", "bus": "i2c0"},
        "box": {"chip": "bme280", "bus": "i2c0", "place": "box"},
    },
}
IDENTITY = {"device": "kn-1", "activation": "otaa", "dev_eui": "70b3d57ed0000001", "app_key": "00" * 16}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def config(**sensors: dict[str, Any]) -> Any:
    return checked(CONFIG | ({"sensors": sensors} if sensors else {}), CHIPS, buses(HELTEC))


def rounds(*values: dict[str, float], faults: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [{"kn": "measured", "ms": 20, "values": one, "faults": faults or {}} for one in values]


def both(air_degc: float, air_percent: float, box_degc: float, box_percent: float, hpa: float) -> list[dict[str, Any]]:
    own = {"air_temperature": air_degc, "relative_humidity": air_percent}
    box = {"air_temperature@box": box_degc, "relative_humidity@box": box_percent, "air_pressure@box": hpa}
    return rounds(own | box)


# -- the image


def image(**changes: Any) -> Check:
    given: dict[str, Any] = {
        "manifest": MANIFEST,
        "hashes": HASHES,
        "files": HASHES,
        "board": TOLD,
        "firmware": FIRMWARE,
    }
    return checks_board.image(**(given | changes))


def test_an_image_as_it_was_built_is_green() -> None:
    assert image().colour == "green"


@pytest.mark.parametrize(
    ("changes", "colour", "reason"),
    [
        ({"firmware": None}, "red", "no firmware of ours"),
        ({"manifest": None}, "yellow", "not compared"),
        ({"hashes": HASHES | {"/lib/a.mpy": "bb"}}, "red", "1 of 2 files are not those of the image: /lib/a.mpy"),
        ({"hashes": {}}, "red", "2 of 2"),
        ({"files": [*HASHES, "/lib/a.py"]}, "red", "/lib/a.py"),
        ({"board": TOLD | {"mpy": 5}}, "red", "cannot load this image"),
        ({"board": TOLD | {"lora": False}}, "red", "lora-sync@0.1.1"),
    ],
)  # fmt: skip
def test_an_image_that_is_not_right_is_told(changes: dict[str, Any], colour: str, reason: str) -> None:
    check = image(**changes)
    assert check.colour == colour
    assert reason in check.reason
    assert check.way_out


def test_what_main_starts() -> None:
    assert firmware_of(b'from firmware.device import main\n\nmain.run("heltec_v3", "1.2.3")\n') == FIRMWARE
    assert firmware_of(b'main.run("heltec_v3", "1.0.0", "/flash")') == Firmware("heltec_v3", "1.0.0", "/flash")
    assert firmware_of(b"print('hello')") is None
    assert firmware_of(None) is None


# -- the board


@pytest.mark.parametrize(
    ("changes", "colour", "reason"),
    [
        ({}, "green", "esp32s3"),
        ({"machine": "Generic ESP32 module with ESP32"}, "red", "this is an esp32, and the firmware is for heltec_v3"),
        ({"machine": "ESP32C3 module with ESP32C3"}, "red", "esp32c3"),
        ({"flash_bytes": 4 << 20}, "red", "4 MB"),
        ({"free_bytes": 100 << 10}, "yellow", "100 KiB"),
        ({"machine": "linux"}, "yellow", "linux"),
        ({"flash_bytes": None}, "green", "heltec_v3"),
    ],
)
def test_the_board_is_what_the_firmware_is_for(changes: dict[str, Any], colour: str, reason: str) -> None:
    check = checks_board.board(TOLD | changes, HELTEC)
    assert (check.colour, reason in check.reason) == (colour, True), check


# -- identity and configuration


@pytest.mark.parametrize(
    ("given", "registered", "asked", "station", "colour", "reason"),
    [
        (IDENTITY, {"activation": "otaa", "dev_eui": "70B3D57ED0000001", "station": "m"}, True, "", "green", "kn-1 at m"),
        (IDENTITY, {"activation": "otaa", "dev_eui": "70b3d57ed0000001", "station": "m"}, True, "n", "red", "at m, not at n"),
        (IDENTITY, {"activation": "otaa", "dev_eui": "70b3d57ed0000002", "station": "m"}, True, "", "red", "another device"),
        (IDENTITY, {"activation": "abp", "dev_eui": None, "station": "m"}, True, "", "red", "another device"),
        (IDENTITY, {"activation": "otaa", "dev_eui": None, "station": None}, True, "", "yellow", "no station"),
        (IDENTITY, None, True, "", "red", "not registered"),
        (IDENTITY, None, False, "", "yellow", "not asked"),
        (IDENTITY | {"app_key": "00"}, None, False, "", "red", "app_key"),
        (IDENTITY | {"activation": "magic"}, None, False, "", "red", "activation"),
        (None, None, False, "", "red", "no identity"),
        ([], None, False, "", "red", "no identity"),
        ({"device": "kn-2", "activation": "mqtt"}, None, False, "", "yellow", "kn-2"),
    ],
)  # fmt: skip
def test_an_identity(given: Any, registered: Any, asked: bool, station: str, colour: str, reason: str) -> None:
    check = checks_papers.identity(
        json.dumps(given).encode() if given is not None else None, registered, asked, station
    )
    assert (check.colour, reason in check.reason) == (colour, True), check
    assert IDENTITY["app_key"] not in json.dumps(check.to_dict()), "no key leaves the board"


DRIVERS = {
    "/lib/firmware/device/main.mpy",
    "/lib/firmware/device/drivers/sht4x.mpy",
    "/lib/firmware/device/drivers/bme280.mpy",
}


@pytest.mark.parametrize(
    ("text", "changes", "colour", "reason"),
    [
        (json.dumps(CONFIG), {}, "green", "air (sht4x), box (bme280), every 900 s"),
        ("{", {}, "red", "not JSON"),
        (json.dumps(CONFIG | {"intervall_s": 60}), {}, "red", "intervall_s is not known"),
        (json.dumps(CONFIG), {"told": {"trouble": "the device stopped 3 times with it"}}, "red", "stopped 3 times"),
        (json.dumps(CONFIG), {"radio": "mqtt"}, "red", "wants lorawan"),
        (json.dumps(CONFIG), {"files": {"/lib/firmware/device/main.mpy"}}, "red", "bme280, sht4x"),
        (json.dumps(CONFIG), {"files": {"/main.py"}}, "green", ""),
        (json.dumps(CONFIG), {"answering": {"i2c0": [68, 118, 98]}}, "yellow", "i2c0 98 (scd4x)"),
        (json.dumps(CONFIG), {"answering": {"i2c0": [68, 118], "i2c1": None}}, "green", ""),
    ],
)
def test_a_configuration(text: str, changes: dict[str, Any], colour: str, reason: str) -> None:
    given: dict[str, Any] = {"files": DRIVERS, "told": {"trouble": ""}, "answering": {}, "radio": "lorawan"}
    check = checks_papers.configuration(text.encode(), buses(HELTEC), **(given | changes))
    assert (check.colour, reason in check.reason) == (colour, True), check


# -- battery, clock, outbox


@pytest.mark.parametrize(
    ("volts", "cell", "colour"),
    [(4.1, "", "green"), (3.45, "", "yellow"), (3.3, "", "red"), (4.1, "18650", "green"), (3.6, "18650", "yellow"),
     (4.4, "18650", "red"), (3.3, "LiFePO4-18650", "red"), (3.6, "D-LiSOCl2", "green"), (4.1, "D-LiSOCl2", "red")],
)  # fmt: skip
def test_a_battery(volts: float, cell: str, colour: str) -> None:
    check = checks_state.battery(volts, 3400, cell)
    assert check is not None
    assert check.colour == colour


def test_a_board_that_cannot_tell_its_voltage_has_no_such_line() -> None:
    assert checks_state.battery(None, 3400) is None


def test_the_clock_is_held_against_the_laptops_within_what_it_says_of_itself() -> None:
    now_ms = 1_795_000_000_000
    assert checks_state.clock((now_ms + 6000, "lorawan", 1100), now_ms, True).colour == "green"
    assert checks_state.clock((now_ms + 6200, "lorawan", 1100), now_ms, True).colour == "yellow"
    assert checks_state.clock((now_ms + 6200, "device", 9000), now_ms, True).colour == "green"
    assert "not asked" in checks_state.clock(None, now_ms, False).reason
    assert checks_state.clock(None, now_ms, True).colour == "yellow"


def test_the_outbox_has_to_hold_the_reading() -> None:
    reading = {"kn": "reading", "generation": 1, "seq": 5, "stored": True}
    turned = {"waiting": 1, "damaged": 0, "forgotten": 0}
    assert checks_state.outbox(reading, turned).colour == "green"
    assert checks_state.outbox(reading | {"stored": False}, turned).colour == "red"
    assert checks_state.outbox(reading, turned | {"damaged": 17}).colour == "yellow"
    assert checks_state.outbox(None, turned).colour == "red"


# -- the sensors by themselves


def sensor(values: list[dict[str, float]], faults: dict[str, str] | None = None, spacing_s: float = 0) -> Check:
    some = config(air={"chip": "sht4x", "bus": "i2c0"})
    (check,) = sensible.sensors(some, rounds(*values, faults=faults), spacing_s)
    return check


def at(degc: float, percent: float) -> dict[str, float]:
    return {"air_temperature": degc, "relative_humidity": percent}


def test_a_sensor_that_is_well_shows_its_mean_and_its_noise() -> None:
    check = sensor([at(21.2, 40), at(21.4, 41)])
    assert (check.name, check.colour, check.reason) == ("sensor air", "green", "21.30 °C, 40.5 % (sht4x)")
    assert check.values["noise"] == {"air_temperature": 0.1414, "relative_humidity": 0.7071}


@pytest.mark.parametrize(
    ("values", "faults", "spacing_s", "colour", "reason"),
    [
        ([{}], {"air": "missing"}, 0, "red", "sht4x does not answer"),
        ([{}], {"air": "bus"}, 0, "red", "held low"),
        ([{}], {}, 0, "red", "does not answer"),
        ([at(-61, 40), at(-61, 40)], {"air": "range"}, 0, "red", "-61.00 °C cannot be; possible is -60 to 60 °C"),
        ([at(20, 40), at(24, 40)], {}, 0, "red", "jumps between 20.00 °C and 24.00 °C"),
        ([at(20, 40)] * 4, {}, 10, "yellow", "the same to the last digit for 30 s"),
        ([at(20, 40)] * 4, {}, 1, "green", ""),
        ([at(20, 40), at(20, 40), at(20.01, 40), at(20, 40)], {}, 10, "green", ""),
    ],
)
def test_a_sensor_that_is_not_well(
    values: list[dict[str, float]], faults: dict[str, str], spacing_s: float, colour: str, reason: str
) -> None:
    check = sensor(values, faults, spacing_s)
    assert (check.colour, reason in check.reason) == (colour, True), check


def test_a_sensor_that_fails_now_and_then_is_yellow() -> None:
    some = config(air={"chip": "sht4x", "bus": "i2c0", "address": 68})
    told = [*rounds(at(20, 40)), *rounds({}, faults={"air": "crc"}), *rounds(at(20, 41))]
    (check,) = sensible.sensors(some, told)
    assert check.colour == "yellow"
    assert "1 of 3 rounds failed" in check.reason
    assert "i2c0 (address 68)" in check.way_out


def test_a_sensor_that_was_never_read_is_red() -> None:
    assert [check.colour for check in sensible.sensors(config(), [])] == ["red", "red"]


# -- one against the other


@pytest.mark.parametrize(
    ("told", "elevation_m", "colour", "reason"),
    [
        (both(21.0, 40, 22.5, 37, 1003.0), 111, "green", "comparisons agree"),
        (both(21.0, 40, 23.2, 35, 1003.0), 111, "yellow", "up to 2.0 K apart"),
        (both(21.0, 40, 28.0, 26, 1003.0), 111, "red", "air temperature"),
        (both(21.0, 40, 21.2, 75, 1003.0), 111, "yellow", "dew points of air and box"),
        (both(21.0, 102, 21.2, 99, 1003.0), 111, "yellow", "dew point of air"),
        (both(21.0, 40, 21.2, 40, 900.0), 111, "red", "which no weather makes"),
        (both(21.0, 40, 21.2, 40, 900.0), None, "green", ""),
        (both(21.0, 40, 21.2, 40, 900.0), 950, "green", ""),
    ],
)
def test_sensors_against_each_other(
    told: list[dict[str, Any]], elevation_m: float | None, colour: str, reason: str
) -> None:
    check = agreement(config(), told, elevation_m)
    assert check is not None
    assert (check.colour, reason in check.reason) == (colour, True), check


def test_nothing_to_compare_is_no_line() -> None:
    some = config(rain={"chip": "rain", "bus": "pulse0"})
    assert agreement(some, rounds({"precipitation_total": 1.2}), 100) is None


def test_dew_point_pressure_and_distance_are_those_of_the_tables() -> None:
    assert air.dew_point_degc(20, 50) == pytest.approx(9.26, abs=0.02)  # Magnus over water
    assert air.dew_point_degc(-5, 100) == pytest.approx(-5, abs=1e-6)
    assert air.at_sea_level_hpa(1000, 0, 15) == 1000
    assert air.at_sea_level_hpa(898.75, 1000, 8.5) == pytest.approx(1013.25, abs=0.3)  # ICAO: 1,000 m
    assert air.distance_km((11.97, 51.48), (11.97, 51.57)) == pytest.approx(10.0, abs=0.02)


# -- against the stations around

SPOT = Spot("marktplatz", 11.97, 51.48, 110.0)


def station(name: str, north_km: float = 1.0, age_s: float = 60, quality: str = "S", **values: float) -> dict[str, Any]:
    time = (NOW - timedelta(seconds=age_s)).isoformat().replace("+00:00", "Z")
    told = {channel: {"value": value, "time": time, "quality": quality} for channel, value in values.items()}
    where = {"coordinates": [11.97, 51.48 + north_km / 111.2]}
    return {"id": name, "geometry": where, "properties": {"elevation_m": 80.0, "values": told}}


def beside(*stations: dict[str, Any], degc: float = 5.0, spot: Spot | None = SPOT) -> Check:
    check = neighbours(config(air={"chip": "sht4x", "bus": "i2c0", "only": ["air_temperature"]}),
                       rounds({"air_temperature": degc}), spot, {"features": list(stations)}, NOW)  # fmt: skip
    assert check is not None
    return check


AROUND = [station(name, air_temperature=value) for name, value in (("a", 4.8), ("b", 5.6), ("c", 6.1), ("d", 5.0))]


def test_like_the_stations_around() -> None:
    check = beside(*AROUND)
    assert check.colour == "green"
    assert check.values["air_temperature"]["median"] == 5.3


def test_unlike_the_stations_around_is_yellow_and_says_by_how_much() -> None:
    check = beside(*AROUND, degc=12.0)
    assert check.colour == "yellow"
    assert "12.00 °C here, 5.30 °C at 4 stations around; up to 3.5 K would be usual" in check.reason


def test_neighbours_that_differ_much_allow_more() -> None:
    wide = [station(name, air_temperature=value) for name, value in (("a", 2.0), ("b", 5.0), ("c", 8.0), ("d", 11.0))]
    assert beside(*wide, degc=16.0).colour == "green"


@pytest.mark.parametrize(
    ("third", "said"),
    [
        (station("c", north_km=12, air_temperature=5), "(1 are further, 0 old"),
        (station("c", age_s=3700, air_temperature=5), "(0 are further, 1 old"),
        (station("c", quality="X", air_temperature=5), "(0 are further, 1 old"),
        (station("c", relative_humidity=5), "(0 are further, 0 old"),
        (station("marktplatz", air_temperature=5), "(0 are further, 0 old"),
    ],
)
def test_too_few_neighbours_are_said_and_not_guessed(third: dict[str, Any], said: str) -> None:
    check = beside(*AROUND[:2], third, degc=30.0)
    assert check.colour == "yellow"
    assert "2 stations within 10 km" in check.reason
    assert said in check.reason


def test_pressure_is_compared_at_sea_level() -> None:
    some = config(box={"chip": "bme280", "bus": "i2c0", "only": ["air_pressure"]})
    latest = {"features": [station(name, air_pressure=1003.0) for name in "abc"]}

    def said(hpa: float, spot: Spot) -> str:
        check = neighbours(some, rounds({"air_pressure": hpa}), spot, latest, NOW)
        assert check is not None
        return check.colour

    assert said(999.4, SPOT) == "green"  # 30 m higher
    assert said(1005.0, SPOT) == "yellow"
    assert said(1003.0, SPOT._replace(elevation_m=None)) == "yellow"


def test_nobody_asked_and_nowhere_to_stand() -> None:
    some = config()
    told = both(21, 40, 21, 40, 1003)
    for spot, latest in ((SPOT, None), (None, {"features": AROUND})):
        check = neighbours(some, told, spot, latest, NOW)
        assert check is not None
        assert check.colour == "yellow"
    assert (
        neighbours(config(rain={"chip": "rain", "bus": "pulse0"}), rounds({"precipitation_total": 1}), SPOT, None, NOW)
        is None
    )


# -- radio and cloud

SENT = {"kn": "sent", "type": 0, "sf": 7}
HEARD = {"kn": "heard", "type": 1, "sf": 7, "rssi_dbm": -90, "snr_db": 8}
SESSION = {"kn": "radio", "carrier": "lorawan", "reached": True, "waiting": 0}
TURNED = {"session": True}


def radio(*told: dict[str, Any], turned: dict[str, Any] | None = TURNED, asked: bool = True) -> Check:
    return link.radio({"radio": "lorawan"}, told, turned, asked)


def test_the_radio_has_to_be_answered() -> None:
    assert radio(SENT, HEARD, SESSION).colour == "green"
    assert "joined, -90 dBm, SNR 8 dB at SF7" in radio(SENT, HEARD, SESSION).reason
    alone = radio(SENT, SENT, SESSION | {"reached": False}, turned={"session": False})
    assert (alone.colour, alone.reason) == ("red", "2 join requests and no answer")
    of_others = radio(SENT | {"type": 2}, HEARD | {"type": 3}, SESSION | {"reached": False})
    assert of_others.colour == "red"
    assert (
        radio(SESSION | {"reached": False}, {"kn": "fault", "code": "duty", "detail": "no air time left"}).colour
        == "red"
    )
    assert radio(turned=None).colour == "red"
    assert radio(asked=False).colour == "yellow"


@pytest.mark.parametrize(
    ("sf", "rssi_dbm", "snr_db", "colour"),
    [(7, -113, 0, "green"), (7, -115, 0, "yellow"), (7, -100, -5, "yellow"), (12, -126, -16, "green"), (12, -128, -16, "yellow")],
)  # fmt: skip
def test_a_thin_answer_is_yellow(sf: int, rssi_dbm: int, snr_db: int, colour: str) -> None:
    assert radio(SENT, HEARD | {"sf": sf, "rssi_dbm": rssi_dbm, "snr_db": snr_db}, SESSION).colour == colour


def test_mqtt_has_to_reach_the_broker() -> None:
    session = {"kn": "radio", "carrier": "mqtt", "reached": True, "waiting": 0}
    fault = {"kn": "fault", "where": "radio", "code": "tls", "detail": "tls: no certificate"}
    assert link.radio({"radio": "mqtt"}, [session], TURNED, True).colour == "green"
    assert link.radio({"radio": "mqtt"}, [session, fault], TURNED, True).colour == "yellow"
    refused = link.radio({"radio": "mqtt"}, [fault, session | {"reached": False}], TURNED, True)
    assert refused.colour == "red"
    assert "the certificate does not fit" in refused.reason


READING = {"kn": "reading", "generation": 2, "seq": 17}


def test_the_cloud_has_to_have_the_reading_itself() -> None:
    stored = {"kn": "stored", "ranges": [[2, 1, 16]]}
    assert link.cloud(READING, [stored | {"ranges": [[2, 3, 17]]}], None, False, 60).colour == "green"
    assert link.cloud(READING, [stored], None, False, 60, "offline").reason == "not asked: offline"
    assert link.cloud(READING, [stored], None, True, 60).colour == "red"
    assert link.cloud(READING, [], 3.2, True, 60).colour == "green"
    assert link.cloud(None, [], None, True, 60).colour == "red"
    assert link.has_arrived({"stored": [[2, 1, 17]]}, 2, 17)
    assert not link.has_arrived({"stored": [[1, 1, 99], [2, 1, 16], [2, 18, 20]]}, 2, 17)
    assert not link.has_arrived(None, 2, 17)


# -- the list as a whole


def test_the_worst_colour_is_the_wholes_and_nothing_is_never_green() -> None:
    good, odd = green("a", ""), yellow("b", "odd", "look")
    assert (worst([good, odd]), worst([good]), worst([])) == ("yellow", "green", "red")
    assert together("n", [good, odd], "fine").reason == "odd"
    assert together("n", [good], "fine").reason == "fine"


def test_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (label("sensor air"), colour_word("red"), shown("air_temperature", -3.4)) == (
        "sensor air",
        "wrong",
        "-3.40 °C",
    )
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert (label("sensor air"), colour_word("red"), shown("air_temperature", -3.4)) == (
        "Sensor air",
        "falsch",
        "-3,40 °C",
    )
    assert beside(*AROUND, degc=12.0).reason == (
        "Lufttemperatur: 12,00 °C hier, 5,30 °C an 4 Stationen ringsum; bis zu 3,5 K wäre üblich"
    )


# -- what a board prints


def test_lines_come_in_pieces_and_rubbish_is_text() -> None:
    facts: list[Any] = []
    texts: list[str] = []
    lines = Lines(facts.append, texts.append)
    for piece in (
        b'{"kn": "sl',
        b'eep", "ms": 5}\r\n{"kn"',
        b": 1}\nboot: \xff\n{broken\n\n[]",
        b'\n{"kn": "start"}\x04',
    ):
        lines.take(piece)
    lines.end()
    assert facts == [{"kn": "sleep", "ms": 5}, {"kn": "start"}]
    assert texts == ['{"kn": 1}', "boot: �", "{broken", "[]"]
    lines.take(b"x" * 70000)
    assert len(texts[-1]) == 70000
    assert fact_of("7") is None


def test_a_script_knows_what_it_is_to_know() -> None:
    text = source("sensors", FIRMWARE, {"ROUNDS": 3})
    assert text.startswith("ROOT = ''\nROUNDS = 3\nBOARD = 'heltec_v3'\nVERSION = '1.2.3'\n")
    assert source("facts", None).startswith("ROOT = ''\n")
