"""docs/device.md says what the code does: its tables are computed here and compared, so bytes, airtime and energy cannot
grow unseen.

`python -m tests.firmware.test_device_docs` writes the computed ones into the page (`make docs`).
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge import energy
from edge.config import LORAWAN, MQTT, REQUIRED, SENSOR, TOP, WIFI, Key
from edge.energy_figures import BOARDS, CELLS, RADIOS, SENSORS
from edge.energy_figures import CHIPS as PROCESSORS
from edge.lorawan.airtime import lora_us
from edge.lorawan.duty import HOUR_MIN, DutyCycle
from edge.lorawan.eu868 import DATA_RATES, DEFAULT_CHANNELS, data_rate, frm_payload_max, sub_band
from edge.sensors.chips import CHIPS
from firmware import device_table, image
from firmware.contents import board_pins, boards
from firmware.frames import frame_bytes, readings_in
from schemas.quantities import Quantity
from tests.firmware import images as of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "device.md"
SFS = range(7, 13)
FAIR_USE_S = 30
REFERENCE = "heltec_v3"
INTERVALS_S = (300, 600, 900, 1800, 3600)


def block(name: str, text: str) -> str:
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.S)
    assert found, name
    return found[1]


def table(*head: str) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def boards_table() -> str:
    rows = table("board", "chip", "radio", "buses and their GPIOs", "battery", "rail", "asleep, µA")
    for name in boards():
        pins = board_pins(name)
        rows.append(
            row(
                f"`{name}`",
                pins.CHIP,
                pins.RADIO or "Wi-Fi",
                "; ".join(wiring(pins)),
                "yes" if pins.BATTERY else "",
                "yes" if pins.SENSOR_POWER else "",
                f"{BOARDS[name].sleep_ua:,}",
            )
        )
    return "\n".join(rows) + "\n"


def wiring(pins: Any) -> Iterator[str]:
    """Each bus with what it is soldered to."""
    for kind, roles in (("I2C", ("SDA", "SCL")), ("UART", ("TX", "RX"))):
        for n, pair in enumerate(getattr(pins, kind)):
            yield f"`{kind.lower()}{n}` " + " ".join(f"{role} {pin}" for role, pin in zip(roles, pair, strict=True))
    for kind in ("ONEWIRE", "ADC", "PULSE"):
        yield from (f"`{kind.lower()}{n}` {pin}" for n, pin in enumerate(getattr(pins, kind)))


def sensors() -> str:
    rows = table("chip", "bus", "measures", "ready after, s", "mA", "for, s", "between, µA", "supply, V", "options")
    for name, chip in CHIPS.items():
        cost = SENSORS[name]
        where = ", ".join([chip.bus] if isinstance(chip.bus, str) else chip.bus)
        if chip.addresses:
            where += " (" + ", ".join(f"{address}" for address in chip.addresses) + ")"
        measures, options = (", ".join(f"`{one}`" for one in some) for some in (chip.quantities, chip.options))
        ready = f"{chip.warm_up_ms / 1000:g}"
        rows.append(
            row(
                f"`{name}`",
                where,
                measures,
                ready,
                cost.active_ma,
                cost.active_s,
                f"{cost.idle_ua:,}",
                cost.volts,
                options,
            )
        )
    return "\n".join(rows) + "\n"


MEANINGS = {
    "interval_s": "seconds between two readings",
    "radio": "the carrier; the other one is not on the device",
    "sleep": "between two readings",
    "sensors": "the sensors by their names, 1 to 12 of `a–z 0–9 . _ -`",
    "status_every_s": "seconds between two statuses; one also goes when something has changed",
    "low_battery_mv": "below this a reading carries `low_battery`",
    "lorawan": "",
    "lorawan.dr": "the data rate to begin with: 0 is SF12, 5 is SF7",
    "lorawan.adr": "whether the network may change it",
    "lorawan.fair_use_s": "seconds of air time a day at most; 0: only what the law says",
    "mqtt": 'the broker; needed with `"radio": "mqtt"`',
    "mqtt.host": "",
    "mqtt.port": "without it 8883, or 1883 without TLS",
    "mqtt.tls": "",
    "mqtt.ca": "file on the device with the authority's certificate; needed with TLS",
    "wifi": 'needed with `"radio": "mqtt"`',
    "wifi.ssid": "",
    "wifi.password": "",
    "wifi.country": "whose channels and powers hold",
    "ntp": "where the time comes from without LoRaWAN",
    "sensors.<name>.chip": "the driver",
    "sensors.<name>.bus": "where it hangs",
    "sensors.<name>.address": "on I²C, where it is not the usual one",
    "sensors.<name>.place": "makes `air_temperature@2m` of `air_temperature`",
    "sensors.<name>.only": "of what the chip gives, only this",
    "sensors.<name>.as": 'another quantity for what the chip gives, like `{"soil_temperature": "water_temperature"}`',
    "sensors.<name>.samples": "mean of so many",
    "sensors.<name>.spacing_s": "seconds between two of them",
    "sensors.<name>.every": "only in every n-th reading",
    "sensors.<name>.options": "what the driver knows: see its file",
}


def configuration() -> str:
    rows = table("key", "what may stand there", "without it", "meaning")
    tables = {"": TOP, "lorawan.": LORAWAN, "mqtt.": MQTT, "wifi.": WIFI, "sensors.<name>.": SENSOR}
    for prefix, keys in tables.items():
        for name, key in keys.items():
            rows.append(row(f"`{prefix}{name}`", allowed(key), without(key), MEANINGS[prefix + name]))
    assert len(rows) == 2 + len(MEANINGS)
    return "\n".join(rows) + "\n"


def allowed(key: Key) -> str:
    if key.choices:
        return ", ".join(f'`"{choice}"`' for choice in key.choices)
    if key.kind == "int":
        return f"{key.low:,} to {key.high:,}"
    if key.kind in ("text", "list"):
        return f"a {key.kind}, up to {key.high}"
    return {"bool": "`true`, `false`", "object": "an object"}[key.kind]


def without(key: Key) -> str:
    if key.default == REQUIRED:
        return "refused"
    return "" if key.default is None else f"`{json.dumps(key.default)}`"


def numbers_of_readings(sf: int) -> list[int]:
    most = readings_in(limit(sf))
    return [n for n in (1, 2, 4) if n < most] + [most]


def limit(sf: int) -> int:
    dr = data_rate(sf, 125000)
    assert dr is not None
    return frm_payload_max(dr)


def air_us(sf: int, payload: int) -> int:
    return lora_us(payload + energy.PHY_OVERHEAD, sf)


def frames() -> str:
    rows = table("SF", "readings a frame", "bytes", "air, ms", "bytes a reading", "air a reading, ms", "mAh a reading")
    board = BOARDS[REFERENCE]
    for sf in SFS:
        for n in numbers_of_readings(sf):
            size = frame_bytes(n)
            mas, _ = energy.uplink_mas(PROCESSORS[board.chip], RADIOS[board.radio], sf, size)
            air_ms = air_us(sf, size) / 1000
            rows.append(
                row(sf, n, size, f"{air_ms:,.0f}", f"{size / n:.1f}", f"{air_ms / n:,.0f}", f"{mas / 3600 / n:.4f}")
            )
    return "\n".join(rows) + "\n"


def duty_s(sf: int, payload: int) -> int:
    """Seconds between two frames that our ledger always allows on the default channels."""
    hour_us = sub_band(DEFAULT_CHANNELS[0][0]).duty_permille * 3600 * 1000
    return math.ceil((HOUR_MIN + 1) * 60 / (hour_us // air_us(sf, payload)))


def fair_s(sf: int, payload: int) -> int:
    return math.ceil(air_us(sf, payload) / 1e6 * 86400 / FAIR_USE_S)


def duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min {seconds % 60:02d} s"


def intervals() -> str:
    rows = table("SF", "readings a frame", "duty cycle", "fair use", "a reading each, fair use")
    for sf in SFS:
        for n in sorted({1, 2, readings_in(limit(sf))}):
            size = frame_bytes(n)
            fair = fair_s(sf, size)
            rows.append(row(sf, n, duration(duty_s(sf, size)), duration(fair), duration(math.ceil(fair / n))))
    return "\n".join(rows) + "\n"


def cases() -> Iterator[tuple[str, int | None]]:
    yield from ((f"SF{sf}", sf) for sf in (7, 9, 10, 12))
    yield "Wi-Fi", None


def energy_table() -> str:
    cells = ("18650", "D-LiSOCl2")
    rows = table("every", "radio", "awake, s", "mAh a day", *(f"{cell}, years" for cell in cells))
    payload = frame_bytes(2)
    for interval_s in INTERVALS_S:
        for name, sf in cases():
            found = energy.budget(
                REFERENCE, "lorawan" if sf else "mqtt", interval_s, ("bme280",), sf, payload if sf else 0
            )
            years = [f"{energy.years(found.mah_day, cell):.1f}" for cell in cells]
            years = [f"{y}*" if energy.too_strong(found, cell) else y for y, cell in zip(years, cells, strict=True)]
            shown = f"({name})" if sf and interval_s < fair_s(sf, payload) else name
            every = f"{interval_s // 60} min"
            rows.append(row(every, shown, f"{found.awake_s:.1f}", f"{found.mah_day:.2f}", *years))
    return "\n".join(rows) + "\n\n\\* with a capacitor beside the cell\n"


MARGIN = 1.03  # so that a comment's worth of change does not break the build
BLOCK = 4096  # of littlefs; each file takes whole ones


class Size(NamedTuple):
    """How large an image is."""

    files: int
    bytes: int
    blocks: int
    heap: int  # bytes that its modules take once they are imported, with words of 64 bits


def image_sizes() -> dict[tuple[str, str], Size]:
    """Of each board with each carrier that it has."""
    found = {}
    for board, radio in of.RADIOS:
        _, made = of.built(board, radio)
        blocks = sum(-(-file.bytes // BLOCK) for file in made.files)
        found[board, radio] = Size(made.mpy_files, made.total_bytes, blocks, of.imported(board, radio)[1])
    return found


def images() -> str:
    rows = table("board", "carrier", "`.mpy` files", "bytes, at most", "KiB of flash, at most", "heap, at most")
    for (board, radio), size in image_sizes().items():
        told = math.ceil(size.bytes * MARGIN / 1000) * 1000
        blocks = math.ceil(size.blocks * MARGIN)
        heap = math.ceil(size.heap * MARGIN / 1000) * 1000
        rows.append(row(f"`{board}`", radio, size.files, f"{told:,}", blocks * BLOCK // 1024, f"{heap:,}"))
    return "\n".join(rows) + "\n"


GENERATED = {
    "config": configuration,
    "boards": boards_table, "sensors": sensors, "frames": frames, "intervals": intervals, "energy": energy_table,
}  # fmt: skip


@pytest.mark.parametrize("name", GENERATED)
def test_a_table_is_what_the_code_gives(name: str) -> None:
    assert block(name, PAGE.read_text()) == GENERATED[name](), "`make docs` writes it; look at what has grown"


@pytest.mark.parametrize("sf", SFS)
def test_the_shortest_interval_is_allowed_and_none_shorter(sf: int) -> None:
    """With the device's own ledger, for a day."""
    frequency_hz, size = DEFAULT_CHANNELS[0][0], frame_bytes(2)
    used_us = air_us(sf, size)

    def refused(interval_s: float) -> int:
        duty, count = DutyCycle(), 0
        for i in range(int(4 * 3600 / interval_s)):
            now_s = int(i * interval_s)
            if duty.allows(frequency_hz, used_us, now_s):
                duty.sent(frequency_hz, used_us, now_s)
            else:
                count += 1
        return count

    assert refused(duty_s(sf, size)) == 0
    assert refused(duty_s(sf, size) * 0.9) > 0


