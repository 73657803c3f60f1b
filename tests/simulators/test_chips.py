"""Each double answers as its datasheet says, in the raw protocol, and refuses what the datasheet refuses."""

import struct
from pathlib import Path

import pytest

from simulators.board.host import Chip, ChipStopped
from tests.simulators.board_run import ALWAYS, Run, approx, part, runner, true

ENODEV, ETIMEDOUT = "OSError 19", "OSError 110"


@pytest.fixture
def both(tmp_path: Path, micropython: str) -> tuple[Chip, Run]:
    return runner(tmp_path, micropython)


@pytest.fixture
def run(both: tuple[Chip, Run]) -> Run:
    return both[1]


def sensirion(line: str) -> list[int]:
    """The words of an answer in hex; every CRC has to be right."""
    data = bytes.fromhex(line)
    for i in range(0, len(data), 3):
        crc = 0xFF
        for byte in data[i : i + 2]:
            crc ^= byte
            for _ in range(8):
                crc = (crc << 1 ^ 0x131) if crc & 0x80 else crc << 1
        assert crc == data[i + 2]
    return [data[i] << 8 | data[i + 1] for i in range(0, len(data), 3)]


SHT4X = "b = bus()\nb.writeto(68, b'\\xfd')\nprint(tried(lambda: b.readfrom(68, 6)))\ntime.sleep_ms(9)\nprint(b.readfrom(68, 6).hex())\n"


def test_sht4x(run: Run) -> None:
    early, answer, again = run(SHT4X + "print(tried(lambda: b.readfrom(68, 6)))", part("sht4x", address=68))
    assert early == again == ENODEV, "not before it has measured, and not twice"
    t, rh = sensirion(answer)
    assert -45 + 175 * t / 65535 == approx(true("air_temperature"), abs=0.01)
    assert -6 + 125 * rh / 65535 == approx(true("relative_humidity"), abs=0.02)


def test_sht4x_refuses_what_it_does_not_know(run: Run) -> None:
    out = run("b = bus()\nprint(b.scan())\nprint(tried(lambda: b.writeto(68, b'\\x77')))\n"
              "b.writeto(68, b'\\xfd')\nprint(tried(lambda: b.writeto(68, b'\\xfd')))", part("sht4x", address=68))  # fmt: skip
    assert out == ["[68]", ENODEV, ENODEV]


def test_what_can_go_wrong_on_i2c(run: Run) -> None:
    right = run(SHT4X, part("sht4x", address=68))[1]
    wrong = run(SHT4X, part("sht4x", address=68, faults={"bad_crc": ALWAYS}), true_us=1_767_225_600_000_000)[1]
    assert wrong[:4] == right[:4]
    assert wrong[4:6] != right[4:6]
    with pytest.raises(AssertionError):
        sensirion(wrong)
    noise = run(SHT4X, part("sht4x", address=68, faults={"garbage": ALWAYS}))[1]
    assert noise[:4] != right[:4]
    first = (
        "t = time.ticks_ms()\nprint(tried(lambda: bus().writeto(68, b'\\xfd')), time.ticks_diff(time.ticks_ms(), t))"
    )
    assert run(first, part("sht4x", address=68, faults={"missing": ALWAYS}))[0].startswith(ENODEV)
    held = run(first, part("sht4x", address=68), part("bh1750", address=35, faults={"held_low": ALWAYS}))[0]
    assert held == ETIMEDOUT + " 50", "one part holds the bus of all"


def test_nine_clocks_free_a_part_that_hangs(run: Run) -> None:
    code = """
b = bus()
print(tried(lambda: b.scan()), Pin(41, Pin.IN).value())
scl = Pin(42, Pin.OPEN_DRAIN, value=1)
for _ in range(9):
    scl(0)
    scl(1)
print(Pin(41, Pin.IN).value(), b.scan())
"""
    assert run(code, part("sht4x", address=68, faults={"hung": ALWAYS})) == ["[] 0", "1 [68]"]
    assert run(code, part("sht4x", address=68, faults={"held_low": ALWAYS})) == ["[] 0", "0 []"]


