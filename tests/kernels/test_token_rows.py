import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels.token_rows import copy_documents, move_documents

VOCABULARY, END = 300, 299
DOCUMENTS = st.lists(st.lists(st.integers(0, VOCABULARY - 2), max_size=9), min_size=1, max_size=9)


def flat(documents, dtype):
    return (
        np.array([token for document in documents for token in document], dtype),
        np.cumsum([0, *map(len, documents)], dtype=np.int64),
    )


@given(documents=DOCUMENTS, dtype=st.sampled_from([np.uint16, np.uint32]), data=st.data())
def test_chosen_documents_each_with_its_end(documents, dtype, data):
    rows = data.draw(st.lists(st.integers(0, len(documents) - 1), max_size=5))
    ids, offsets = flat(documents, np.uint32)
    copies = np.array(
        data.draw(st.lists(st.integers(1, 3), min_size=len(documents), max_size=len(documents))), np.int32
    )
    seen = np.zeros(VOCABULARY, np.int64)
    found = copy_documents(ids, offsets, np.array(rows, np.int64), END, np.empty(200, dtype), seen, copies)
    assert found.tolist() == [token for row in rows for token in [*documents[row], END]]
    assert found.dtype == dtype
    taken = [token for row in rows for token in documents[row] * int(copies[row])]
    counted = np.bincount(taken, minlength=VOCABULARY)
    assert seen.tolist() == counted.tolist()


@given(documents=DOCUMENTS, dtype=st.sampled_from([np.uint16, np.uint32]), data=st.data())
def test_documents_in_another_order(documents, dtype, data):
    order = data.draw(st.permutations(range(len(documents))))
    ids, offsets = flat(documents, dtype)
    sizes = np.diff(offsets).astype(np.int32)
    targets = np.empty(len(documents), np.int64)
    targets[order] = np.cumsum([0, *sizes[order][:-1]])
    out = np.empty(len(ids), dtype)
    move_documents(ids, offsets[:-1], sizes, out, targets)
    assert out.tolist() == [token for row in order for token in documents[row]]


def test_what_leaves_its_array_is_refused():
    ids, offsets = flat([[1, 2], [3]], np.uint32)
    rows, seen = np.arange(2), np.zeros(VOCABULARY, np.int64)
    with pytest.raises(ValueError, match="5 ids do not fit in 4"):
        copy_documents(ids, offsets, rows, END, np.empty(4, np.uint16), seen, np.ones(2, np.int32))
    with pytest.raises(ValueError, match="not of the vocabulary"):
        copy_documents(ids, offsets, rows, 2, np.empty(9, np.uint16), seen[:3], np.ones(2, np.int32))
    for starts, targets in (([0, 3], [0, 2]), ([0, -1], [0, 2]), ([0, 2], [0, 3])):
        with pytest.raises(ValueError, match="leaves its array"):
            move_documents(ids, np.array(starts), np.array([2, 1], np.int32), np.empty(3, np.uint32), np.array(targets))
