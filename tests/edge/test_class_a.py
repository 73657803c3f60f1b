"""Class A by its rules, on both interpreters; and with whatever a network may answer."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.lorawan.class_a import Done, Listen
from tests.edge import class_a_checks
from tests.edge.class_a_checks import Chance, drive, sends, uplink

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", class_a_checks.CHECKS, ids=lambda check: check.__name__)
def test_on_cpython(check: Callable[[], None]) -> None:
    check()


def test_on_micropython(micropython: str) -> None:
    done = subprocess.run(
        [micropython, "-X", "heapsize=8m", str(ROOT / "tests" / "edge" / "class_a_checks.py")],
        env={"MICROPYPATH": f"{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"ok {check.__name__}" for check in class_a_checks.CHECKS]


@given(
    seed=st.integers(0, 2**31),
    answers=st.lists(st.tuples(st.booleans(), st.booleans()).map(lambda a: (a[0], a[0] and a[1])), max_size=20),
    tries=st.integers(1, 8),
    confirmed=st.booleans(),
    dr=st.integers(0, 5),
    length=st.integers(12, 64),
)
def test_every_transaction_ends(
    seed: int, answers: list[tuple[bool, bool]], tries: int, confirmed: bool, dr: int, length: int
) -> None:
    steps = drive(uplink(Chance(seed), tries=tries, confirmed=confirmed, dr=dr, length=length), answers)
    done = steps[-1]
    assert isinstance(done, Done)
    assert len(sends(steps)) == done.times <= tries
    listened = len([step for step in steps if isinstance(step, Listen)])
    assert listened <= 2 * done.times
    used = answers[:listened]
    wanted = [answer for answer in used if answer[1] or (answer[0] and not confirmed)]
    assert done.answered == bool(wanted)
    assert len(wanted) <= 1, "it ends with the first answer"
    if not wanted:
        assert done.times == tries
