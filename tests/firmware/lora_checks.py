"""Checks of the LoRaWAN carrier that need no gateway: a network in the same process, thousands of virtual hours.

Runs under MicroPython: `run()` prints `ok NAME` for each. Plain asserts.
"""

import gc
import time

from edge.lorawan import eu868, mac
from firmware.device import lora as carrier
from firmware.device.lora import Carrier
from firmware.device.lora_memory import AIR, COUNTERS, FILE, NONCE
from schemas.wire_down import encode_ack, encode_command
from schemas.wire_status import Status, decode
from tests.firmware.lora_world import ABP, CONFIG, OTAA, Air, Board, Chance, Desk, PowerCut, Session, config

HOUR_MS = 3600000
STATUS = Status("1.0.0", 1, 2, 3, "power", 4, 0, 5, 3.9, [], None)
ANSWER = Status("1.0.0", 1, 2, 3, "power", 4, 0, 5, 3.9, [], (7, True, "done"))


class Station:
    """A carrier that is asked every quarter of an hour; `kept` and the desk live through reboots."""

    def __init__(self, identity=OTAA, settings=CONFIG):
        self.air = Air()
        self.board, self.desk = Board(self.air), Desk()
        self.identity, self.settings = identity, settings
        if identity is ABP:
            self.air.sessions.append(Session(0x26011BDA, b"\x11" * 16, b"\x22" * 16))
        self.seq = 0
        self.boot()

    def boot(self, kept=None):
        """From a loss of power, or with what a deep sleep has kept."""
        if kept is None:
            self.desk = Desk(0, self.desk)
            self.board.lora_session = None
        self.carrier = Carrier(self.board, self.identity, self.settings, kept or {})

    def cycle(self, times=1, ms=900000):
        for _ in range(times):
            self.seq += 1
            self.desk.measure(self.seq)
            self.carrier.exchange(self.desk)
            time.sleep_ms(ms)

    def codes(self):
        return [code for code, _ in self.desk.faults]

    def names(self):
        return [name for one in self.air.frames for name in one[4]]


def check_a_join_sets_the_clock_and_brings_readings():
    station = Station()
    station.cycle(3)
    air, desk = station.air, station.desk
    assert air.nonces == [0]
    assert [one[:3] for one in air.frames] == [(0, 0, 1), (0, 1, 1), (0, 2, 1)]
    assert sorted(air.readings) == [(1, 1), (1, 2), (1, 3)]
    assert desk.faults == []
    utc_ms, source, uncertainty_s, at_ms = desk.syncs[0]
    assert (utc_ms, source, uncertainty_s) == (1800000000500, "lorawan", 1)
    assert 5000 < at_ms < 12000  # the end of the uplink that asked, not of the window that answered
    assert "DeviceTimeReq" in air.frames[0][4]
    assert len(desk.syncs) == 1
    assert air.readings[(1, 1)] >= 2
    assert air.readings[(1, 2)] >= 2


def check_joins_get_rarer():
    station = Station()
    station.air.deaf = True
    sent = []
    for _hour in range(40):
        before = len(station.air.radio)
        station.cycle(4)
        sent.append(len(station.air.radio) - before)
    assert 4 <= sent[0] <= 12 and max(sent[2:11]) <= 5, sent
    us = [eu868.airtime_us(23, 12 - sf) for _, sf, _ in station.air.radio]
    assert sum(us[sum(sent[:12]) :]) <= 28 * 360000 + max(us), "one part in 10,000 of 28 hours"
    assert sum(us[: sent[0]]) <= 36000000 and sum(us[sent[0] : sum(sent[:11])]) <= 36000000, us
    assert {sf for _, sf, _ in station.air.radio} == {9, 10, 11, 12}
    assert station.air.nonces == list(range(len(station.air.nonces)))
    assert station.air.frames == []
    station.air.deaf = False
    station.cycle(60)
    assert len(station.air.sessions) == 1
    assert len(station.air.readings) == station.seq


