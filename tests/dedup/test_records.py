from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.dedup.records import (
    LEAST_SHARE,
    MOST_PARTS,
    RECORD_BYTES,
    WORKER_BYTES,
    parts_for,
    read_part,
    share_of,
    write_records,
)
from gptkit.dedup.settings import DedupSettings
from gptkit.errors import GptkitError

KEY = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]))
PORTIONS = st.lists(st.lists(KEY, max_size=12), max_size=5)


@given(PORTIONS, st.sampled_from([1, 2, 4, 64, 4096]))
def test_all_records_of_all_portions_come_back_each_in_its_part(tmp_path_factory, portions, parts):
    folder = tmp_path_factory.mktemp("records")
    paths, firsts, everything, first = [], [], Counter(), 0
    for number, keys in enumerate(portions):
        paths.append(folder / f"{number}.bands")
        firsts.append(first)
        places = np.arange(len(keys), dtype=np.uint32)
        write_records(paths[-1], np.array(keys, np.uint64), places, parts)
        everything.update((key, first + place) for place, key in enumerate(keys))
        first += 1 + len(keys)
    found = Counter()
    # of many parts the ones that can have records, and some that have none
    ends = {key * parts >> 64 for key, _ in everything}
    for part in ends | {0, parts - 1}:
        keys, places = read_part(paths, firsts, part)
        assert keys.dtype == np.uint64
        assert places.dtype == np.int64
        records = list(zip(keys.tolist(), places.tolist(), strict=True))
        assert records == sorted(records)  # by key, and places of equal keys in order
        assert all(key * parts >> 64 == part for key in keys.tolist())
        found.update(records)
    assert found == everything


def test_many_parts_and_places_beyond_32_bits(tmp_path):
    keys = np.random.default_rng(1).integers(0, 2**64 - 1, 5000, np.uint64)
    write_records(tmp_path / "a", keys.copy(), np.arange(5000), MOST_PARTS)
    first = 10_000_000_000
    found = [read_part([tmp_path / "a"], [first], part) for part in {int(key) >> 48 for key in keys.tolist()}]
    assert sum(len(places) for _, places in found) == 5000
    for part_keys, places in found:
        assert (keys[places - first] == part_keys).all()


def test_no_portions_no_records():
    keys, places = read_part([], [], 0)
    assert len(keys) == len(places) == 0


@pytest.mark.parametrize("records", [0, 1, 999, 1_000_000, 12_345_678])
@pytest.mark.parametrize("memory", [50_000_000, 4_000_000_000])
def test_a_part_fits_in_memory_and_is_not_needlessly_small(records, memory):
    parts = parts_for(records, memory)
    assert parts & (parts - 1) == 0
    assert records * RECORD_BYTES / parts <= memory
    assert parts == 1 or records * RECORD_BYTES / (parts // 2) > memory


def test_there_are_not_more_parts_than_files_could_be_cut_into():
    assert parts_for(10**15, 1) == MOST_PARTS


def test_the_memory_of_a_worker():
    assert share_of(4_000_000_000, 2) == 2_000_000_000 - WORKER_BYTES
    assert share_of(4_000_000_000, 0) == share_of(4_000_000_000, 1) == 4_000_000_000 - WORKER_BYTES
    assert share_of(64 * (WORKER_BYTES + LEAST_SHARE), 64) == LEAST_SHARE
    with pytest.raises(GptkitError, match=r"too little for 64 workers.* name at least 28800MB"):
        share_of(4_000_000_000, 64)
    assert DedupSettings().for_workers(64).memory == 64_000_000_000
    assert DedupSettings().for_workers(1).memory == 4_000_000_000
    assert DedupSettings(memory=2).for_workers(64).memory == 2
