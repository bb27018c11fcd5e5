import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.sampling import prefix
from gptkit.sampling.prefix import shortest_prefix

KEYS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1, 2, 65_535, 65_536, 2**32, 2**63, 2**64 - 1]),  # so that keys are equal, or nearly
)
DOCUMENTS = st.lists(st.tuples(KEYS, st.integers(0, 50)), max_size=60)


def cut_into(documents, pieces):
    """The documents as parts, some of them empty."""
    places = sorted(place % (len(documents) + 1) for place in pieces)
    bounds = [0, *places, len(documents)]
    parts = [documents[start:end] for start, end in itertools.pairwise(bounds)]
    return [
        (np.array([key for key, _ in part], np.uint64), np.array([size for _, size in part], np.int64))
        for part in parts
    ]


def by_sorting(documents, wanted):
    """The ordinals of the shortest prefix: sort all, add one after the other."""
    taken, total = set(), 0
    for ordinal in sorted(range(len(documents)), key=lambda place: (documents[place][0], place)):
        if total >= wanted:
            break
        taken.add(ordinal)
        total += documents[ordinal][1]
    return taken


@pytest.mark.parametrize("few", [0, 3, 1 << 20])
@given(DOCUMENTS, st.integers(0, 1600), st.lists(st.integers(0, 60), max_size=4))
def test_it_is_the_prefix_that_sorting_gives(few, documents, wanted, pieces):
    parts = cut_into(documents, pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix, "FEW", few)
        cut = shortest_prefix(lambda: iter(parts), wanted)
    taken, first = set(), 0
    for keys, _ in parts:
        taken |= {int(place) + first for place in np.flatnonzero(cut.takes(keys, first))}
        first += len(keys)
    enough = sum(size for _, size in documents) >= wanted
    expected = by_sorting(documents, wanted) if enough else set(range(len(documents)))
    assert taken == expected
    assert cut.documents == len(taken)
    assert cut.size == sum(documents[place][1] for place in taken)


def test_of_a_million_equal_keys_the_first_are_taken(monkeypatch):
    monkeypatch.setattr(prefix, "FEW", 1000)
    keys, sizes = np.full(100_000, 77, np.uint64), np.full(100_000, 3, np.int64)
    cut = shortest_prefix(lambda: iter([(keys, sizes)] * 10), 1_000_000)
    taken = [int(cut.takes(keys, first).sum()) for first in range(0, 1_000_000, 100_000)]
    assert taken == [100_000, 100_000, 100_000, 33_334, 0, 0, 0, 0, 0, 0]


def test_sizes_add_up_without_rounding():
    keys = np.arange(4, dtype=np.uint64)
    sizes = np.array([2**51 + 1, 2**51 + 1, 1, 2**40], np.int64)
    assert shortest_prefix(lambda: iter([(keys, sizes)]), 2**52 + 3).documents == 3