def test_a_stuck_part_repeats_what_was_true_when_it_got_stuck(both: tuple[Chip, Run]) -> None:
    chip, run = both
    from_us = int(chip.true_s * 1e6) + 3_600_000_000
    code = SHT4X + "time.sleep(7200)\n" + SHT4X + "time.sleep(7200)\n" + SHT4X
    out = run(code, part("sht4x", address=68, faults={"stuck": [from_us, from_us + 20_000_000_000]}))
    assert out[3] == out[5] != out[1]
    assert -45 + 175 * sensirion(out[3])[0] / 65535 == approx(true("air_temperature", 3600), abs=0.01)


def test_an_unknown_fault_is_said(run: Run) -> None:
    with pytest.raises(ChipStopped, match="no fault 'mising'"):
        run("pass", part("sht4x", address=68, faults={"mising": ALWAYS}))


def test_sht3x(run: Run) -> None:
    code = """
b = bus()
b.writeto(68, b"\\x24\\x00")
print(tried(lambda: b.readfrom(68, 6)))
time.sleep_ms(16)
print(b.readfrom(68, 6).hex())
b.writeto(68, b"\\x2c\\x06")
t = time.ticks_us()
print(b.readfrom(68, 6).hex(), time.ticks_diff(time.ticks_us(), t) > 15000)
b.writeto(68, b"\\x21\\x30")
print(tried(lambda: b.writeto(68, b"\\x24\\x00")))
"""
    early, answer, stretched, periodic = run(code, part("sht3x", address=68))
    assert early == periodic == ENODEV
    t, rh = sensirion(answer)
    assert -45 + 175 * t / 65535 == approx(true("air_temperature"), abs=0.01)
    assert 100 * rh / 65535 == approx(true("relative_humidity"), abs=0.02)
    assert stretched.split() == [answer, "True"]


SCD4X = """
b = bus()
def ask(command, ms=1, n=3):
    b.writeto(98, command.to_bytes(2, "big"))
    time.sleep_ms(ms)
    return b.readfrom(98, n).hex()
def send(command, data=b""):
    return tried(lambda: b.writeto(98, command.to_bytes(2, "big") + data))
"""


def test_scd4x_measures_every_five_seconds(run: Run) -> None:
    code = (
        SCD4X
        + """
send(0x21B1)
print(tried(lambda: ask(0xEC05, 1, 9)), ask(0xE4B8))
time.sleep(5)
print(ask(0xE4B8))
print(ask(0xEC05, 1, 9))
print(tried(lambda: ask(0xEC05, 1, 9)), send(0x2416, b"\\0\\0\\x81"))
print(send(0x3F86), send(0x2416, b"\\0\\0\\x81"))
time.sleep_ms(500)
print(send(0x2416, b"\\0\\0\\x80"), send(0x2416, b"\\0\\0\\x81"))
time.sleep_ms(1)
print(ask(0x2313))
"""
    )
    out = run(code, part("scd4x", address=98))
    assert out[0].startswith(ENODEV)
    assert sensirion(out[0].split()[-1])[0] & 0x7FF == 0
    assert sensirion(out[1])[0] & 0x7FF != 0
    co2, t, rh = sensirion(out[2])
    assert -45 + 175 * t / 65535 == approx(true("air_temperature", 5), abs=0.01)
    assert 100 * rh / 65535 == approx(true("relative_humidity", 5), abs=0.02)
    assert co2 == approx(true("co2", 5) * true("air_pressure", 5) / 1013.25, abs=0.6), "not told the pressure yet"
    assert out[3] == ENODEV + " " + ENODEV, "read once; no settings while it measures"
    assert out[4] == "2 " + ENODEV, "busy for half a second after the stop"
    assert out[5] == ENODEV + " 5", "a wrong CRC is refused"
    assert sensirion(out[6]) == [0]


