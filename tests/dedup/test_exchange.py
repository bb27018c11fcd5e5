import numpy as np
import pyarrow as pa
import pytest
from datasketch import LeanMinHash, MinHash
from hypothesis import given
from hypothesis import strategies as st

from gptkit.dedup.exchange import from_lean, to_lean
from gptkit.dedup.signatures import sign
from gptkit.errors import GptkitError

TEXTS = pa.array(["one two three four five six", "one two three four five seven", "", "other words", "two", "words"])


def serialized(minhash: MinHash, byteorder: str = "@") -> bytes:
    lean = LeanMinHash(minhash)
    buffer = bytearray(lean.bytesize(byteorder))
    lean.serialize(buffer, byteorder)
    return bytes(buffer)


def theirs(seed=1, permutations=16, scheme="affine32", words=("one", "two")) -> bytes:
    minhash = MinHash(permutations, seed=seed, scheme=scheme)
    for word in words:
        minhash.update(word.encode())
    return serialized(minhash)


@given(st.integers(1, 130), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_the_bytes_are_datasketchs(permutations, seed, documents):
    signatures = np.random.default_rng(seed).integers(0, 1 << 32, (documents, permutations), np.uint32)
    column = to_lean(signatures, seed)
    column.validate(full=True)
    assert column.type == pa.binary()
    assert len(column) == documents
    for row, value in zip(signatures, column.to_pylist(), strict=True):
        assert value == serialized(MinHash(seed=seed, hashvalues=row, scheme="affine32"))
    assert np.array_equal(from_lean(column, permutations, seed, "it"), signatures)


def test_datasketch_compares_what_it_reads():
    signatures = sign(TEXTS, 2, 256, 3)
    leans = [LeanMinHash.deserialize(value) for value in to_lean(signatures, 3).to_pylist()]
    assert leans[0].jaccard(leans[1]) == (signatures[0] == signatures[1]).mean()
    assert abs(leans[0].jaccard(leans[1]) - 4 / 6) < 0.12
    assert leans[2].jaccard(MinHash(256, seed=3)) == 1  # a text without words is the empty set


def test_signatures_of_datasketch_are_read():
    columns = [pa.array([theirs(), theirs(words=())], kind) for kind in (pa.binary(), pa.large_binary())]
    for column in columns:
        found = from_lean(column, 16, 1, "it")
        assert found.dtype == np.uint32
        assert found[0].tolist() == LeanMinHash.deserialize(theirs()).hashvalues.tolist()
        assert (found[1] == 0xFFFFFFFF).all()
        assert np.array_equal(from_lean(column[1:], 16, 1, "it"), found[1:])
    assert from_lean(pa.array([], pa.binary()), 16, 1, "it").shape == (0, 16)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (theirs(scheme="legacy"), "scheme legacy"),
        (theirs(scheme="affine64"), "scheme affine64; only affine32"),
        (theirs()[:12] + b"\x09" + theirs()[13:], "scheme number 9"),
        (theirs(seed=2), "of seed 2, where the seed is 1"),
        (theirs(permutations=17), "of 17 permutations, where bands times rows are 16"),
        (theirs()[:-1], "79 bytes, where a signature of 16 permutations has 80"),
        (theirs() + b"\0", "81 bytes"),
        (b"", "not a signature of datasketch 2"),
        (None, "not a signature of datasketch 2"),
    ],
)
def test_other_values_are_refused_with_their_row(value, message):
    with pytest.raises(GptkitError, match=f"^shard-1.parquet, row 1: .*{message}"):
        from_lean(pa.array([theirs(), value, theirs()], pa.binary()), 16, 1, "shard-1.parquet")


def test_other_columns_are_refused():
    with pytest.raises(GptkitError, match=r"^shard-1\.parquet: signatures must be binary, not string$"):
        from_lean(pa.array(["a"]), 16, 1, "shard-1.parquet")
