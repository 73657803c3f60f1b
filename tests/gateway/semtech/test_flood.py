"""Everything that can arrive on the UDP port: 100,000 random and damaged datagrams, and every prefix of good ones.

Nothing may stop, every good datagram has its answer and no other has one, the counters add up to what was sent, and
the log stays readable: a fault is one line a kind, whatever a stranger sends. What must come out is computed here,
by other means than the code's.
"""

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.lorawan import frames
from gateway.radio import Now
from gateway.semtech import datagrams
from tests.gateway.helpers import EUI, abp, abp_on_air, on_air, otaa, payload, rxpk
from tests.gateway.test_radio import Bench

DATAGRAMS = 100_000
BATCH = 64  # as the endpoint reads them
ADDRESS = ("192.0.2.7", 1700)
LINE_MAX = 700  # characters of a line in the log
VECTORS = Path(__file__).parents[2] / "vectors"
FACTS = json.loads((VECTORS / "semtech_udp.json").read_text())
FRAMES = json.loads((VECTORS / "lorawan.json").read_text())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, abp(), otaa())
    yield bench
    bench.database.close()


def expected(datagram: bytes) -> str:
    """By the text of the protocol: `push`, `pull`, `tx_ack`, `ours` (what only servers send), or `bad`."""
    if len(datagram) < 4 or datagram[0] not in (1, 2) or datagram[3] > 5:
        return "bad"
    kind = datagram[3]
    if kind in (1, 4):
        return "ours"
    text = datagram[4 if kind == 3 else 12 :].rstrip(b"\0")
    if kind != 3 and len(datagram) < 12:
        return "bad"
    if kind == 2:
        return "pull"
    try:
        value = json.loads(text.decode(), parse_constant=_refused, parse_float=_finite) if text else {}
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        return "bad"
    if not isinstance(value, dict):
        return "bad"
    return {0: "push", 3: "ours or bad", 5: "tx_ack"}[kind]


