"""Checks of Class A that need nothing: pytest runs them on CPython, MicroPython runs this file. Plain asserts.

Rules over many drawn cases rather than single examples; the numbers are drawn by a generator of our own, so that both
interpreters see the same.
"""

from edge.lorawan import airtime, eu868
from edge.lorawan.budget import BACKLOG, JOIN, LIVE, PROMISE_US, Budget
from edge.lorawan.class_a import (
    CONFIRMED_TRIES,
    JOIN_CHANNELS,
    RETRANSMIT_MS,
    Done,
    Listen,
    Send,
    Transaction,
    Wait,
    join_windows,
)
from edge.lorawan.joining import Joining
from edge.lorawan.link import Link
from edge.lorawan.receive import header_ms, window
from edge.lorawan.silence import LOST, LOST_MS, LOST_SLOW, QUIET, asks, is_heard, is_lost

HOUR_S, DAY_S = 3600, 86400
HOUR_US = 3600000000


class Chance:
    def __init__(self, seed):
        self.state = seed * 2654435761 & 0xFFFFFFFF

    def below(self, n):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % n


def drive(transaction, answers=(), now_s=0):
    """The steps of a transaction; `answers`: what each window gives, (received, answered), nothing after the last."""
    answers, steps = list(answers), []
    while True:
        step = transaction.step(now_s)
        steps.append(step)
        if isinstance(step, Done):
            return steps
        if isinstance(step, Send):
            transaction.sent()
        elif isinstance(step, Listen):
            transaction.heard(*(answers.pop(0) if answers else (False, False)))


def uplink(chance, **more):
    link = Link()
    for i in range(3, 8):
        hz = 866500000 + 200000 * i
        link.channels[i] = [hz, hz, 0, 5, True]
    link.dr = more.pop("dr", 3)
    length = more.pop("length", 40)
    budget = more.pop("budget", None) or Budget()
    return Transaction(bytes(length), link.dr, link.usable_channels(), link.windows, budget, chance.below, **more)


def sends(steps):
    return [step for step in steps if isinstance(step, Send)]


def check_windows_are_open_when_an_answer_can_come():
    for delay_s in range(1, 16):
        for dr in range(7):
            for ppm in (0, 20, 40, 100):
                open_ms, for_ms = window(delay_s, dr, ppm, 10)
                symbol_ms = (1 << eu868.DATA_RATES[dr].sf) * 1000 / eu868.DATA_RATES[dr].bw_hz
                early_ms = delay_s * 1000 * (1 - ppm / 1e6) - 10
                late_ms = delay_s * 1000 * (1 + ppm / 1e6) + 10
                assert open_ms <= early_ms
                assert open_ms + for_ms >= late_ms + 20.25 * symbol_ms
                assert for_ms <= 2 * (11 + delay_s * 1000 * ppm / 1e6) + 20.25 * symbol_ms + 2
    assert header_ms(0) == 664 and header_ms(5) == 21


def check_an_unconfirmed_uplink_is_repeated_on_other_channels():
    for seed in range(100):
        chance = Chance(seed)
        tries = 1 + chance.below(4)
        steps = drive(uplink(chance, tries=tries))
        assert [type(step).__name__ for step in steps] == ["Send", "Listen", "Listen"] * tries + ["Done"]
        sent = sends(steps)
        assert not [n for n in range(1, tries) if sent[n].hz == sent[n - 1].hz]
        assert steps[-1] == Done(tries, False)
        for at in range(0, 3 * tries, 3):
            send, rx1, rx2 = steps[at : at + 3]
            assert (rx1.hz, rx1.dr, rx2.hz, rx2.dr) == (send.hz, send.dr, eu868.RX2_HZ, 0)
            assert rx1.open_ms < 1000 < rx1.open_ms + rx1.for_ms and rx2.open_ms < 2000 < rx2.open_ms + rx2.for_ms
            assert send.airtime_us == eu868.airtime_us(40, 3) and send.eirp_dbm == 16


