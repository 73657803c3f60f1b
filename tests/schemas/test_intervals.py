from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.intervals import Intervals

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=20)


@given(spans)
def test_behaves_as_a_set(pairs: list[tuple[int, int]]) -> None:
    intervals, numbers = Intervals(), set[int]()
    for first, last in pairs:
        new = set(range(first, last + 1)) - numbers
        assert intervals.add(first, last) == len(new)
        numbers |= new
    assert len(intervals) == len(numbers)
    assert {n for n in range(80) if n in intervals} == numbers
    inside = range(min(numbers, default=0), max(numbers, default=-1) + 1)
    assert {n for a, b in intervals.gaps() for n in range(a, b + 1)} == set(inside) - numbers


@given(spans, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_intervals_never_touch(pairs: list[tuple[int, int]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(pairs, len(pairs))
    assert Intervals(pairs) == Intervals(shuffled)
    spans_now = list(Intervals(pairs))
    assert all(after[0] - before[1] >= 2 for before, after in pairwise(spans_now))
