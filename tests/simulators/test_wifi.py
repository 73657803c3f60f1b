"""The Wi-Fi double has the habits of the ESP32 port that the firmware has to cope with."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.board.host import START_US, Chip

S = 1_000_000
JOIN = """
import json, network, socket, time
wlan = network.WLAN(network.WLAN.IF_STA)
def join(*arguments):
    start = time.ticks_ms()
    wlan.connect(*arguments)
    while not wlan.isconnected() and time.ticks_diff(time.ticks_ms(), start) < 8000:
        time.sleep_ms(50)
    return time.ticks_diff(time.ticks_ms(), start), wlan.status()
"""


@pytest.fixture
def chip(tmp_path: Path, micropython: str) -> Chip:
    one = Chip(tmp_path / "chip", micropython)
    one.change(wifi={"ssid": "stadtnetz", "password": "geheim", "channel": 11}, hosts={"a.test:80": ["127.0.0.1", 9]})
    return one


def run(chip: Chip, tmp_path: Path, code: str) -> Any:
    script = tmp_path / "script.py"
    script.write_text(JOIN + code)
    return json.loads(chip.start(script))


def test_a_known_channel_is_quicker_and_connect_with_a_name_forgets_it(chip: Chip, tmp_path: Path) -> None:
    whole, again, quick = run(chip, tmp_path, """
wlan.active(True)
whole = join("stadtnetz", "geheim")
wlan.disconnect()
wlan.config(channel=wlan.config("channel"))
again = join("stadtnetz", "geheim")
wlan.disconnect()
wlan.config(channel=11)
print(json.dumps([whole, again, join()]))
""")  # fmt: skip
    assert [whole[1], again[1], quick[1]] == [1010] * 3
    assert again[0] == pytest.approx(whole[0], abs=100)
    assert quick[0] < whole[0] - 1000


def test_who_was_refused_is_refused_until_the_driver_starts_again(chip: Chip, tmp_path: Path) -> None:
    found = run(chip, tmp_path, """
wlan.active(True)
found = [join("stadtnetz", "wrong")[1], join("stadtnetz", "geheim")[1]]
wlan.active(False)
wlan.active(True)
print(json.dumps(found + [join("stadtnetz", "geheim")[1], join("other", "geheim")[1]]))
""")  # fmt: skip
    assert found == [202, 202, 1010, 201]


def test_when_the_network_goes_its_connections_and_names_go_too(chip: Chip, tmp_path: Path) -> None:
    chip.change(wifi=chip.state["wifi"] | {"away": [[START_US + 10 * S, START_US + 60 * S]]})
    found = run(chip, tmp_path, """
def tried(what):
    try:
        what()
        return "well"
    except OSError as error:
        return error.errno
wlan.active(True)
found = [tried(lambda: socket.getaddrinfo("a.test", 80))]
join("stadtnetz", "geheim")
stream = socket.socket()
stream.setblocking(False)
found += [tried(lambda: socket.getaddrinfo("a.test", 80)), tried(lambda: socket.getaddrinfo("b.test", 80))]
time.sleep(11)
found += [tried(lambda: stream.readinto(bytearray(1))), wlan.status(), tried(lambda: socket.getaddrinfo("a.test", 80))]
time.sleep(60)
print(json.dumps(found + [wlan.isconnected()] + [join("stadtnetz", "geheim")[1]]))
""")  # fmt: skip
    assert found[:4] == [113, "well", -2, 9]
    assert found[4:] == [200, 113, False, 1010]


def test_without_wifi_the_network_is_the_hosts(tmp_path: Path, micropython: str) -> None:
    script = tmp_path / "script.py"
    script.write_text("import socket\nprint(socket.getaddrinfo('127.0.0.1', 80)[0][-1][2:8])\nsocket.socket().close()")
    assert Chip(tmp_path / "chip", micropython).start(script) == "bytearray(b'\\x00P\\x7f\\x00\\x00\\x01')\n"


def test_the_clock_can_be_set(chip: Chip, tmp_path: Path) -> None:
    found = run(chip, tmp_path, """
import machine
machine.RTC().datetime((2028, 2, 29, 1, 23, 59, 58, 500000))
time.sleep_ms(2000)
print(json.dumps([list(machine.RTC().datetime())[:7], time.time()]))
""")  # fmt: skip
    assert found == [[2028, 3, 1, 2, 0, 0, 0], 1835481600]
