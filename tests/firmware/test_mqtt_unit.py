"""The whole firmware on Wi-Fi, as an image, over TLS to a real Mosquitto: half a day with everything in it.

Deep sleep after each reading, an access point that is away for two hours, a loss of power, a clock that runs off by
percents. At the end the broker's subscriber holds every reading once a meaning, and the outbox is empty.
"""

import itertools
import json
from pathlib import Path

import pytest

from simulators.board.host import START_US, Chip
from tests.firmware.images import code_of
from tests.firmware.mqtt_city import DEVICE, HOST, PASSWORD, Authority, Cloud, start_broker, tls_listener

pytestmark = pytest.mark.mosquitto
UNIT = Path(__file__).parent / "unit_mqtt.py"
HOUR_US = 3_600_000_000


def test_half_a_day_over_tls_with_an_outage_and_a_loss_of_power(
    tmp_path: Path, micropython: str, mosquitto: str
) -> None:
    authority = Authority(tmp_path / "ca", "Stadtwerke")
    port, listener = tls_listener(authority.server())
    broker = start_broker(mosquitto, tmp_path / "broker", listener)
    cloud = Cloud(broker)
    config = {
        "interval_s": 900, "radio": "mqtt", "sleep": "deep", "ntp": "ntp.test",
        "sensors": {"air": {"chip": "sht4x", "bus": "i2c0"}},
        "mqtt": {"host": HOST, "port": port, "tls": True, "ca": "ca.der"},
        "wifi": {"ssid": "stadtnetz", "password": "geheim"},
    }  # fmt: skip
    code = code_of("esp32_devkit", config, tmp_path / "image")
    chip = Chip(tmp_path / "chip", micropython, code, environment={"KLIMANETZ_BOARD_GRACE_MS": "1000"})
    chip.change(
        sleep_ppm=12_000, parts=[{"chip": "sht4x", "bus": "i2c0", "address": 68}],
        ntp={"ntp.test": {"way_ms": 60}}, hosts={f"{HOST}:{port}": ["127.0.0.1", port]},
        power_cuts=[[START_US + 8 * HOUR_US + 12_345_678, 600_000_000]],
        wifi={"ssid": "stadtnetz", "password": "geheim", "channel": 9,
              "away": [[START_US + 3 * HOUR_US, START_US + 5 * HOUR_US]]},
    )  # fmt: skip
    (chip.folder / "config.json").write_text(json.dumps(config))
    (chip.folder / "identity.json").write_text(
        json.dumps({"device": DEVICE, "activation": "mqtt", "mqtt_user": DEVICE, "mqtt_password": PASSWORD})
    )
    (chip.folder / "ca.der").write_bytes(authority.der)
    chip.run(UNIT, START_US / 1e6 + 12 * 3600)

    came = sorted(seq for _, seq in cloud.counted)
    assert len(came) > 44  # every 15 minutes but ten without power
    assert came == list(range(came[0], came[-1] + 1))
    assert {generation for generation, _ in cloud.counted} == {1}
    newest = {}
    for frame in cloud.frames:
        for reading in frame.readings:
            newest[reading.seq] = reading
            assert reading.time_source in ("ntp", "rtc")
    times = [newest[seq].time_s for seq in came]
    assert times == sorted(times)
    assert times[0] >= START_US // 1_000_000
    assert times[-1] <= chip.true_s
    assert max(b - a for a, b in itertools.pairwise(times)) < 1800
    statuses = cloud.statuses()
    assert [s["boots"] for s in statuses if "boots" in s][-1] == 2
    cloud.close()
    broker.stop()