def test_scd4x_is_right_once_it_knows_the_pressure(run: Run) -> None:
    hpa = round(true("air_pressure"))
    crc = crc_of(hpa)
    code = (
        SCD4X
        + f"send(0xE000, bytes(({hpa >> 8}, {hpa & 255}, {crc})))\ntime.sleep_ms(1)\nprint(ask(0xE000))\n"
        + ("send(0x219D)\nprint(tried(lambda: ask(0xEC05)))\ntime.sleep(5)\nprint(ask(0xEC05, 1, 9))")
    )
    told, early, answer = run(code, part("scd4x", address=98))
    assert sensirion(told) == [hpa]
    assert early == ENODEV
    assert sensirion(answer)[0] == approx(true("co2", 5), abs=1)
    with pytest.raises(ChipStopped):  # the SCD40 cannot
        run(code, part("scd4x", address=98, options={"model": "scd40"}))


def crc_of(word: int) -> int:
    crc = 0xFF
    for byte in word.to_bytes(2, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x131) if crc & 0x80 else crc << 1
    return crc


def test_scd4x_goes_on_measuring_while_the_chip_sleeps(run: Run) -> None:
    code = (
        SCD4X
        + """
if machine.reset_cause() == machine.DEEPSLEEP_RESET:
    print(ask(0xEC05, 1, 9), ask(0x2322) if send(0x3F86) == 2 and time.sleep_ms(500) is None else "")
else:
    send(0x2427, b"\\0\\x64\\xfe")
    time.sleep_ms(1)
    send(0x21B1)
    machine.deepsleep(60000)
"""
    )
    run(code, part("scd4x", address=98))
    measured, altitude = run(code)[0].split()
    assert len(sensirion(measured)) == 3
    assert sensirion(altitude) == [100]


def test_sps30_on_i2c(run: Run) -> None:
    code = """
b = bus()
def ask(command, n):
    b.writeto(105, command)
    return b.readfrom(105, n).hex()
print(tried(lambda: b.writeto(105, b"\\x03\\x00")), tried(lambda: b.writeto(105, b"\\0\\x10\\3\\0\\xad")))
print(tried(lambda: b.writeto(105, b"\\0\\x10\\3\\0\\xac")))
time.sleep_ms(20)
print(ask(b"\\2\\2", 3))
time.sleep(30)
print(ask(b"\\2\\2", 3))
print(ask(b"\\3\\0", 60))
print(tried(lambda: b.writeto(105, b"\\x10\\x01")))
b.writeto(105, b"\\1\\4")
time.sleep_ms(20)
print(tried(lambda: b.writeto(105, b"\\x10\\x01")))
time.sleep_ms(5)
print(tried(lambda: ask(b"\\xd1\\0", 3)), tried(lambda: b.writeto(105, b"\\x11\\3")))
time.sleep_ms(5)
print(ask(b"\\xd1\\0", 3))
"""
    out = run(code, part("sps30", address=105))
    assert out[0] == ENODEV + " " + ENODEV, "no values before a start; a wrong CRC"
    assert out[1] == "5"
    assert [sensirion(line) for line in out[2:4]] == [[0], [1]]
    words = sensirion(out[4])
    values = [struct.unpack(">f", struct.pack(">HH", *words[i : i + 2]))[0] for i in range(0, 20, 2)]
    assert values[0] == approx(true("pm1", 30), abs=0.01)
    assert values[1] == approx(true("pm2_5", 30), abs=0.01)
    assert values[3] == approx(true("pm10", 30), abs=0.01)
    assert out[5] == ENODEV, "no sleep while it measures"
    assert out[6] == "2"
    assert out[7] == ENODEV + " 2", "the first transfer only wakes the interface"
    assert sensirion(out[8]) == [0x0202]