def check_an_answer_ends_it():
    chance = Chance(1)
    for at in range(6):  # in the n-th window
        answers = [(False, False)] * at + [(True, False)]
        steps = drive(uplink(chance, tries=3), answers)
        assert steps[-1] == Done(at // 2 + 1, True)
        assert len([step for step in steps if isinstance(step, Listen)]) == at + 1, "no second window after an answer"


def check_a_confirmed_uplink_gets_slower_and_louder():
    for seed in range(100):
        chance = Chance(seed)
        steps = drive(uplink(chance, tries=CONFIRMED_TRIES, confirmed=True, power=5))
        sent, waits = sends(steps), [step.ms for step in steps if isinstance(step, Wait)]
        assert [send.dr for send in sent] == [3, 3, 2, 2, 1, 1] and [send.eirp_dbm for send in sent] == [
            6,
            6,
            16,
            16,
            16,
            16,
        ]
        assert len(waits) == CONFIRMED_TRIES - 1
        for n, ms in enumerate(waits):
            least = RETRANSMIT_MS << n // 2
            assert least <= ms <= 3 * least
    assert [send.dr for send in sends(drive(uplink(chance, dr=0, tries=4, confirmed=True)))] == [0] * 4
    large = drive(uplink(chance, dr=4, length=200, tries=6, confirmed=True))
    assert [send.dr for send in sends(large)] == [4] * 6, "at the next data rate it does not fit"
    steps = drive(uplink(chance, tries=6, confirmed=True), [(True, False), (False, False), (True, True)])
    assert steps[-1] == Done(2, True), "a downlink that does not acknowledge is no answer"


def check_a_join():
    for seed in range(50):
        chance = Chance(seed)
        transaction = Transaction(bytes(23), 5, JOIN_CHANNELS, join_windows, Budget(), chance.below, lane=JOIN)
        send, rx1, rx2, done = drive(transaction)
        assert send.hz in [hz for hz, _, _ in eu868.DEFAULT_CHANNELS]
        assert (rx1.hz, rx1.dr, rx2.hz, rx2.dr) == (send.hz, 5, eu868.RX2_HZ, 0)
        assert rx1.open_ms < 5000 < rx1.open_ms + rx1.for_ms and rx2.open_ms < 6000 < rx2.open_ms + rx2.for_ms
        assert done == Done(1, False)


def check_all_channels_are_used():
    chance, seen = Chance(3), {}
    for _ in range(400):
        (send,) = sends(drive(uplink(chance)))
        seen[send.hz] = seen.get(send.hz, 0) + 1
    assert len(seen) == 8 and min(seen.values()) > 20


def _random_life(seed, settings, lanes):
    """[(second, hz, µs, lane)] of everything that a budget let through in two days."""
    chance = Chance(seed)
    budget = Budget(settings[0], settings[1])
    budget.live_us = settings[2]
    sent, now_s = [], 0
    stored = b""
    while now_s < 2 * DAY_S:
        hz = (868100000, 868300000, 867100000, 869525000, 863500000)[chance.below(5)]
        us = eu868.airtime_us(13 + chance.below(52), chance.below(6))
        lane = lanes[chance.below(len(lanes))]
        if budget.wait_s(hz, us, now_s, lane) == 0:
            stored = budget.promise(hz, us, now_s) or stored
            budget.sent(hz, us, now_s, lane)
            sent.append((now_s, hz, us, lane))
        if chance.below(50) == 0:  # a deep sleep
            live_us = budget.live_us
            budget = Budget(settings[0], settings[1], budget.to_dict())
            budget.live_us = live_us
            budget.going_on(stored)
        now_s += 1 + chance.below(120)
    return sent, stored


def check_no_hour_has_more_than_the_law_allows():
    for seed in range(6):
        sent, _ = _random_life(seed, (0, 0, 0), (LIVE, BACKLOG))
        for band in eu868.SUB_BANDS:
            own = [(s, us) for s, hz, us, _ in sent if eu868.sub_band(hz) is band]
            for start_s, _ in own:
                used = sum([us for s, us in own if start_s <= s < start_s + HOUR_S])
                assert used <= band.duty_permille * HOUR_US // 1000, (band.name, used)
        assert len(sent) > 500


def check_the_backlog_leaves_each_hour_what_live_readings_need():
    for band in eu868.SUB_BANDS:
        budget, hz = Budget(), band.low_hz
        budget.live_us = band.duty_permille * 1000000  # of the band's hour 10 in 36
        while budget.wait_s(hz, 200000, 0, BACKLOG) == 0:
            budget.sent(hz, 200000, 0, BACKLOG)
        used = budget._duty.used_us(band, 0)
        assert band.duty_permille * 2500000 < used + 200000 <= band.duty_permille * 2600000 + 200000
        assert budget.wait_s(hz, 200000, 0, LIVE) == 0


def check_a_fast_clock_does_not_help():
    sent, _ = _random_life(1, (0, 50000, 0), (LIVE,))
    own = [(s, us) for s, hz, us, _ in sent if 868000000 <= hz < 868600000]
    for start_s, _ in own:
        assert sum([us for s, us in own if start_s <= s < start_s + HOUR_S]) * 105 // 100 <= HOUR_US // 100


def check_no_day_has_more_than_is_fair():
    for seed in range(6):
        fair_us = 30000000
        sent, _ = _random_life(seed, (fair_us, 0, 500000), (LIVE, BACKLOG, BACKLOG))
        for start_s, _, _, _ in sent[::20]:
            day = [one for one in sent if start_s <= one[0] < start_s + DAY_S]
            assert sum([us for _, _, us, _ in day]) <= fair_us
            assert sum([us for _, _, us, lane in day if lane == BACKLOG]) <= fair_us - 24 * 500000
        assert [one for one in sent if one[3] == LIVE]
    joins, _ = _random_life(1, (1000000, 0, 0), (JOIN,))
    assert sum([us for _, _, us, _ in joins]) > 1000000, "a join never waits for fair use"


def check_what_the_flash_holds_is_never_less_than_what_was_sent():
    for seed in range(6):
        chance = Chance(seed)
        budget, stored, sent, now_s, writes = Budget(30000000), b"", [], 0, 0
        for _ in range(600):
            hz, us = (868100000, 867100000)[chance.below(2)], eu868.airtime_us(13 + chance.below(52), chance.below(6))
            if budget.wait_s(hz, us, now_s) == 0:
                promise = budget.promise(hz, us, now_s)
                writes += promise != b""
                stored = promise or stored
                budget.sent(hz, us, now_s)
                sent.append((now_s, hz, us))
                after = Budget(30000000)
                after.after_power_loss(stored, 0)
                for low_hz, high_hz in ((865000000, 868000000), (868000000, 868600000)):
                    used = sum([us for s, at, us in sent if s > now_s - HOUR_S and low_hz <= at < high_hz])
                    band = eu868.sub_band(low_hz)
                    assert used <= after._duty.used_us(band, 0) <= used + 4 * PROMISE_US + 3000000
            now_s += 1 + chance.below(600)
        assert writes < len(sent) // 2
    for rubbish in (b"", b"x", bytes(99)):
        Budget(1).after_power_loss(rubbish, 0)


def check_a_network_that_wants_silence():
    budget = Budget()
    budget.sent(868100000, 1000000, 100, LIVE, 4)
    assert 15 <= budget.wait_s(867100000, 1000, 101) <= 17
    assert budget.wait_s(867100000, 1000, 117) == 0


def check_joins_get_rarer():
    for seed in range(30):
        chance = Chance(seed)
        joining, now_ms, times = Joining(), chance.below(1000), []
        while now_ms < 60 * 3600000:
            wait_ms = joining.wait_ms(now_ms, chance.below)
            now_ms += wait_ms
            joining = Joining(joining.to_list())
            dr = joining.data_rate(5)
            us = eu868.airtime_us(23, dr)
            joining.tried(us, now_ms, chance.below)
            times.append((now_ms, us, dr))
        assert [dr for _, _, dr in times[:14]] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0, 5, 5]
        first_ms = times[0][0]
        assert first_ms < 5000
        slack = eu868.airtime_us(23, 0)
        for from_h, to_h, parts in ((0, 1, 100), (1, 11, 1000), (11, 35, 10000), (35, 59, 10000)):
            us = sum([us for ms, us, _ in times if from_h <= (ms - first_ms) / 3600000 < to_h])
            assert us <= (to_h - from_h) * HOUR_US // parts + slack, (from_h, us)


def check_silence():
    assert is_heard(0) and is_heard(QUIET - 1) and not is_heard(QUIET)
    assert [n for n in range(QUIET + 9) if asks(n)] == [QUIET, QUIET + 4, QUIET + 8]
    assert is_lost(LOST, 0) and not is_lost(LOST - 1, LOST_MS - 1) and is_lost(LOST_SLOW, LOST_MS)
    assert not is_lost(LOST_SLOW - 1, 10 * LOST_MS)


def check_spare_bytes_are_free():
    for sf in range(7, 13):
        for length in range(12, 80):
            more = airtime.spare(length, sf)
            assert (
                airtime.lora_us(length + more, sf)
                == airtime.lora_us(length, sf)
                < airtime.lora_us(length + more + 1, sf)
            )
    assert airtime.spare(255, 7) == 0


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