def check_adr_to_the_fastest():
    station = Station()
    station.cycle()
    channels = mac.build("LinkADRReq", data_rate_index=5, tx_power_index=3, channel_mask=7, nb_trans=2)
    station.air.ask = mac.build("NewChannelReq", channel_index=3, frequency_hz=867100000, max_dr=5) + channels
    station.air.always = True
    station.cycle()
    station.air.always = False
    station.air.radio.clear()
    station.cycle()
    assert list(station.air.frames[-1][4]) == ["NewChannelAns", "LinkADRAns"]
    assert [one[1:] for one in station.air.radio] == [(7, 8), (7, 8)]  # 16 dBm less 3 steps, less the antenna
    assert len({khz for khz, _, _ in station.air.radio}) == 2, "the repetition goes to another channel"
    kept = station.board.files.values[FILE]
    station.boot()
    station.cycle()
    assert station.air.radio[-1][1] == 7 and station.board.files.values[FILE] == kept, "known after a loss of power"


def check_acknowledgements_and_commands():
    station = Station()
    station.cycle(4)
    station.air.always = True
    station.air.say = [
        (encode_ack([(1, 1, 3)])[0], 10, False), (encode_command(7, "resend", [(1, 2, 3)])[0], 11, True),
        (encode_command(8, "configure", (), '{"interval_s":600}')[0], 11, True),
    ]  # fmt: skip
    station.cycle()  # the network says that it holds more: it is fetched at once
    assert station.desk.acks == [[(1, 1, 3)]]
    assert 1 not in station.desk.waiting
    assert [(c.reference, c.command, c.configuration) for c in station.desk.commands] == [
        (7, "resend", ""), (8, "configure", '{"interval_s":600}')
    ]  # fmt: skip
    station.cycle()
    assert [one[6] for one in station.air.frames[4:8]] == [False, False, True, True], "commands are confirmed"
    assert station.desk.faults == []


def check_a_status_and_an_answer_that_must_arrive():
    station = Station()
    station.desk.due = STATUS
    station.cycle()
    (one,) = [one for one in station.air.frames if one[2] == 3]
    assert decode(one[3]) == STATUS
    assert not one[5]
    assert station.desk.statuses == 1
    station.desk.due = ANSWER
    station.air.mute = True
    station.air.radio.clear()
    station.cycle()
    assert station.desk.statuses == 1
    assert len(station.air.radio) == 1 + 6
    assert [sf for _, sf, _ in station.air.radio] == [9, 9, 9, 10, 10, 11, 11], "slower every second time"
    station.air.mute = False
    station.cycle()
    assert station.desk.statuses == 2
    assert station.air.frames[-1][5]
    assert len([one for one in station.air.frames if one[2] == 3]) == 3


def check_replayed_and_malformed_downlinks():
    station = Station()
    station.cycle()
    air = station.air
    air.always = True
    air.say = [(encode_ack([(1, 1, 1)])[0], 10, False)]
    air.record = []
    station.cycle()
    (good,) = air.record
    for phy, code in (
        (good, "downlink"), (good[:-1] + bytes((good[-1] ^ 1,)), "downlink"), (b"\x60", "downlink"), (b"", None),
        (bytes(40), "downlink"), (b"\x20" + bytes(16), None), (b"\x60\x01\x02\x03\x04" + bytes(12), None),
    ):  # fmt: skip
        station.desk.faults.clear()
        air.inject = phy
        station.cycle()
        assert set(station.codes()) == ({code} if code else set()), (phy, station.desk.faults)
    air.inject = None
    for payload, port in ((b"", 10), (b"\xff", 10), (b"\x20", 11), (b"\xe0\x00\x00\x01", 11), (b"x", 77)):
        station.desk.faults.clear()
        air.say = [(payload, port, False)]
        station.cycle()
        assert station.codes() == ["downlink"], (payload, port, station.desk.faults)
    assert len(station.desk.acks) == 1
    assert station.desk.commands == []
    assert len(air.readings) == station.seq


