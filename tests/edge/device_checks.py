"""Checks of the measuring point's pure parts, run by both interpreters: a line for each, and an exit code."""

from io import BytesIO

from edge.averaging import averaged
from edge.clock import AGREES, CORRECTED, DOUBTED, FIRST, REFUSED, Clock
from edge.config import ConfigError, check_sum, checked, laid_over
from edge.outbox.generation import generation
from edge.outbox.outbox import SEGMENT_READINGS, Outbox
from edge.outbox.ranges import Ranges
from edge.outbox.record import pack_record, reading_of, record_at, scan
from edge.schedule import left_ms
from edge.uptime import Uptime
from schemas.wire import WireReading

UTC = 1767225600000
HOUR = 3600000


class Memory:
    """A folder in memory; `full` and `broken` as flash may be."""

    def __init__(self):
        self.files, self.full, self.order = {}, False, []

    def read(self, name):
        if name not in self.files:
            raise OSError(2)
        return self.files[name]

    def open(self, name):
        return BytesIO(self.read(name))

    def append(self, name, data):
        if self.full and len([n for n in self.files if len(n) == 16]) > self.full - 1:
            raise OSError(28)
        self.files[name] = self.files.get(name, b"") + data

    def write(self, name, data):
        self.files[name] = data

    def remove(self, name):
        del self.files[name]

    def list(self):
        return list(self.files)


