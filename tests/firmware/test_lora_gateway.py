"""The carrier on a simulated chip, over the air of a simulated modem, to the gateway's real core on a real UDP port.

Sleep, NVS, littlefs, clocks that run off and power that fails are the chip's; days pass in tenths of a second.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.lorawan.airtime import lora_us
from simulators.board.host import START_US, Chip, ChipStopped
from tests.brokers import Broker
from tests.firmware.gateway_core import GatewayCore
from tests.firmware.lora_image import compiled
from tests.gateway.helpers import DEV_ADDR, abp, otaa
from tests.gateway.test_service import Listener, broker, brokers, gateway, listener

__all__ = ["broker", "brokers", "listener"]  # fixtures
KN = "kn-0001"
WORLD_KIB = 512
HOUR_S = 3600
HEAD = "import json\nfrom tests.firmware.lora_station import *\n"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("image"))


@pytest.fixture
def chip(image: Path, micropython: str, tmp_path: Path) -> Chip:
    return Chip(tmp_path / "chip", micropython, image, WORLD_KIB)


@pytest.fixture
def run(chip: Chip, tmp_path: Path) -> Run:
    """Runs a script on the chip; what its last line printed as JSON."""

    def run(core: GatewayCore, code: str, **air: Any) -> Any:
        air_of_chip = {"server": list(core.address), "snr_db": 6, **air}
        chip.change(air=air_of_chip)
        script = tmp_path / "script.py"
        script.write_text(HEAD + code)
        return json.loads(chip.start(script).splitlines()[-1])

    return run


def test_a_day(run: Run, tmp_path: Path) -> None:
    """It joins, is set right, becomes as fast as it can, and everything arrives with its time."""
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        faults, syncs, dr, power, times, radio = run(
            core,
            "desk, carrier = awake(96)\nlink = carrier._device.link\n"
            "print(json.dumps([desk.faults, desk.syncs, link.dr, link.tx_power, desk.times, timeline.chip['radio']]))",
        )
    assert faults == []
    utc_ms, source, uncertainty_s, at_ms = syncs[0]
    assert (source, uncertainty_s) == ("lorawan", 1)
    assert abs(utc_ms - at_ms - START_US / 1000) < 100, "ticks begin at the start, so both count from there"
    assert dr == 5
    assert power > 0
    assert core.counters.outcomes == {"join": 1, "readings": 96}
    received = core.readings[KN]
    assert sorted(seq for _, seq in received) == list(range(1, 97))
    told = {seq: reading["time"] for (_, seq), reading in received.items()}
    assert all(told[int(seq)] == _text(time_s) for seq, time_s in times.items())
    assert len(core.frames) == 97
    assert radio["tx_us"] < 20_000_000


def _text(time_s: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def test_deep_sleep_between_all_uplinks(chip: Chip, tmp_path: Path) -> None:
    """Each wake-up is a new interpreter; counters go on without a gap, and nothing is joined or stored again."""
    script = tmp_path / "script.py"
    script.write_text(HEAD + "one_cycle()\n")
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        chip.change(air={"server": list(core.address), "snr_db": 6}, sleep_ppm=800)
        printed = [json.loads(chip.start(script)) for _ in range(24)]
    assert [up for _, _, up in printed] == list(range(1, 25))
    assert core.counters.outcomes == {"join": 1, "readings": 24}
    assert sorted(seq for _, seq in core.readings[KN]) == list(range(1, 25))
    assert not any(faults for faults, _, _ in printed)


@pytest.mark.parametrize("cut", range(8, 47, 3))
def test_power_fails_in_the_middle_of_a_write(chip: Chip, tmp_path: Path, cut: int) -> None:
    """Of flash or of NVS, wherever: the network never sees a nonce or a counter twice."""
    script = tmp_path / "script.py"
    script.write_text(HEAD + "one_cycle()\n")
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        chip.change(air={"server": list(core.address), "snr_db": 6}, cut_at_write=cut)
        for _ in range(7):
            chip.start(script)
        assert chip.state["writes"] > cut
    seen = core.counters.outcomes
    assert set(seen) <= {"join", "readings", "retransmission"}, seen
    assert 1 <= seen["join"] <= 2
    assert sum(seen.values()) >= 6


def test_power_fails_at_any_moment(chip: Chip, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(HEAD + "one_cycle()\n")
    cuts = [[START_US + n * 900_000_000 + 350_000 * (1 + n % 19), 5_000_000] for n in range(0, 40, 2)]
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        chip.change(air={"server": list(core.address), "snr_db": 6}, power_cuts=cuts)
        for _ in range(60):
            chip.start(script)
    assert set(core.counters.outcomes) <= {"join", "readings", "retransmission"}, core.counters.outcomes
    assert len(core.readings[KN]) > 40


def test_acknowledgements_and_a_command_with_its_answer(run: Run, tmp_path: Path) -> None:
    with GatewayCore(tmp_path / "gateway", otaa(), acknowledges=True) as core:
        acks, waiting, commands, statuses = run(
            core,
            """