def _refused(name: str) -> None:
    raise ValueError(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if abs(value) == float("inf"):
        raise ValueError(digits)
    return value


def seeds(r: random.Random) -> list[bytes]:
    """Good datagrams of every kind, to be damaged."""
    device = abp_on_air()
    ups = [device.uplink(payload(n), 1, confirmed=n % 2 == 0) for n in range(20)]
    stranger = frames.build_data(frames.UNCONFIRMED_UP, 0x01020304, 5, b"\x02", 1, r.randbytes(9)) + b"mic!"
    pushes = [{"rxpk": [rxpk(phy)]} for phy in (*ups, on_air().join_request(), stranger)]
    pushes += [{"rxpk": [rxpk(phy) for phy in ups[:8]], "stat": {"rxnb": 8}}, {"stat": {"lati": 51.48}}, {}]
    pushes += [fact["object"] for fact in FACTS["objects"] if "rxpk" in fact["object"]]
    made = [datagrams.push_data(b"ab", EUI, body, version) for body in pushes for version in (1, 2)]
    made += [datagrams.pull_data(b"cd", EUI), datagrams.tx_ack(b"ef", EUI, "TOO_LATE"), datagrams.tx_ack(b"\0\1", EUI)]
    return made + [bytes.fromhex(fact["hex"]) for fact in FACTS["datagrams"]]


def damaged(r: random.Random, datagram: bytes) -> bytes:
    """One of: as it is, cut, a few bytes changed, something in the middle, something behind, put together from two."""
    octets = bytearray(datagram)
    match r.randrange(6):
        case 1:
            del octets[r.randrange(len(octets) + 1) :]
        case 2:
            for _ in range(r.randint(1, 8)):
                if octets:
                    octets[r.randrange(len(octets))] = r.getrandbits(8)
        case 3:
            at = r.randrange(len(octets) + 1)
            octets[at:at] = r.randbytes(r.randint(1, 20))
        case 4:
            octets += r.choice((b"\0", b"\n", b"}", r.randbytes(30)))
        case 5:
            at = r.randrange(len(octets) + 1)
            octets = octets[:at] + octets[at // 2 :]
    return bytes(octets)


def pushed(r: random.Random, phys: list[bytes]) -> bytes:
    """Good datagrams with damaged frames in them."""
    objects = [rxpk(damaged(r, r.choice(phys))[:255], stat=r.choice((1, 1, 1, -1, 0))) for _ in range(r.randint(1, 4))]
    return datagrams.push_data(r.randbytes(2), EUI, {"rxpk": objects})


def flood() -> Iterator[bytes]:
    """The same ones every time."""
    r = random.Random(1700)
    good, phys = seeds(r), [bytes.fromhex(row["phy_hex"]) for row in FRAMES["frames"] + FRAMES["refused"]]
    phys += [abp_on_air().uplink(payload(3), 1), on_air().join_request()]
    for _ in range(DATAGRAMS):
        match r.randrange(10):
            case 0:
                yield r.randbytes(r.randrange(80))
            case 1:  # a good head and anything behind it
                yield (
                    bytes((r.choice((1, 2)),))
                    + r.randbytes(2)
                    + bytes((r.randrange(7),))
                    + r.randbytes(r.randrange(40))
                )
            case 2 | 3:
                yield pushed(r, phys)
            case _:
                yield damaged(r, r.choice(good))


def test_a_hundred_thousand_datagrams(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    kinds: Counter[str] = Counter()
    answers: Counter[bytes] = Counter()
    wanted: Counter[bytes] = Counter()
    batch: list[bytes] = []
    clock_ms = 0.0
    for number, datagram in enumerate(flood(), 1):
        batch.append(datagram)
        if len(batch) == BATCH or number == DATAGRAMS:
            sent = bench.radio.take([(one, ADDRESS) for one in batch], Now(1_000 + int(clock_ms), clock_ms))
            bench.radio.work(Now(1_000 + int(clock_ms), clock_ms))
            answers.update(answer for answer, _ in sent if answer[3] != datagrams.PULL_RESP)
            assert {address for _, address in sent} <= {ADDRESS}
            for one in batch:
                kind = expected(one)
                kinds[kind] += 1
                if kind in ("push", "pull"):
                    wanted[one[:3] + bytes((one[3] + 1 if kind == "push" else 4,))] += 1
            batch, clock_ms = [], clock_ms + 50
    bench.radio.work(Now(1_000_000_000, 1e12), flush=True)
    counted = bench.counters
    assert min(kinds[kind] for kind in ("push", "pull", "tx_ack", "ours", "bad")) > 500, kinds
    assert answers == wanted, "each PUSH_DATA and PULL_DATA is acknowledged once, with its own token, and nothing else"
    assert counted.datagrams == DATAGRAMS
    assert kinds["bad"] <= counted.bad_datagrams <= kinds["bad"] + kinds["ours or bad"]
    assert counted.faults == counted.not_captured == counted.refused_datagrams == 0
    assert counted.outcomes.total() == counted.frames
    assert bench.spool.rows["captured"] == 0, "every captured frame was dealt with"
    assert counted.readings == bench.spool.rows["reading"] > 0
    assert all(counted.outcomes[rare] for rare in ("bad_mic", "malformed", "not_for_us", "unknown_device", "replay"))
    assert min(counted.bad_objects, counted.bad_checksums) > 50
    _check_log([record.getMessage() for record in caplog.records])
    assert not any(record.exc_info for record in caplog.records)


def _check_log(lines: list[str]) -> None:
    """The clock of the faults stands still, so each kind has one line; and each device that nobody registered."""
    strangers = [line for line in lines if line.endswith("wants to join and is not registered")]
    assert len(strangers) == len(set(strangers))
    assert 3 <= len(lines) - len(strangers) <= 20, lines
    assert sum("is not Semtech UDP" in line for line in lines) == 1
    assert sum("what cannot be read" in line for line in lines) == 1
    for line in lines:
        assert len(line) <= LINE_MAX
        assert line.isprintable(), "a stranger's bytes must not reach a terminal"


def test_every_prefix_of_good_datagrams(bench: Bench) -> None:
    """Cut in the head it is no datagram, cut in the JSON neither; no cut datagram is acknowledged by mistake."""
    good = [one for one in seeds(random.Random(1)) if len(one) < 600]
    total = 0
    for datagram in good:
        for n in range(len(datagram)):
            cut = datagram[:n]
            sent = bench.radio.take([(cut, ADDRESS)], Now(1_000, 0.0))
            assert bool(sent) is (expected(cut) in ("push", "pull")), cut
            total += 1
    assert bench.counters.datagrams == total > 5_000
    assert bench.counters.faults == bench.counters.frames == 0
