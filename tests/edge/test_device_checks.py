"""The measuring point's pure parts on both interpreters, and what needs many tries on CPython alone."""

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Clock
from edge.outbox.ranges import Ranges
from tests.conftest import ROOT
from tests.edge import device_checks


@pytest.mark.parametrize("check", device_checks.CHECKS, ids=lambda check: check.__name__)
def test_on_cpython(check) -> None:  # type: ignore[no-untyped-def]
    check()


def test_on_micropython(micropython: str) -> None:
    script = ROOT / "tests" / "edge" / "device_checks.py"
    command = [micropython, "-X", "heapsize=192k", str(script)]
    ran = subprocess.run(
        command, env={"MICROPYPATH": "%s:.frozen" % ROOT}, capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.split() == [check.__name__ for check in device_checks.CHECKS]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 8))))
def test_ranges_are_sets(steps: list[tuple[bool, int, int]]) -> None:
    ranges, known = Ranges(), set()
    for add, first, more in steps:
        numbers = set(range(first, first + more + 1))
        changed = ranges.add(first, first + more) if add else ranges.remove(first, first + more)
        new = known | numbers if add else known - numbers
        assert changed == (new != known)
        known = new
        assert {n for n in range(80) if n in ranges} == known
        assert ranges.within(10, 30) == len(known & set(range(10, 31)))
        assert ranges.last() == max(known, default=-1)
        pairs = list(zip(ranges.flat[::2], ranges.flat[1::2], strict=True))
        assert all(a <= b for a, b in pairs)
        assert all(b + 1 < c for (_, b), (c, _) in pairwise(pairs))


LIFE = st.lists(
    st.tuples(
        st.integers(1, 5_000_000),  # ms the power was away before
        st.integers(1_000, 50_000_000),  # how long it then lived
        st.one_of(st.none(), st.integers(0, 100)),  # percent of that life at which it was synchronised
        st.integers(-400, 400),  # by how much the source was off
        st.integers(-1000, 1000),  # ppm of its clock, in thousandths of what it may be
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(LIFE, st.integers(0, 100))
def test_a_bound_holds_the_truth(lives: list[tuple[int, int, int | None, int, int]], where: int) -> None:
    ppm = 200
    true_ms, boots, asked = 1_767_225_600_000, [], []
    clock = None
    for number, (away, lived, synced, off, drift) in enumerate(lives, 1):
        true_ms += away
        clock = Clock(number, ppm, boots)

        def uptime(true_part: int, drift: int = drift) -> int:
            return true_part + true_part * drift * ppm // 1_000_000_000

        moment = lived * where // 100
        asked.append((number, uptime(moment), true_ms + moment))
        clock.seen(number, uptime(moment))
        if synced is not None:
            at = lived * synced // 100
            said = clock.sync(true_ms + at + off, "ntp", 400, uptime(at))
            assert said == "first"
        clock.seen(number, uptime(moment))
        true_ms += lived
        boots = clock.boots_list()
    assert clock is not None
    for number, at, truth in asked:
        known = clock.resolve(number, at)
        if known is not None:
            assert known[0] - known[2] - 1 <= truth <= known[0] + known[2] + 1