from schemas.wire_status import Status
def each(n, desk, carrier):
    if desk.commands and not desk.statuses:
        desk.due = Status("1.0.0", 1, n, 1, "power", len(desk.waiting), 0, 90000, 3.9, [], (desk.commands[0].reference, True, "ok"))
desk, carrier = awake(60, each=each)
print(json.dumps([desk.acks, desk.waiting, [list(c) for c in desk.commands], desk.statuses]))
""",
        )
        assert acks[-1][0][:2] == [1, 1]
        assert acks[-1][0][2] >= 24
        assert len(waiting) < 30
        assert (commands, statuses) == ([], 0)
        core.command(KN, id="c-1", command="configure", configuration={"interval_s": 600})
        _, _, commands, statuses = run(core, _ANSWERS)
        assert commands[0][1:] == ["configure", [], '{"interval_s":600}']
        assert len(commands) == 1, "confirmed at the next uplink: it is not sent again"
        assert statuses == 1
        assert core.health(KN)["answer"] == {"reference": commands[0][0], "ok": True, "detail": "ok"}
        assert core.downlinks.ended["confirmed"] == 1
    assert core.counters.outcomes["status"] == 1


_ANSWERS = """
from schemas.wire_status import Status
def each(n, desk, carrier):
    if desk.commands and not desk.statuses:
        desk.due = Status("1.0.0", 1, n, 1, "power", 3, 0, 90000, 3.9, [], (desk.commands[0].reference, True, "ok"))
desk, carrier = awake(12, each=each)
print(json.dumps([desk.acks, desk.waiting, [list(c) for c in desk.commands], desk.statuses]))
"""


def test_two_days_without_a_network(run: Run, tmp_path: Path) -> None:
    """Readings wait, the device is quiet enough, and both lanes bring everything when it is back."""
    away = [[START_US + 6 * HOUR_S * 10**6, START_US + 54 * HOUR_S * 10**6]]
    with GatewayCore(tmp_path / "gateway", otaa(), acknowledges=True) as core:
        faults, waiting, dr, radio = run(
            core,
            """
def each(n, desk, carrier):
    if n % 32 == 0:
        desk.sent_seqs = {}  # what has not been acknowledged for long is a gap
desk, carrier = awake(340, each=each)
print(json.dumps([desk.faults, desk.waiting, carrier._device.link.dr, timeline.chip["radio"]]))
""",
            outages=away,
        )
    assert faults == []
    assert len(waiting) <= 24
    assert sorted(seq for _, seq in core.readings[KN]) == list(range(1, 341))
    assert core.counters.outcomes["join"] == 1
    assert dr == 5, "the network makes it fast again"
    assert radio["tx_us"] < 340 * 1_500_000
    _within_duty_cycle(core)


def _within_duty_cycle(core: GatewayCore) -> None:
    for start_ms, _, _ in core.frames:
        hour = [f for f in core.frames if start_ms <= f[0] < start_ms + HOUR_S * 1000]
        assert sum(lora_us(size, int(rate[2:])) for _, rate, size in hour) <= 2 * 36_000_000, "two sub-bands"


def test_a_bad_link(run: Run, tmp_path: Path) -> None:
    """A third of everything is lost, either way, and the rest fades: everything arrives all the same."""
    with GatewayCore(tmp_path / "gateway", otaa(), acknowledges=True) as core:
        faults, waiting = run(
            core,
            """
def each(n, desk, carrier):
    if n % 32 == 0:
        desk.sent_seqs = {}
