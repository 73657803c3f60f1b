"""What arrivals promise, to be held by every database: tests/cloud/test_arrivals.py and test_postgresql.py."""

import threading

from sqlalchemy.engine import Engine

from cloud.ledger import arrivals
from cloud.ledger.arrivals import Arrivals
from cloud.ledger.ledger import Ledger, Outcome
from tests.cloud.ingest_parts import NOW_MS


def batch(number: int, *stations: str, log: str = "log", rewritten: bool = False) -> Outcome:
    """A batch with a reading of each station."""
    outcome = Outcome(log, number)
    for n, station in enumerate(stations):
        stored = (station, "kn-1", NOW_MS + number, 1, 10 * number + n, {"co2": 400.5}, {"co2": "C"}, None)
        (outcome.rewritten if rewritten else outcome.arrived).append(stored)
    return outcome


def numbers_rise_without_holes_whoever_writes(engine: Engine) -> None:
    def replica(log: str) -> None:
        ledger = Ledger(engine, lambda: NOW_MS)
        for number in range(1, 61):
            assert ledger.apply(batch(number, *("a", "b", "c")[: number % 4], log=log))
            if number % 10 == 0:
                arrivals.announce(engine, ["b", "a"], NOW_MS)

    threads = [threading.Thread(target=replica, args=(f"log-{n}",)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader, number, seen = Arrivals(engine), 0, []
    while found := reader.after(number, limit=7):
        for one in found:
            assert one.first == number + 1
            number = one.last
            seen += [(x.station, x.device, x.time_ms, x.seq) for x in one.readings]
    assert number == reader.newest() == 2 * (15 * (1 + 2 + 3) + 6)
    assert len(set(seen)) == 15 * (1 + 2 + 3)
    assert len(seen) == 2 * len(set(seen))
    assert reader.oldest() == 1


def numbers_go_on_after_everything_was_forgotten(engine: Engine) -> None:
    times = iter((1000, 2000, 3000, 4000))
    ledger = Ledger(engine, lambda: next(times))
    for number in (1, 2, 3):
        ledger.apply(batch(number, "a", "b"))
    ledger.prune(2000)
    reader = Arrivals(engine)
    assert (reader.oldest(), reader.newest()) == (3, 6)
    ledger.prune(9000)
    assert (reader.oldest(), reader.newest()) == (5, 6)
    ledger.apply(batch(4, "a"))
    assert [(one.first, one.last, one.received_ms) for one in reader.after(0)] == [(5, 6, 3000), (7, 7, 4000)]
