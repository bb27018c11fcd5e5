"""The documents of a portion that both libraries encode."""

import numpy as np
import pyarrow as pa
import pytest

from gptkit.tokenization.encode import CHECKED_BYTES, CHECKED_TEXT, SHORTEST_TOKEN, _Sample


def taken(texts, shard_tokens=10**8, batches=3):
    sample = _Sample(len(texts), sum(len(text.encode()) for text in texts), shard_tokens)
    for part in np.array_split(np.arange(len(texts)), batches):
        column = pa.array([texts[place] for place in part], pa.string())
        sample.add(column, part.astype(np.uint32), np.arange(len(part) + 1))
    return sample


@pytest.mark.parametrize("documents", [1, 2, 50, 3_000])
def test_some_are_taken_however_few_there_are(documents):
    sample = taken([f"{place:>1000}" for place in range(documents)])
    size = sum(map(len, sample.texts))
    assert min(documents, CHECKED_BYTES // 1000) * 1000 <= size <= 2 * CHECKED_BYTES
    assert [ids.tolist() for ids in sample.ids] == [[int(text)] for text in sample.texts]


def test_some_lie_in_every_shard():
    texts = [f"{place:>1000}" for place in range(3_000)]
    places = [int(text) for text in taken(texts, shard_tokens=10_000).texts]
    documents = 10_000 * SHORTEST_TOKEN // 1000  # of a shard, at least
    assert max(np.diff([0, *places, 3_000])) <= documents


def test_long_ones_are_cut_between_characters():
    (sample,) = [taken(["é" * 20_000])]
    assert len(sample.texts[0].encode()) == CHECKED_TEXT
    assert sample.ids == [None]