desk, carrier = awake(200, each=each)
print(json.dumps([desk.faults, desk.waiting]))
""",
            loss=0.33, noise_db=4, snr_db=-8, seed=5,
        )  # fmt: skip
    assert faults == []
    received = sorted(seq for _, seq in core.readings[KN])
    assert set(range(1, 201)) - set(received) <= set(waiting), "what did not arrive still waits"
    assert len(received) >= 190


@pytest.mark.parametrize(("ppm", "hears"), [(0, True), (40, True), (-40, True), (20_000, False)])
def test_windows_allow_for_what_the_clock_is_off_by(
    run: Run, tmp_path: Path, chip: Chip, ppm: int, hears: bool
) -> None:
    chip.change(awake_ppm=ppm)
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        joined, downlinks = run(
            core,
            "desk, carrier = awake(3)\n"
            "print(json.dumps([carrier._device.session is not None, timeline.chip['radio'].get('downlinks', 0)]))",
        )
    assert downlinks > 0, "the gateway did send"
    assert joined is hears


def test_abp_and_the_other_modem(run: Run, tmp_path: Path) -> None:
    device = abp(KN, dev_addr=DEV_ADDR)
    with GatewayCore(tmp_path / "gateway", device) as core:
        faults, unheard = run(
            core,
            """
from tests.firmware.lora_world import ABP
desk, carrier = Told(), Carrier(Board(lora.SX1276), ABP, CONFIG, {})
for n in range(1, 5):
    desk.measure(n)
    carrier.exchange(desk)
    machine.lightsleep(900000)
print(json.dumps([desk.faults, carrier._device.unheard]))
""",
        )
    assert (faults, unheard < 4) == ([], True)
    assert core.counters.outcomes == {"readings": 4}


def test_nobody_listens(run: Run, tmp_path: Path) -> None:
    """No gateway at the port, and none configured: virtual time passes, and nothing is taken for an answer."""
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        pass
    faults, nonce = run(core, "desk, carrier = awake(3)\nprint(json.dumps([desk.faults, carrier._device.dev_nonce]))")
    assert faults == []
    assert nonce >= 3


def test_what_the_air_does_not_forgive(run: Run, tmp_path: Path) -> None:
    """The double itself: another frequency, spreading factor, polarisation or moment, and nothing is heard."""
    code = """
from edge.lorawan.device import Device
from edge.aes_micropython import aes
device = Device(aes, 1, 0x70b3d57ed0000001, bytes.fromhex(OTAA["app_key"]))
heard = []
for change, open_ms, for_ms in (
    ({}, 4980, 220), ({"freq_khz": 868300}, 4980, 220), ({"sf": 8}, 4980, 220), ({"invert_iq_rx": False}, 4980, 220),
    ({}, 4980, 60), ({}, 5040, 220), ({"syncword": 0x12}, 4980, 220), ({"freq_khz": 869525, "sf": 12}, 5980, 700),
):
    modem = lora.SX1262(None, None, None, lora_cfg={
        "freq_khz": 868100, "sf": 9, "bw": 125, "preamble_len": 8, "syncword": 0x34, "invert_iq_rx": True})
    modem.send(device.join_request())
    import time
    time.sleep_ms(open_ms)
    modem.configure(change)
    packet = modem.recv(for_ms)
    heard.append(packet is not None and type(device.on_join_accept(bytes(packet))).__name__)
print(json.dumps(heard))
"""
    with GatewayCore(tmp_path / "gateway", otaa()) as core:
        heard = run(core, code)
    assert heard == ["Joined", False, False, False, False, False, False, False]
    assert core.counters.outcomes["join"] == 8


def test_through_the_service_itself(chip: Chip, broker: Broker, listener: Listener, tmp_path: Path) -> None:
    """With its own clock and its real windows: the modem gives each answer real time to come."""
    with gateway(broker.port, tmp_path, otaa()) as running:
        chip.change(air={"server": list(running.address), "snr_db": 6, "grace_ms": 1000})
        script = tmp_path / "script.py"
        script.write_text(HEAD + "desk, carrier = awake(2)\nprint(json.dumps([desk.faults, len(desk.syncs)]))\n")
        assert json.loads(chip.start(script)) == [[], 1]
        readings = listener.readings(2)
        assert [reading["seq"] for reading in readings] == [1, 2]
        assert running.counters.outcomes["join"] == 1


def test_a_chip_without_air_is_an_error_of_the_test(chip: Chip, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(HEAD + "lora.SX1262(None, None, None, lora_cfg={'sf': 13})\n")
    with pytest.raises(ChipStopped, match="Invalid lora_cfg sf"):
        chip.start(script)
