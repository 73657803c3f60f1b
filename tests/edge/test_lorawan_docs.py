"""docs/lorawan.md says what the code does: its tables are computed here and compared.

`python -m tests.edge.test_lorawan_docs` writes the computed ones into the page. Sizes are compared to the byte where
the compiler is the one that the page names, and within five per cent where it is another.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from edge.lorawan import (
    adr,
    airtime,
    budget,
    class_a,
    control,
    counters,
    eu868,
    joining,
    link,
    mac,
    receive,
    silence,
)
from edge.lorawan.device import DEV_NONCE_MAX
from edge.lorawan.security import DOWN, UP
from firmware.device.lora_memory import BLOCK
from gateway import tell
from gateway.lorawan import dedup, downlinks, transmitter
from gateway.lorawan.explain import why_data
from tests.edge.test_pure_checks import compiler

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "lorawan.md"
NETWORK_ONLY = ("server", "adr", "control")
HEADERS = 13  # MHDR, FHDR, FPort, MIC


def block(name: str, text: str) -> str:
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.S)
    assert found
    return found[1]


def table(*rows: tuple[object, ...]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


def _device_side(request: str, way: int) -> str:
    """What the device's role does with a command's request."""
    if way == UP:
        return "asks" if request in ("LinkCheckReq", "DeviceTimeReq") else ""
    (command,) = mac.parse(mac.build(request), DOWN)
    return "answers" if link.handle(link.Link(), [command]) else ""


def _network_side(request: str, way: int) -> str:
    built = 'mac.build("%s"' if way == DOWN else '"%s" in names'
    where = "edge/lorawan/control.py" if way == DOWN else "gateway/lorawan/answers.py"
    says = built % request in re.sub(r"\(\s+", "(", (ROOT / where).read_text())
    return ("asks" if way == DOWN else "answers") if says else ""


def commands() -> str:
    rows: list[tuple[object, ...]] = [("id", "request", "from", "bytes there, back", "device", "network")]
    for cid, way, name, size, _ in mac.table():
        if name.endswith("Req"):
            back = next(row[3] for row in mac.table() if row[0] == cid and row[1] != way)
            sender = "device" if way == UP else "network"
            row = (f"`{cid:02x}`", f"`{name}`", sender, f"{1 + size}, {1 + back}")
            rows.append((*row, _device_side(name, way) or "–", _network_side(name, way) or "–"))
    return table(*rows)


def figures() -> str:
    need = ", ".join(f"{snr:g}".replace("-", "−") for snr in adr.REQUIRED_SNR_DB)
    return table(
        ("figure", "value"),
        ("largest frame counter", f"{counters.FCNT_MAX:,}"),
        ("DevNonces of one AppKey", f"{DEV_NONCE_MAX + 1:,}"),
        ("gateways of one transmission are waited for", f"{dedup.WINDOW_MS} ms"),
        ("a downlink has to be at its gateway before its window", f"{transmitter.LEAD_MS} ms"),
        ("downlinks that wait for one device", downlinks.WAITING_MAX),
        ("a downlink waits at most", f"{downlinks.EXPIRES_MS // 86_400_000} days"),
        ("a confirmed downlink is tried", f"{downlinks.TRIES_MAX} times"),
        ("what is stored is told after", f"{tell.ACK_READINGS} readings or {tell.ACK_EVERY_MS // 3_600_000} h"),
        ("bytes of such an acknowledgement, at most", tell.ACK_BYTES),
        ("a MAC request is asked", f"{control.TRIES} times, then not for {control.PAUSE_UPLINKS} uplinks"),
        ("a device is asked for its status every", f"{control.EU868.status_every_s // 3600} h"),
        ("ADR: uplinks judged", adr.HISTORY),
        ("ADR: margin, step, shortage", f"{adr.MARGIN_DB:g} dB, {adr.STEP_DB:g} dB, {-adr.SHORT_DB:g} dB"),
        ("ADR: SNR needed at DR0 to DR5", f"{need} dB"),
        ("a device asks whether it is heard (ADRACKReq) after", f"{eu868.ADR_ACK_LIMIT} uplinks"),
        ("and gets louder, then slower, after each further", f"{eu868.ADR_ACK_DELAY} uplinks"),
        ("on air for joins, in the first hour, in the ten after it, then", _joins()),
        (
            "a device asks if it is heard (LinkCheckReq) after",
            f"{silence.QUIET} silent uplinks, then every {silence.ASK_EVERY}",
        ),
        ("and joins beside its session after", f"{silence.LOST} silent uplinks, or {silence.LOST_SLOW} in 3 days"),
        ("a confirmed uplink is sent at most", f"{class_a.CONFIRMED_TRIES} times"),
        ("frame counters reserved at a time in NVS", BLOCK),
        ("air time reserved at a time in NVS", f"{budget.PROMISE_US // 10**6} s in a sub-band, an eighth of the day's"),
        ("RX1 is open around its moment, and until a header is over", _window()),
        ("RX1 and RX2 of a join", f"{eu868.JOIN_RX1_DELAY_S} s, {eu868.JOIN_RX1_DELAY_S + 1} s"),
        ("RX2", f"{eu868.RX2_HZ / 1e6} MHz, DR{eu868.RX2_DR}"),
    )


def _joins() -> str:
    parts = (*(parts for _, parts in joining.SLOWER), joining.SLOWEST)
    assert [until // joining.HOUR_MS for until, _ in joining.SLOWER] == [1, 11]
    return ", ".join(f"{100 / part:g} %" for part in parts)


def _window() -> str:
    open_ms, for_ms = receive.window(1, 5)
    around_ms = (for_ms - receive.header_ms(5)) // 2
    assert open_ms == 1000 - around_ms
    assert silence.LOST_MS == 3 * 24 * joining.HOUR_MS
    return f"±{around_ms} ms, and {receive.header_ms(5)} ms (SF7) to {receive.header_ms(0)} ms (SF12)"


def air() -> str:
    head = ("payload", "SF", "bytes on air", "air time", "96 a day", "frames an hour at 1 %", "silence after it at 1 %")
    rows: list[tuple[object, ...]] = [head]
    band = eu868.sub_band(eu868.DEFAULT_CHANNELS[0][0])
    for payload in (12, 24, 51):
        for sf in (7, 10, 12):
            us = airtime.lora_us(payload + HEADERS, sf)
            silent_s = eu868.off_time_us(band, us) / 1e6
            rows.append(
                (payload, f"SF{sf}", payload + HEADERS, f"{us / 1000:.1f} ms", f"{96 * us / 1e6:.1f} s",
                 f"{36_000_000 // us:,}", f"{silent_s:.0f} s")
            )  # fmt: skip
    return table(*rows)


def reasons() -> str:
    """Every reason that the searches can give, from their source."""
    texts = [path.read_text() for path in sorted((ROOT / "gateway/lorawan/explain").glob("*.py"))]
    named = sorted({name for text in texts for name in re.findall(r'Finding\(\s*"([a-z0-9_]+)"', text)})
    named += ["keys_swapped", "keys_swapped_and_reversed"]
    assert why_data.HIGHS == 1024
    return ", ".join(f"`{name}`" for name in sorted({*named, "unknown"})) + "\n"


def compiler_version(path: str) -> str:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v\d+\.\d+\.\d+", said)
    assert found, said
    return found[0]


def device_modules() -> list[Path]:
    """What a device needs of `edge` for LoRaWAN."""
    lorawan = sorted((ROOT / "edge" / "lorawan").glob("*.py"))
    own = [path for path in lorawan if path.stem not in NETWORK_ONLY]
    return [ROOT / "edge" / name for name in ("__init__.py", "aes_micropython.py", "crypto.py")] + own


def sizes(mpy_cross: str) -> str:
    rows: list[tuple[object, ...]] = [("module", f"bytes (mpy-cross {compiler_version(mpy_cross)})")]
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for module in device_modules():
            out = Path(folder) / "out.mpy"
            # the name that the file has on the device, so that the size does not depend on where the checkout lies
            name = str(module.relative_to(ROOT))
            command = [mpy_cross, "-s", name, "-o", str(out), str(module)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
            rows.append((f"`{module.relative_to(ROOT)}`", f"{out.stat().st_size:,}"))
            total += out.stat().st_size
    rows.append(("**together**", f"**{total:,}**"))
    return table(*rows)


def computed() -> dict[str, str]:
    return {"commands": commands(), "figures": figures(), "airtime": air(), "reasons": reasons()}


@pytest.mark.parametrize("name", sorted(computed()))
def test_the_page_says_what_the_code_does(name: str) -> None:
    assert block(name, PAGE.read_text("utf-8")) == computed()[name], f"run python -m {__name__}"


def test_a_device_imports_nothing_that_is_not_in_the_table() -> None:
    inside = {path.stem for path in device_modules()}
    for module in device_modules():
        for line in module.read_text().splitlines():
            found = re.match(r"from edge(?:\.lorawan)?(?:\.(\w+))? import (.*)", line)
            names = {found[1]} if found and found[1] else set(re.findall(r"\w+", found[2])) if found else set()
            assert names <= inside, f"{module.name}: {line}"


def test_sizes_on_the_device() -> None:
    page, now = block("sizes", PAGE.read_text("utf-8")), sizes(compiler())
    if compiler_version(compiler()) in page:
        assert now == page, f"run python -m {__name__}"
        return
    told, real = ([int(n.replace(",", "")) for n in re.findall(r"\| \**([\d,]+)\** \|", each)] for each in (page, now))
    assert len(told) == len(real)
    assert real[-1] == pytest.approx(told[-1], rel=0.05)


def test_together_it_is_small_enough() -> None:
    total = block("sizes", PAGE.read_text("utf-8")).split("**")[-2]
    assert int(total.replace(",", "")) < 32_000, "an ESP32 without PSRAM has some 100 kB of heap for everything"


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    for name, value in {**computed(), "sizes": sizes(compiler())}.items():
        text = text.replace(
            f"<!-- {name} -->\n{block(name, text)}<!-- /{name} -->", f"<!-- {name} -->\n{value}<!-- /{name} -->"
        )
    PAGE.write_text(text, "utf-8")
