import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.kernels.sorting import sort_records

KEYS = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1), st.integers(0, 7).map(lambda byte: byte << 56))


@given(st.lists(KEYS, max_size=60), st.sampled_from([np.uint32, np.int64]))
@example([], np.int64)
@example([5], np.uint32)
@example([2**64 - 1, 0, 2**63, 2**63 - 1], np.int64)
def test_records_come_as_numpy_sorts_them_with_equal_keys_in_their_order(values, kind):
    keys = np.array(values, np.uint64)
    places = np.arange(len(keys), dtype=kind)[::-1].copy()
    order = np.argsort(keys, kind="stable")
    found, found_places = sort_records(keys.copy(), places.copy())
    assert found.dtype == np.uint64
    assert found_places.dtype == kind
    assert found.tolist() == keys[order].tolist()
    assert found_places.tolist() == places[order].tolist()


def test_many_records_that_differ_in_few_bytes():
    generator = np.random.default_rng(1)
    for shift in (0, 24, 56):
        keys = generator.integers(0, 1 << 8, 100_000, np.uint64) << np.uint64(shift)
        order = np.argsort(keys, kind="stable")
        found, places = sort_records(keys.copy(), np.arange(len(keys)))
        assert (found == keys[order]).all()
        assert (places == order).all()


def test_as_many_places_as_keys():
    with pytest.raises(ValueError, match="3 keys and 2 places"):
        sort_records(np.zeros(3, np.uint64), np.zeros(2, np.int64))