def test_sps30_on_its_serial_port(run: Run) -> None:
    code = """
u = UART(1, 115200, rxbuf=256)
def ask(frame):
    u.write(frame)
    time.sleep_ms(20)
    return (u.read() or b"").hex()
print(ask(b"\\x7e\\0\\3\\0\\xfc\\x7e"))
print(ask(b"\\x7e\\0\\0\\2\\1\\3\\xfa\\x7e"))
print(ask(b"\\x7e\\0\\0\\2\\1\\3\\xf9\\x7e"))
time.sleep(30)
print(ask(b"\\x7e\\0\\3\\0\\xfc\\x7e"))
print(ask(b"\\x7e\\0\\3\\0\\xfc\\x7e"))
"""
    refused, wrong, started, answer, nothing = run(code, part("sps30", "uart0"))
    assert refused == "7e00034300b97e"
    assert wrong == "", "a frame with a wrong check sum is not answered"
    assert started == "7e00000000ff7e"
    body = bytes.fromhex(answer)[1:-1]
    for code_, byte in ((b"\x7d\x5e", b"\x7e"), (b"\x7d\x31", b"\x11"), (b"\x7d\x33", b"\x13"), (b"\x7d\x5d", b"\x7d")):
        body = body.replace(code_, byte)
    assert body[:4] == b"\0\3\0\x28"
    assert sum(body) & 0xFF == 0xFF
    assert struct.unpack(">f", body[8:12])[0] == approx(true("pm2_5", 30), abs=0.01)
    assert nothing == "7e00030000fc7e", "no new values within the second"


PMS = """
u = UART(1, 9600, rxbuf=256)
def frames():
    return (u.read() or b"").hex()
"""


def pms(line: str) -> list[tuple[int, ...]]:
    data = bytes.fromhex(line)
    found = []
    for i in range(0, len(data), 32):
        frame = data[i : i + 32]
        assert frame[:4] == b"BM\0\x1c"
        assert sum(frame[:30]) == frame[30] << 8 | frame[31]
        found.append(struct.unpack(">13H", frame[4:30]))
    return found


def test_pms_sends_and_sleeps(run: Run) -> None:
    code = (
        PMS
        + """
time.sleep_ms(3500)
print(frames())
time.sleep(60)
u.read()
time.sleep(1)
print(frames())
u.write(b"BM\\xe4\\0\\0\\1\\x73")
time.sleep_ms(50)
u.read()
time.sleep(5)
print(u.any())
u.write(b"BM\\xe4\\0\\1\\1\\x74")
time.sleep_ms(1100)
print(frames())
u.write(b"BM\\xe1\\0\\0\\1\\x70")
time.sleep_ms(50)
print(u.read().hex(), time.sleep(5), u.any())
u.write(b"BM\\xe2\\0\\0\\1\\x71")
time.sleep_ms(50)
print(frames())
"""
    )
    out = run(code, part("pms", "uart0"))
    assert len(pms(out[0])) == 3
    stable = pms(out[1])[-1]
    assert [stable[3], stable[4], stable[5]] == [round(true(name, 64)) for name in ("pm1", "pm2_5", "pm10")]
    assert out[2] == "0", "it sleeps"
    assert pms(out[3])[0][5] < 0.5 * stable[5], "the fan has just started"
    assert out[4] == "424d0004e1000174 None 0"
    assert len(pms(out[5])) == 1


def test_what_can_go_wrong_on_a_serial_port(run: Run) -> None:
    code = PMS + "time.sleep_ms(3500)\nprint(frames())"
    assert run(code, part("pms", "uart0", faults={"missing": ALWAYS})) == [""]
    for fault in ("bad_crc", "garbage"):
        with pytest.raises(AssertionError):
            pms(run(code, part("pms", "uart0", faults={fault: ALWAYS}))[0])
    with pytest.raises(AssertionError):
        pms(run(code.replace("9600", "115200"), part("pms", "uart0"))[0])
    overflow = run(code.replace("3500", "600000"), part("pms", "uart0"))[0]
    assert len(overflow) == 512, "the buffer is full, the rest is lost"
    assert run("u = UART(2, 9600)\ntime.sleep(3)\nprint(u.read(), u.any())", part("pms", "uart0")) == ["None 0"]


ONE_WIRE = """
import onewire
o = onewire.OneWire(Pin(5))
roms = o.scan()
print(" ".join([bytes(rom).hex() for rom in roms]))
def pad(rom):
    o.select_rom(rom)
    o.writebyte(0xBE)
    buffer = bytearray(9)
    o.readinto(buffer)
    return buffer.hex() + " %d" % o.crc8(buffer)
"""