def check_a_replay_after_a_loss_of_power():
    station = Station()
    station.cycle()
    air = station.air
    air.always, air.record = True, []
    air.say = [(encode_command(7, "status")[0], 11, True)]
    station.cycle()
    station.boot()
    air.inject = air.record[0]
    station.cycle()
    assert set(station.codes()) == {"downlink"}
    assert station.desk.commands == []


def check_two_days_without_a_network():
    station = Station()
    station.cycle(8)
    station.air.deaf = True
    station.desk.allow_backlog = False
    station.air.radio.clear()
    unheard = station.carrier.device.unheard
    station.cycle(192)
    sfs = [sf for _, sf, _ in station.air.radio]
    assert sfs.index(10) == 96 - unheard, "a frame goes out as it was built, only the next one is slower"
    assert sfs[0] == 9 and sfs[-1] == 12, "it gets slower to be heard"
    assert len(station.air.nonces) == 1, "two days are no reason to join"
    assert station.codes() == []
    station.desk.allow_backlog = True
    station.desk.sent_seqs.clear()  # the cloud has none of them
    station.air.deaf = False
    station.cycle(5)
    station.cycle(80)
    assert len(station.air.readings) == station.seq, (len(station.air.readings), station.seq)
    backlog = [one for one in station.air.frames if one[2] == 2]
    assert len(backlog) > 10


def check_only_a_silent_network_is_asked():
    station = Station()
    station.cycle(32)
    assert "LinkCheckReq" not in station.names()
    station.air.mute = True
    station.cycle(30)
    asked = station.names().count("LinkCheckReq")
    assert 7 <= asked <= 8, asked
    station.air.mute = False
    station.cycle(4)
    before = station.names().count("LinkCheckReq")
    station.cycle(20)
    assert station.names().count("LinkCheckReq") == before


def check_the_backlog_waits_while_nobody_is_heard():
    station = Station()
    station.cycle(4)
    station.air.mute = True
    for _ in range(40):
        station.desk.sent_seqs.clear()  # everything is due, always
        station.cycle()
    assert station.carrier.device.unheard > 32
    ports = [one[2] for one in station.air.frames]
    assert 2 in ports and 2 not in ports[-20:]
    station.air.mute = False
    station.desk.sent_seqs.clear()
    station.cycle(9)
    assert 2 in [one[2] for one in station.air.frames[-20:]]


def check_a_lost_session():
    station = Station()
    station.cycle(4)
    station.air.sessions_open = False  # the network has forgotten it
    station.desk.allow_backlog = False
    station.cycle(256)
    assert len(station.air.nonces) <= 2
    station.cycle(3)
    assert len(station.air.sessions) == 2
    assert "session" in station.codes()
    station.air.frames.clear()
    station.cycle(2)
    assert [one[0] for one in station.air.frames] == [1, 1]


def check_duty_cycle():
    settings = config(dr=0, adr=False)
    station = Station(ABP, settings)
    used = []
    station.cycle(80, 60000)  # every minute at SF12
    for _khz, sf, _ in station.air.radio:
        assert sf == 12
    times = station.air.times
    for start_ms, _ in times:
        us = sum([us for ms, us in times if start_ms <= ms < start_ms + HOUR_MS])
        used.append(us)
    assert 30000000 < max(used) <= 36000000, max(used)
    assert "duty" in station.codes()
    fair = Station(ABP, config(dr=2, adr=False, fair_use_s=10))
    fair.cycle(96)
    assert 8000000 < sum([us for _, us in fair.air.times]) <= 10000000


def check_the_backlog_leaves_room_for_live_readings():
    station = Station(ABP, config(dr=2, adr=False, fair_use_s=60))
    for seq in range(1, 400):
        station.desk.measure(seq)
    station.seq = 400
    station.air.always = True
    station.cycle(96)
    live = [one for one in station.air.frames if one[2] == 1]
    assert len(live) == 96
    assert "duty" not in station.codes()
    assert len([one for one in station.air.frames if one[2] == 2]) > 10
    assert sum([us for _, us in station.air.times]) <= 60000000


