import collections
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.sampling.permutation import Permutation


@given(st.integers(1, 700), st.integers())
def test_every_place_has_another_number(size, key):
    order = Permutation(size, key)
    assert sorted(order[place] for place in range(size)) == list(range(size))


def test_a_large_one_needs_no_memory():
    order = Permutation(10**15, "large")
    assert len({order[place] for place in range(1_000)}) == 1_000
    assert max(order[place] for place in range(1_000)) > 9 * 10**14


def test_all_orders_are_equally_likely():
    # chi-square over the 24 orders of four, 23 degrees of freedom: 49.7 is passed by one in a thousand
    counts = collections.Counter(
        tuple(Permutation(4, "fair", key)[place] for place in range(4)) for key in range(6_000)
    )
    assert len(counts) == 24
    assert sum((count - 250) ** 2 / 250 for count in counts.values()) < 49.7


def test_neighbours_are_not_kept_together():
    order = [Permutation(1_000, "apart")[place] for place in range(1_000)]
    assert sum(abs(a - b) == 1 for a, b in itertools.pairwise(order)) < 12  # 2 are expected


def test_the_order_stays_what_it_was():
    # a change here would make a run that goes on after an upgrade repeat and miss sequences
    assert [Permutation(10, 1, "order", 0)[place] for place in range(10)] == [3, 8, 7, 6, 5, 1, 4, 2, 0, 9]


@pytest.mark.parametrize(("size", "place"), [(3, 3), (3, -1)])
def test_there_is_nothing_outside(size, place):
    with pytest.raises(IndexError):
        Permutation(size)[place]
    with pytest.raises(ValueError, match="cannot be shuffled"):
        Permutation(0)