def reading(n=1, time_s=UTC // 1000):
    return WireReading(0, 0, time_s, None, "ntp", 0.5, {"air_temperature": n % 30, "battery": 3.9}, 0)


def filled(files, count, **more):
    outbox = Outbox(files, **more)
    outbox.begin(1, outbox.held_generation is not None)
    for n in range(count):
        assert outbox.put(reading(n, UTC // 1000 + n), 1, n)[1]
    return outbox


def ranges():
    some = Ranges()
    assert some.add(5, 7) and some.add(1, 2) and some.add(3, 4) and some.flat == [1, 7]
    assert not some.add(2, 6) and 7 in some and 8 not in some and some.within(6, 9) == 2
    assert some.remove(3, 4) and some.flat == [1, 2, 5, 7] and not some.remove(3, 4)
    few = Ranges((), 2)
    for n in range(0, 10, 2):
        few.add(n, n)
    assert few.flat == [6, 6, 8, 8]


def records():
    one = pack_record(WireReading(1, 7, None, None, "none", None, {"co2": 417}, 0), 3, 4711)
    two = pack_record(WireReading(1, 8, None, None, "none", None, {"co2": 418}, 0), 3, 5611)
    assert scan(BytesIO(one + two)) == ([0, len(one)], 0, 0)
    record = record_at(BytesIO(one + two), len(one))
    assert (record.boot, record.uptime_s, record.seq) == (3, 5611, 8)
    assert reading_of(record).values == {"co2": 418}
    for cut in range(len(two)):
        offsets, _, behind = scan(BytesIO(one + two[:cut]))
        assert offsets == [0] and behind == cut
    for at in range(len(one)):
        damaged = bytearray(one + two)
        damaged[at] ^= 0x10
        offsets, lost, behind = scan(BytesIO(bytes(damaged)))
        assert [record_at(BytesIO(bytes(damaged)), o).seq for o in offsets] == [8]
        assert lost == len(one) and behind == 0


def generations():
    assert generation(None, None, 3) == (3, False)
    assert generation(1, 1) == (1, True)
    assert generation(None, 1) == (2, False)  # flash lost
    assert generation(1, 2) == (3, False)  # an older file system came back
    assert generation(2, None) == (2, True)  # NVS lost
    assert generation(1, 1, 1, False) == (2, False)


def outbox_keeps_and_frees():
    files = Memory()
    outbox = filled(files, 3 * SEGMENT_READINGS)
    assert outbox.waiting() == 192 and len(files.files) == 3
    again = Outbox(files)
    assert again.next_seq == 193 and again.certain
    again.begin(1, True)
    assert [r.seq for r, _, _ in again.newest_first()][:3] == [192, 191, 190]
    assert again.acked([(1, 1, 100), (9, 1, 5)]) and again.waiting() == 92 and len(files.files) == 3  # with the state
    assert [r.seq for r, _, _ in Outbox(files).newest_first(lambda g, s: s < 103)] == [102, 101]
    assert again.acked([(1, 1, 192)]) and again.waiting() == 0
    assert len([n for n in files.files if len(n) == 16]) == 1  # the newest carries the count
    assert Outbox(files).next_seq == 193 and Outbox(files).waiting() == 0
    again.again([(1, 190, 191)])
    assert [r.seq for r, _, _ in again.newest_first()] == [191, 190]


def outbox_full():
    files = Memory()
    outbox = filled(files, 4 * SEGMENT_READINGS, segments_max=3)
    assert outbox.forgotten == 64 and outbox.waiting() == 192 and Outbox(files).forgotten == 64
    outbox.acked([(1, 65, 70)])
    files.full = 3  # other files took the room
    assert outbox.put(reading(), 1, 1)[1] and outbox.forgotten == 64 + 58
    files = Memory()
    outbox = filled(files, 10)
    files.append = lambda name, data: (_ for _ in ()).throw(OSError(28))
    got, stored = outbox.put(reading(), 1, 1)
    assert (got.seq, stored) == (11, False) and outbox.waiting() == 10
    del files.append
    assert outbox.put(reading(), 1, 2)[1] and outbox.next_seq == 13 and outbox.waiting() == 11
    assert [r.seq for r, _, _ in outbox.newest_first()][:2] == [12, 10]


def outbox_damaged():
    files = Memory()
    filled(files, 70)
    name = max(n for n in files.files if len(n) == 16)
    whole = files.files[name]
    files.files[name] = whole[:-3]
    outbox = Outbox(files)
    assert not outbox.certain and outbox.damaged
    outbox.begin(2, False)
    assert outbox.put(reading(), 2, 5)[0][:2] == (2, 1)
    assert len(list(outbox.newest_first())) == 70
    files.files[name] = whole[:40] + b"\xff" * 10 + whole[50:]
    assert Outbox(files).certain  # in the middle: what follows is whole
    files.files["state"] = b'{"acked": 7'
    assert Outbox(files).waiting() >= 69


def uptime():
    diff = lambda a, b: a - b  # noqa: E731
    up = Uptime({}, 500, 0, False, 50000, diff)
    assert not up.continues and up.now_ms(1500) == 1000
    kept = up.to_dict(2000, 10000, 900000)
    woke = Uptime(kept, 100, 10000 + 905000, True, 50000, diff)
    assert woke.continues and not woke.jumped and woke.now_ms(100) == 1500 + 905000
    jumped = Uptime(kept, 100, 10000 + 86400000, True, 50000, diff)
    assert jumped.jumped and 900000 <= jumped.now_ms(100) - 1500 <= 905000 and jumped.doubt_ms > 45000
    back = Uptime(kept, 100, 0, True, 50000, diff)
    assert back.jumped and back.now_ms(100) > 900000
    early = Uptime(kept, 100, 10000 + 30000, False, 50000, diff)  # a pin woke it
    assert not early.jumped and early.now_ms(100) == 1500 + 30000
    wrapped = Uptime({}, (1 << 30) - 10, 0, False, 50, lambda a, b: (a - b + (1 << 29)) % (1 << 30) - (1 << 29))
    assert wrapped.now_ms(20) == 30


def clock_tells_earlier_readings():
    clock = Clock(1, 50)
    assert clock.stamp(1000) is None and clock.resolve(1, 1000) is None
    assert clock.sync(UTC, "lorawan", 500, 60000) == FIRST
    assert clock.resolve(1, 0)[0] == UTC - 60000 and clock.resolve(1, 0)[1] == "lorawan"
    at = clock.stamp(60000 + 10 * HOUR)
    assert at[0] == UTC + 10 * HOUR and at[1] == "rtc" and 500 + 1800 <= at[2] <= 2400


def clock_bounds_what_was_never_synced():
    first = Clock(1, 50)
    first.sync(UTC, "ntp", 100, 1000)
    first.seen(1, HOUR)
    second = Clock(2, 50, first.boots_list())
    second.seen(2, HOUR)
    assert second.resolve(2, 10) is None  # not yet
    third = Clock(3, 50, second.boots_list())
    assert third.resolve(2, HOUR // 2) is None
    third.sync(UTC + 10 * HOUR, "ntp", 100, HOUR)
    utc, source, unc = third.resolve(2, HOUR // 2)
    assert source == "device"
    # boot 2 began after boot 1's last sign of life and had ended when boot 3 began
    low, high = UTC + HOUR - 1000 + HOUR // 2, UTC + 9 * HOUR - HOUR // 2
    assert utc - unc <= low and utc + unc >= high and unc < 5 * HOUR


def clock_and_liars():
    clock = Clock(1, 50)
    assert clock.sync(1000, "ntp", 100, 0) == REFUSED
    clock.sync(UTC, "ntp", 100, 0)
    assert clock.sync(UTC + HOUR + 10, "ntp", 100, HOUR) == AGREES
    assert clock.sync(UTC + 9 * HOUR, "ntp", 100, 2 * HOUR) == DOUBTED
    utc, _, unc = clock.stamp(2 * HOUR)
    assert utc - unc <= UTC + 2 * HOUR <= utc + unc and utc + unc >= UTC + 9 * HOUR
    assert clock.sync(UTC + 3 * HOUR, "ntp", 100, 3 * HOUR) == AGREES and clock.stamp(3 * HOUR)[2] == 100
    clock.sync(UTC + 10 * HOUR, "ntp", 100, 4 * HOUR)
    assert (
        clock.sync(UTC + 11 * HOUR, "ntp", 100, 5 * HOUR) == CORRECTED and clock.stamp(5 * HOUR)[0] == UTC + 11 * HOUR
    )
    later = Clock(2, 50, clock.boots_list())
    assert later.sync(UTC - HOUR, "ntp", 100, 0) == REFUSED  # before what was known already
    kept = clock.to_dict()
    assert Clock(1, 50, clock.boots_list(), kept).stamp(5 * HOUR) == clock.stamp(5 * HOUR)


def averages():
    got = averaged([{"air_temperature": 1.0, "wind_direction": 350}, {"air_temperature": 2.0, "wind_direction": 10}])
    assert got["air_temperature"] == 1.5 and min(got["wind_direction"], 360 - got["wind_direction"]) < 0.01
    got = averaged([{"wind_gust": 3, "precipitation_total": 7.2}, {"wind_gust": 9, "precipitation_total": 7.4}])
    assert got == {"wind_gust": 9, "precipitation_total": 7.4}
    assert abs(averaged([{"sound_level": 60}, {"sound_level": 70}])["sound_level"] - 67.4) < 0.01


def configurations():
    class Chip:
        bus, quantities, options = "i2c", ("air_temperature", "relative_humidity"), ("heater",)

    chips = {"sht4x": Chip}
    good = {"radio": "lorawan", "sensors": {"air": {"chip": "sht4x", "bus": "i2c0"}}}
    assert checked(good, chips)["interval_s"] == 900 and checked(good, chips)["sensors"]["air"]["samples"] == 1
    bad = (
        ({"intervall_s": 60}, "intervall_s"), ({"interval_s": 5}, "10 to 86400"), ({"interval_s": "900"}, "whole number"),
        ({"interval_s": True}, "whole number"), ({"radio": "wifi"}, "lorawan"), ({"sensors": {}}, "sensors"),
        ({"sensors": {"air": {"chip": "sht5x", "bus": "i2c0"}}}, "sht4x"),
        ({"sensors": {"air": {"chip": "sht4x", "bus": "uart0"}}}, "uart0"),
        ({"sensors": {"air": {"chip": "sht4x", "bus": "i2c0", "only": ["co2"]}}}, "co2"),
        ({"sensors": {"air": {"chip": "sht4x", "bus": "i2c0", "options": {"heat": 1}}}}, "heater"),
        ({"sensors": {"a": {"chip": "sht4x", "bus": "i2c0"}, "b": {"chip": "sht4x", "bus": "i2c0"}}}, "place"),
        ({"radio": "mqtt"}, "mqtt"), ({"lorawan": {"dr": 9}}, "lorawan.dr"), ({"sensors": 7}, "object"),
    )  # fmt: skip
    for change, word in bad:
        try:
            whole = dict(good)
            whole.update(change)
            checked(whole, chips)
        except ConfigError as error:
            assert word in str(error), str(error)
        else:
            raise AssertionError("%r was taken" % change)
    for nothing in (None, 7, [], "x"):
        try:
            checked(nothing, chips)
        except ConfigError:
            continue
        raise AssertionError("%r was taken" % nothing)
    assert laid_over(good, {"ntp": "a", "radio": None}) == {"sensors": good["sensors"], "ntp": "a"}
    assert check_sum(b"123456789") == 0x29B1


def schedules():
    assert left_ms(900, 1000, 5000, None) == 896000
    assert left_ms(900, 0, 5000, UTC + 5000) == 895000
    assert left_ms(900, 0, 5000, UTC - 20000) == 920000  # it was early: the moment belongs to this cycle
    assert left_ms(900, 0, 2000000, None) == 1


CHECKS = (schedules, ranges, records, generations, outbox_keeps_and_frees, outbox_full, outbox_damaged, uptime,
          clock_tells_earlier_readings, clock_bounds_what_was_never_synced, clock_and_liars, averages,
          configurations)  # fmt: skip

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print(check.__name__)