def check_air_time_after_a_loss_of_power():
    station = Station(ABP, config(dr=0, adr=False))
    station.cycle(80, 60000)
    before = len(station.air.radio)
    for _ in range(5):
        station.boot()
        station.cycle()  # a quarter of an hour each
    hour = station.air.times[-1][0] - HOUR_MS
    assert sum([us for ms, us in station.air.times if ms > hour]) <= 36000000
    station.cycle(8)
    assert len(station.air.radio) > before


def check_twenty_starts_in_an_hour():
    station = Station()
    for _ in range(20):
        station.board.files.values.clear()
        station.boot()
        station.cycle(1, 120000)
    assert len(station.air.sessions) == 20 and "duty" not in station.codes()


def check_counters_skip_and_never_repeat():
    station = Station()
    station.cycle(3)
    kept = station.carrier.to_dict()
    station.carrier = Carrier(station.board, OTAA, CONFIG, kept)
    station.cycle()
    assert [one[1] for one in station.air.frames] == [0, 1, 2, 3], "kept: no gap"
    station.boot()
    station.cycle()
    assert station.air.frames[-1][1] == 4 and len(station.air.sessions) == 1, (
        "power lost: the rest of the block is skipped"
    )
    station.carrier = Carrier(station.board, OTAA, CONFIG, kept)
    station.cycle()
    assert station.air.frames[-1][1] == 8, "what another run has kept may be old"


def check_lost_memories():
    station = Station()
    station.cycle(3)
    del station.board.files.values[FILE]
    station.boot()
    station.cycle()
    assert station.air.nonces == [0, 1], "a new session, with the next nonce"
    for damage in (
        b"",
        b"{",
        b"[]",
        b'{"session": 7}',
        b"\xff\xfe",
        b'{"session": {"dev_addr": "1"}}',
        b'{"link": {"channels": 3}}',
    ):
        station.board.files.values[FILE] = damage
        station.boot()
        station.cycle()
    assert station.air.nonces == list(range(9))
    del station.board.nvs.values[COUNTERS]
    station.boot()
    station.cycle()
    assert station.air.nonces == list(range(10)), "a session without its counters is not used"
    del station.board.nvs.values[NONCE]
    station.boot()
    station.cycle()
    assert len(station.air.nonces) == 10, "the file knows the nonce, too"
    station.board.nvs.values[AIR] = b"rubbish"
    station.board.nvs.values[COUNTERS] = b"rubbish"
    station.boot()
    station.cycle()
    assert station.desk.faults == []
    assert len(station.air.readings) >= station.seq - 1


def check_memory_that_cannot_be_written():
    station = Station()
    station.cycle()
    station.board.files.broken = True
    station.air.always = True
    station.air.ask = mac.build("LinkADRReq", data_rate_index=4, tx_power_index=0, channel_mask=7, nb_trans=1)
    station.cycle(2)
    assert station.codes() == ["flash", "flash"]
    assert len(station.air.readings) == 3
    station.board.nvs.broken = True
    station.air.always = False
    station.desk.faults.clear()
    sent = len(station.air.radio)
    station.cycle(20)
    assert "flash" in station.codes() and len(station.air.radio) - sent <= 4, "nothing goes out that is not stored"
    station.board.nvs.broken = station.board.files.broken = False
    station.cycle()
    assert len(station.air.readings) == station.seq or station.desk.waiting


def check_a_modem_that_fails():
    station = Station()
    station.cycle(2)
    station.board.broken = 3
    station.cycle(3)
    assert station.codes() == ["modem", "modem", "modem"]
    station.cycle(2)
    assert len(station.air.readings) == station.seq


def check_abp():
    station = Station(ABP)
    station.cycle(3)
    assert station.air.nonces == []
    assert [one[1] for one in station.air.frames] == [0, 1, 2]
    assert "LinkCheckReq" in station.air.frames[0][4], "nobody has answered it yet"
    station.boot()
    del station.board.files.values[FILE]
    station.boot()
    station.cycle()
    assert station.air.frames[-1][1] == 4
    assert station.desk.faults == []