def test_ds18b20(run: Run) -> None:
    code = (
        ONE_WIRE
        + """
print(pad(roms[0]))
o.reset()
o.writebyte(0xCC)
o.writebyte(0x44)
print(o.readbit(), pad(roms[0]))
time.sleep_ms(750)
print(pad(roms[0]))
print(pad(roms[1]))
o.select_rom(roms[0])
o.write(b"\\x4e\\x4b\\x46\\x1f")
o.select_rom(roms[0])
o.writebyte(0x44)
time.sleep_ms(94)
print(o.readbit(), pad(roms[0]))
print(pad(b"\\x28\\1\\2\\3\\4\\5\\6\\7"))
"""
    )
    parts = [
        part("ds18b20", "pin5", 0x1122334455, place="soil", quantity="soil_temperature"),
        part("ds18b20", "pin5", 7, place="water", quantity="soil_temperature"),
    ]
    out = run(code, *parts)
    assert out[0].startswith("285544332211")
    assert out[1] == "50054b467fff0c101c 0", "85 °C, as the datasheet's own example of a CRC"
    assert out[2].startswith("0 5005"), "not done yet"
    for line, place in ((out[3], "soil"), (out[4], "water")):
        assert line.endswith(" 0")
        raw = struct.unpack("<h", bytes.fromhex(line[:4]))[0]
        assert raw / 16 == approx(true("soil_temperature", 1, place), abs=0.05)
    assert out[5].startswith("1 "), "9 bits take 94 ms"
    assert bytes.fromhex(out[5][2:20])[0] & 7 == 0
    assert out[6].startswith("ff" * 9), "nobody has that ROM"


def test_what_can_go_wrong_on_1_wire(run: Run) -> None:
    assert run(ONE_WIRE, part("ds18b20", "pin5", 7, faults={"missing": ALWAYS})) == [""]
    read = ONE_WIRE + "print(pad(roms[0]))"
    assert run(read, part("ds18b20", "pin5", 7, faults={"bad_crc": ALWAYS}))[1][-2:] != " 0"
    held = run(read, part("ds18b20", "pin5", 7, faults={"held_low": ALWAYS}))
    assert held == ["ff" * 8, "00" * 9 + " 0"], "zeros have a right CRC"


def compensated(calibration: bytes, h: bytes, raw: bytes) -> tuple[float, float, float]:
    """BME280, the datasheet's formulas in whole numbers (4.2.3), of its registers 0x88, 0xE1 and 0xF7."""
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9 = struct.unpack("<HhhHhhhhhhhh", calibration[:24])
    h1, (h2, h3), h6 = calibration[25], struct.unpack("<hB", h[:3]), struct.unpack("<b", h[6:7])[0]
    h4, h5 = h[3] << 4 | h[4] & 15, h[5] << 4 | h[4] >> 4
    adc_p, adc_t = (int.from_bytes(raw[i : i + 3], "big") >> 4 for i in (0, 3))
    adc_h = int.from_bytes(raw[6:8], "big")
    v1 = ((adc_t >> 3) - (t1 << 1)) * t2 >> 11
    v2 = (((adc_t >> 4) - t1) * ((adc_t >> 4) - t1) >> 12) * t3 >> 14
    fine = v1 + v2
    v1 = fine - 128000
    v2 = v1 * v1 * p6 + (v1 * p5 << 17) + (p4 << 35)
    v1 = (v1 * v1 * p3 >> 8) + (v1 * p2 << 12)
    v1 = ((1 << 47) + v1) * p1 >> 33
    p = ((1048576 - adc_p << 31) - v2) * 3125 // v1
    p = (p + (p9 * (p >> 13) * (p >> 13) >> 25) + (p8 * p >> 19) >> 8) + (p7 << 4)
    v = fine - 76800
    v = ((adc_h << 14) - (h4 << 20) - h5 * v + 16384 >> 15) * (
        ((((v * h6 >> 10) * ((v * h3 >> 11) + 32768) >> 10) + 2097152) * h2 + 8192) >> 14
    )
    v = v - (((v >> 15) * (v >> 15) >> 7) * h1 >> 4)
    return (fine * 5 + 128 >> 8) / 100, p / 25600, (v >> 12) / 1024


