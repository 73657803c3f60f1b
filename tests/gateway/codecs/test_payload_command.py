import json

import pytest
from typer.testing import CliRunner, Result

from klimanetz.cli.payload import app

TWO = "20a0933838e3b2464012096cbf775878e1044de8f000"  # docs/wire.md


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_decode_for_scripts() -> None:
    done = run("decode", TWO, "--codec", "klimanetz", "--port", "1", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    newest, before = json.loads(done.stdout)["readings"]
    assert newest["time"] == "2026-11-22T10:15:00Z"
    assert newest["values"] == {
        "air_temperature": 3.42, "relative_humidity": 81.5, "air_pressure": 1009.8, "battery": 3.91
    }  # fmt: skip
    assert (newest["generation"], newest["seq"], newest["status"]) == (1, 4711, [])
    assert (before["time"], before["seq"], before["values"]["air_temperature"]) == ("2026-11-22T10:00:00Z", 4710, 3.61)


def test_decode_for_people() -> None:
    done = run("decode", " ".join(TWO[i : i + 2] for i in range(0, len(TWO), 2)))
    assert done.exit_code == 0
    assert "2026-11-22T10:15:00Z by ntp ±0.5 s  generation 1, seq 4711" in done.stdout
    assert "air_pressure                 1009.8 hPa" in done.stdout


def test_what_has_no_quantity_is_shown() -> None:
    readings = json.loads(run("decode", "0167001e0367001e", "--codec", "cayenne-lpp", "--json").stdout)["readings"]
    assert readings == [{"time": None, "values": {"air_temperature": 3.0, "air_temperature@ch3": 3.0}}]
    readings = json.loads(run("decode", "030064", "--codec", "cayenne-lpp", "--json").stdout)["readings"]
    assert readings == [{"time": None, "values": {}, "unmapped": {"digital_input@ch3": 100.0}}]
    assert "no quantity of ours: digital_input@ch3 100.0" in run("decode", "030064", "--codec", "cayenne-lpp").stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "reason"),
    [
        (("decode", TWO[:-2]), 1, "end in the middle of a frame"),
        (("decode", TWO, "--port", "3"), 1, "on port 1 or 2"),
        (("decode", "0399", "--codec", "cayenne-lpp"), 1, "no type 153"),
        (("decode", "xyz"), 2, "two hex digits a byte"),
        (("decode", "20a"), 2, "two hex digits a byte"),
        (("decode", TWO, "--codec", "nope"), 2, "allowed are klimanetz, cayenne-lpp, senml"),
        (("encode", "smell=3"), 2, "unknown quantity 'smell': one of air_temperature"),
        (("encode", "co2@-=3"), 2, "not a place"),
        (("encode", "co2=much"), 2, "CHANNEL=VALUE"),
        (("encode", "co2"), 2, "CHANNEL=VALUE"),
        (("encode", "co2=nan"), 2, "finite number"),
        (("encode", "co2=1", "co2=2"), 2, "once"),
        (("encode", "co2=1", "--time", "noon"), 2, "time with its zone"),
        (("encode", "co2=1", "--time", "2026-11-22T10:15:00"), 2, "time with its zone"),
        (("encode", "co2=1", "--time-source", "sundial"), 2, "one of none, gps"),
        (("encode", "co2=1", "--status", "tired"), 2, "one of reboot"),
        (("encode", "co2=1", "--codec", "nope"), 2, "allowed are"),
        (("encode", "wind_speed=1", "--codec", "cayenne-lpp"), 1, "no wind_speed"),
        (("encode", "co2=1", "--time", "2024-11-22T10:15:00Z"), 1, "2025"),
    ],
)
def test_errors_are_one_sentence(arguments: tuple[str, ...], exit_code: int, reason: str) -> None:
    plain = run(*arguments)
    assert (plain.exit_code, plain.stdout) == (exit_code, "")
    assert reason in plain.stderr
    assert plain.stderr.count("\n") == 1
    scripted = run(*arguments, "--json")
    assert (scripted.exit_code, scripted.stderr) == (exit_code, "")
    assert reason in json.loads(scripted.stdout)["error"]


def test_encode_gives_what_decode_reads() -> None:
    values = {"air_temperature": -3.42, "soil_moisture@30cm": 22.1}
    arguments = [f"{channel}={value}" for channel, value in values.items()]
    arguments += ["--generation", "2", "--seq", "7", "--time", "2026-11-22T11:15:00+01:00", "--time-source", "gps"]
    arguments += ["--status", "reboot", "--status", "watchdog"]
    made = json.loads(run("encode", *arguments, "--json").stdout)
    assert made["bytes"] == len(made["hex"]) // 2
    assert run("encode", *arguments).stdout.strip() == made["hex"]
    assert json.loads(run("decode", made["hex"], "--json").stdout)["readings"] == [
        {
            "time": "2026-11-22T10:15:00Z", "values": values, "generation": 2, "seq": 7, "time_source": "gps",
            "status": ["reboot", "watchdog"],
        }
    ]  # fmt: skip


def test_an_age_instead_of_a_time() -> None:
    made = run("encode", "co2=417", "--age", "90").stdout.strip()
    assert json.loads(run("decode", made, "--json").stdout)["readings"] == [
        {"time": None, "values": {"co2": 417.0}, "generation": 0, "seq": 0, "age_s": 90, "status": []}
    ]