def check_without_adr():
    station = Station(OTAA, config(dr=2, adr=False))
    station.cycle(2)
    assert not station.air.frames[-1][7]
    assert station.air.radio[-1][1] == 10
    station.air.mute = True
    station.cycle(120)
    assert station.air.radio[-1][1] == 10


def check_exhausted_counters():
    station = Station()
    station.cycle()
    session = station.carrier.device.session
    station.carrier.device.session = session.advanced(fcnt_up=0xFFFFFFFF)
    station.air.sessions[-1] = station.air.sessions[-1].advanced(fcnt_up=0xFFFFFFF0)
    station.cycle(2)
    assert station.codes() == ["counter"]
    station.cycle()
    assert len(station.air.sessions) == 2
    spent = Station()
    spent.board.nvs.values[NONCE] = 0x10000
    spent.boot()
    spent.cycle(3)
    assert spent.codes() == ["counter"] * 3
    assert spent.air.radio == []


def check_a_reading_that_is_too_large():
    station = Station(OTAA, config(dr=0, adr=False))
    station.cycle()
    station.desk.large = True
    station.cycle()
    assert station.codes() == ["size"] * len(station.codes())
    assert station.codes()
    station.desk.large = False
    station.cycle()
    assert len(station.air.readings) >= 2


def check_wear():
    station = Station()
    station.air.always = False
    station.cycle()
    nvs, files = station.board.nvs.writes, station.board.files.writes
    for n in range(96):
        if n % 12 == 0:
            station.air.say = [(encode_ack([(1, 1, station.seq)])[0], 10, False)]
            station.air.always = True
        station.cycle()
        station.air.always = False
    assert station.board.nvs.writes - nvs == 33, "docs/lorawan.md says so: %d" % (station.board.nvs.writes - nvs)
    assert station.board.files.writes == files


def check_what_is_kept_is_small_and_heap_stands():
    import json

    station = Station()
    station.air.forget = True
    for _ in range(8):
        station.cycle(12)
        station.desk.acked([(1, 0, station.seq)])
    gc.collect()
    before = gc.mem_alloc()
    assert len(json.dumps(station.carrier.to_dict())) <= 700, len(json.dumps(station.carrier.to_dict()))
    for _ in range(8):
        station.cycle(12)
        station.desk.acked([(1, 0, station.seq)])
    station.desk.acks.clear()
    gc.collect()
    assert gc.mem_alloc() - before <= 1024, gc.mem_alloc() - before


def check_power_cut_at_every_write_and_every_transmission():
    whole = _life(0)
    assert whole > 25, whole
    for cut in range(1, whole + 1):
        _life(cut)
        _life(-cut)
    print("%d cuts" % (2 * whole))


def _life(cut):
    """Join, readings, an acknowledgement, a command, new radio parameters, an answer; power fails once."""
    station = Station()
    air = station.air
    air.moments.cut = cut
    air.always = True
    down = [(encode_ack([(1, 1, 1)])[0], 10, False), (encode_command(7, "status")[0], 11, True)]
    for n in range(16):
        if n == 2:
            air.say = list(down)
        if n == 3:
            air.ask = mac.build("LinkADRReq", data_rate_index=4, tx_power_index=1, channel_mask=7, nb_trans=1)
        if n == 4:
            station.desk.due = ANSWER
        try:
            station.cycle()
        except PowerCut:
            station.boot()
            station.desk.outage(station.seq)
    air.moments.cut = 0
    station.cycle(6)
    assert len(air.readings) == station.seq, (cut, sorted(air.readings), station.seq)
    assert len(air.sessions) <= 2
    assert len(station.desk.commands) + station.desk.commands_before >= 1, cut
    return air.moments.count


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]


def run(only="", seed=1):
    import sys

    for check in CHECKS:
        if only in check.__name__:
            carrier.random = Chance(seed).below
            try:
                check()
                print("ok %s" % check.__name__)
            except AssertionError as error:
                sys.print_exception(error, sys.stdout)
            gc.collect()