BME = """
b = bus()
def get(register, n): return b.readfrom_mem(118, register, n)
"""


def test_bme280(run: Run) -> None:
    code = (
        BME
        + """
print(get(0xD0, 1).hex(), get(0xF7, 8).hex())
b.writeto_mem(118, 0xF2, b"\\1")
b.writeto_mem(118, 0xF4, b"\\x25")
print(get(0xF3, 1).hex(), get(0xF7, 8).hex())
time.sleep_ms(10)
print(get(0xF3, 1).hex(), get(0xF4, 1).hex())
print(get(0x88, 26).hex(), get(0xE1, 7).hex(), get(0xF7, 8).hex())
"""
    )
    out = run(code, part("bme280", address=118))
    assert out[0] == "60 8000008000008000"
    assert out[1] == "08 8000008000008000", "still measuring"
    assert out[2] == "00 24", "done, and asleep again"
    t, p, rh = compensated(*[bytes.fromhex(one) for one in out[3].split()])
    assert t == approx(true("air_temperature"), abs=0.011)
    assert p == approx(true("air_pressure"), abs=0.03)
    assert rh == approx(true("relative_humidity"), abs=0.05)


def test_bme280_measures_what_it_was_told_only(run: Run) -> None:
    code = (
        BME
        + """
b.writeto_mem(118, 0xF4, b"\\x25")
time.sleep_ms(10)
print(get(0xF7, 8).hex())
b.writeto_mem(118, 0xE0, b"\\xb6")
print(get(0xF4, 1).hex(), get(0xF7, 8).hex())
"""
    )
    out = run(code, part("bme280", address=118))
    assert out[0].endswith("8000"), "humidity is skipped until ctrl_hum and then ctrl_meas are written"
    assert not out[0].startswith("800000")
    assert out[1] == "00 8000008000008000"


def test_bme680(run: Run) -> None:
    code = (
        BME
        + """
print(get(0xD0, 1).hex())
b.writeto_mem(118, 0x72, b"\\1")
b.writeto_mem(118, 0x74, b"\\x25")
print(get(0x1D, 1).hex())
time.sleep_ms(15)
print(get(0x1D, 1).hex(), get(0x1D, 1).hex())
print(get(0x89, 25).hex(), get(0xE1, 16).hex(), get(0x1F, 8).hex())
"""
    )
    out = run(code, part("bme680", address=118))
    assert out[:3] == ["61", "20", "80 00"], "measuring; new data, told once"
    first, second, raw = (bytes.fromhex(one) for one in out[3].split())
    c = first + second
    t1, t2, t3 = struct.unpack("<H", c[33:35])[0], struct.unpack("<h", c[1:3])[0], struct.unpack("<b", c[3:4])[0]
    adc_t = int.from_bytes(raw[3:6], "big") >> 4
    v1 = (adc_t >> 3) - (t1 << 1)
    v3 = ((v1 >> 1) * (v1 >> 1) >> 12) * (t3 << 4) >> 14
    t = ((v1 * t2 >> 11) + v3) * 5 + 128 >> 8  # the whole-number formula of the datasheet, 3.3.1
    assert t / 100 == approx(true("air_temperature"), abs=0.011)


def test_max17048(run: Run) -> None:
    code = """
b = bus()
print(b.readfrom_mem(54, 2, 4).hex(), b.readfrom_mem(54, 8, 2).hex())
time.sleep(1)
print(b.readfrom_mem(54, 4, 2).hex())
b.writeto_mem(54, 0x0C, b"\\x20\\x1c")
print(b.readfrom_mem(54, 0x0C, 2).hex())
"""
    out = run(code, part("max17048", address=54))
    assert int(out[0][:4], 16) * 78.125e-6 == approx(true("battery"), abs=1e-4)
    assert out[0][4:] == "0000 0012", "no estimate yet"
    assert 50 < int(out[1], 16) / 256 <= 100
    assert out[2] == "201c"


