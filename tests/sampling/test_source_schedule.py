from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.sampling.schedule import Schedule

WEIGHTS = st.lists(st.floats(0.001, 10), min_size=1, max_size=6)


@given(WEIGHTS, st.integers(0, 3), st.integers(0, 10**6))
def test_at_every_blocks_end_each_source_is_within_one(weights, seed, number):
    schedule = Schedule(weights, seed)
    n = number * schedule.block
    counts = schedule.counts(n)
    assert counts.sum() == n
    for count, weight in zip(counts, schedule.weights, strict=True):
        assert abs(count - n * weight) < 1 + 1e-9
    assert (schedule.counts(n + schedule.block) >= counts).all()


def test_it_gives_each_sources_sequences_in_order_and_any_place_alone():
    weights = [0.6, 0.3, 0.09, 0.01]
    schedule = Schedule(weights, 7)
    found = [schedule.at(n) for n in range(3000)]
    seen = Counter()
    for source, place in found:
        assert place == seen[source]
        seen[source] += 1
    for n in (2999, 0, 511, 512, 1700):
        assert Schedule(weights, 7).at(n) == found[n]
        np.testing.assert_array_equal(schedule.counts(n), np.bincount([s for s, _ in found[:n]], minlength=4))
    assert found != [Schedule(weights, 8).at(n) for n in range(3000)]


def test_one_source_is_read_in_its_own_order():
    schedule = Schedule([3.0], 1)
    assert [schedule.at(n) for n in range(600)] == [(0, n) for n in range(600)]


def test_a_rare_source_makes_the_blocks_longer():
    schedule = Schedule([1.0, 1e-5], 0)
    assert schedule.block >= 100_000
    assert schedule.counts(1 << 22)[1] in (41, 42)
    with pytest.raises(ValueError, match="too small"):
        Schedule([1.0, 1e-9], 0)