def test_no_frame_is_larger_than_its_data_rate_carries() -> None:
    for sf in SFS:
        most = readings_in(limit(sf))
        assert frame_bytes(most) <= limit(sf) < frame_bytes(most + 1)
    assert {rate.sf for rate in DATA_RATES if rate.bw_hz == 125000} == set(SFS)


def test_what_the_page_says_of_the_image() -> None:
    text = " ".join(PAGE.read_text().split())
    words = {9: "nine", 21: "twenty-one"}
    said = f"reads {words[len(device_table.COLUMNS)]} of the table's {words[len(Quantity._fields)]} columns"
    assert said in text
    for name, version in (image.LORA_SYNC, *image.LORA_PACKAGES.values()):
        assert f"{name}@{version}" in text
    for chip in SENSORS:
        assert f"`{chip}`" in text
    for cell in ("18650", "D-LiSOCl2"):
        assert cell in CELLS


def test_no_image_is_larger_than_the_page_says(micropython: str) -> None:
    told = {}
    for line in block("images", PAGE.read_text()).splitlines()[2:]:
        board, radio, *numbers = (cell.strip(" `") for cell in line.strip("|").split("|"))
        files, most, kib, heap = (int(number.replace(",", "")) for number in numbers)
        told[board, radio] = Size(files, most, kib * 1024 // BLOCK, heap)
    found = image_sizes()
    assert set(found) == set(told)
    for which, size in found.items():
        assert size.files == told[which].files, f"{which}: `make docs` writes it; is each of them needed?"
        assert 0.9 * told[which].bytes < size.bytes <= told[which].bytes, f"{which}: `make docs` writes it"
        assert size.blocks <= told[which].blocks, f"{which}: `make docs` writes it"
        assert 0.9 * told[which].heap < size.heap <= told[which].heap, f"{which}: `make docs` writes it"


def write() -> None:
    """The computed tables into the page."""
    page = PAGE.read_text()
    for name, make in (GENERATED | {"images": images}).items():
        old = f"<!-- {name} -->\n{block(name, page)}<!-- /{name} -->"
        page = page.replace(old, f"<!-- {name} -->\n{make()}<!-- /{name} -->")
    PAGE.write_text(page)


if __name__ == "__main__":
    write()