NOON_S = 1_767_225_600 + 170 * 86400 + 12 * 3600


def test_bh1750(both: tuple[Chip, Run]) -> None:
    chip, run = both
    chip.change(true_us=NOON_S * 1_000_000)
    code = """
b = bus()
b.writeto(35, b"\\x01")
b.writeto(35, b"\\x20")
print(b.readfrom(35, 2).hex())
time.sleep_ms(121)
print(b.readfrom(35, 2).hex())
b.writeto(35, b"\\x40\\x7f\\x20")
time.sleep_ms(60)
print(b.readfrom(35, 2).hex(), tried(lambda: b.writeto(35, b"\\xff")))
"""
    early, answer, short = run(code, part("bh1750", address=35))
    lx = true("illuminance", NOON_S - 1_767_225_600)
    assert lx > 5000
    assert early == "0000"
    assert int(answer, 16) / 1.2 == approx(lx, rel=0.001)
    assert int(short.split()[0], 16) / 1.2 * 69 / 31 == approx(lx, rel=0.001)
    assert short.endswith(ENODEV)


def test_veml7700(both: tuple[Chip, Run]) -> None:
    chip, run = both
    chip.change(true_us=NOON_S * 1_000_000)
    code = """
b = bus()
print(b.readfrom_mem(16, 7, 2).hex(), b.readfrom_mem(16, 0, 2).hex(), b.readfrom_mem(16, 4, 2).hex())
b.writeto_mem(16, 0, b"\\0\\x10")
time.sleep_ms(50)
print(b.readfrom_mem(16, 4, 2).hex())
time.sleep_ms(60)
print(b.readfrom_mem(16, 4, 2).hex())
"""
    first, early, answer = run(code, part("veml7700", address=16))
    assert first == "81c4 0100 0000", "least significant byte first; shut down"
    assert early == "0000"
    x = int.from_bytes(bytes.fromhex(answer), "little") * 0.0042 * 16 * 8
    assert 6.0135e-13 * x**4 - 9.3924e-9 * x**3 + 8.1488e-5 * x**2 + 1.0023 * x == approx(
        true("illuminance", NOON_S - 1_767_225_600), rel=0.002
    )


def test_what_stands_on_an_adc(run: Run) -> None:
    code = "print(ADC(Pin(2), atten=3).read_uv(), ADC(Pin(4), atten=3).read_uv(), ADC(Pin(1), atten=1).read_uv(), ADC(Pin(3), atten=3).read_uv())"
    parts = [
        part("vane", "pin2"),
        part("soil", "adc1"),
        part("battery", "pin1"),
        part("soil", "pin3", faults={"missing": ALWAYS}),
    ]
    vane, soil, cell, nothing = map(int, run(code, *parts, wiring={"adc1": "pin4"})[0].split())
    kilohm = (33, 6.57, 8.2, 0.891, 1, 0.688, 2.2, 1.41, 3.9, 3.14, 16, 14.12, 120, 42.12, 64.9, 21.88)
    step = round(true("wind_direction") / 22.5) % 16
    assert vane == approx(3.0 * kilohm[step] / (kilohm[step] + 10) * 1e6, abs=1000)
    assert soil == approx((2.5 - 1.5 * true("soil_moisture") / 100) * 1e6, abs=1000)
    assert cell == approx(true("battery") / 4.9 * 1e6, abs=1000)
    assert nothing == 0


def test_a_part_without_its_rail_is_away_and_forgets(run: Run) -> None:
    code = (
        SCD4X
        + """
rail = Pin(36, Pin.OUT, value=1)
print(b.scan())
rail.value(0)
print(b.scan(), send(0x2427, b"\\0\\x64\\xfe"), time.sleep_ms(1), ask(0x2322))
rail.value(1)
print(b.scan())
rail.value(0)
print(ask(0x2322))
"""
    )
    off, on, again, after = run(code, part("scd4x", address=98, rail=[36, 0]))
    assert off == again == "[]"
    assert on.startswith("[98] 5")
    assert sensirion(on.split()[-1]) == [100]
    assert sensirion(after) == [0]
