import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.errors import GptkitError
from gptkit.mixture.keys import _ordered, draw_keys
from gptkit.mixture.settings import MixSettings
from gptkit.mixture.stage import run

WEIGHTS = np.array([1.0, 2.0, 4.0, 9.0])
DRAWS = 20_000
CHI_SQUARE = 16.27  # of 3 degrees of freedom, exceeded once in a thousand


def inclusion(weights, count):
    """The probability that each document is among the first `count`, added up over all orders of drawing."""
    found = np.zeros(len(weights))
    for order in itertools.permutations(range(len(weights)), count):
        chance, left = 1.0, sum(weights)
        for place in order:
            chance *= weights[place] / left
            left -= weights[place]
        found[list(order)] += chance
    return found


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_documents_are_drawn_with_the_probabilities_of_their_weights(count, temperature):
    expected = inclusion(WEIGHTS ** (1 / temperature), count) * DRAWS
    # many documents of each weight, one of each a trial: their keys are independent
    identities = np.arange(4 * DRAWS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    keys = draw_keys(identities, np.tile(WEIGHTS, DRAWS), temperature, 1, "s", 0).reshape(DRAWS, 4)
    seen = np.bincount(np.argsort(keys, axis=1)[:, :count].ravel(), minlength=4)
    assert ((seen - expected) ** 2 / expected).sum() < CHI_SQUARE


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_floats_keep_their_order_as_whole_numbers(values):
    found = _ordered(np.array(values))
    for (left, a), (right, b) in itertools.pairwise(sorted(zip(values, found.tolist(), strict=True))):
        assert a < b if left < right else a == b


def test_what_has_no_weight_comes_last_in_an_order_of_its_own():
    weights = np.array([1e-300, np.nan, 5.0, 0.0, -1.0, np.inf, -np.inf, 1e300] * 50)
    identities = np.random.default_rng(0).integers(0, 2**64, len(weights), dtype=np.uint64)
    for temperature in (1e-3, 1.0, 1e6):
        keys = draw_keys(identities, weights, temperature, 1, "s", 0)
        sound = np.isfinite(weights) & (weights > 0)
        assert keys[sound].max() < keys[~sound].min()
        assert (np.diff(keys[~sound].astype(object)) < 0).any()
        assert len(set(keys[~sound].tolist())) == 250


@pytest.fixture
def scored(tmp_path):
    rows = [{"id": str(n), "text": "x" * 10, "score": [4.0, 1.0, None, float("nan")][n % 4]} for n in range(800)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "scored.parquet")
    return tmp_path / "scored.parquet"


def test_a_mixture_draws_by_a_column(scored, tmp_path, runtime):
    settings = MixSettings(unit="documents", documents=200, weight_by="score")
    manifest = run([f"s=1:{scored}"], tmp_path / "out", settings, runtime)
    assert manifest.counts["sources"]["s"]["without_weight"] == 400
    scores = Counter(pq.read_table(tmp_path / "out" / manifest.shards[0].name)["score"].to_pylist())
    assert set(scores) == {1.0, 4.0}
    # of 200 with weight 4 and 200 with weight 1, half are drawn: t with e^-4t + e^-t = 1, so 144 to 56
    assert scores[4.0] == pytest.approx(144, abs=18)
    alike = run([f"s=1:{scored}"], tmp_path / "t", MixSettings(**{**vars(settings), "temperature": 1e9}), runtime)
    scores = Counter(pq.read_table(tmp_path / "t" / alike.shards[0].name)["score"].to_pylist())
    assert scores[4.0] == pytest.approx(100, abs=25)
    whole = run([f"s=2x:{scored}"], tmp_path / "w", MixSettings(weight_by="score"), runtime)
    assert whole.counts["documents_out"] == 1600


@pytest.mark.parametrize(
    ("column", "reason"), [("quality", "has no column 'quality'"), ("text", "'text' is string, not numbers")]
)
def test_a_column_that_is_no_weight_is_one_line(scored, tmp_path, runtime, column, reason):
    with pytest.raises(GptkitError, match=reason) as caught:
        run([f"s=1:{scored}"], tmp_path / "out", MixSettings(weight_by=column), runtime)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_whole_numbers_too_large_for_a_float_are_weights(tmp_path, runtime):
    pq.write_table(pa.table({"text": ["a", "b"], "n": pa.array([2**63 - 1, 1])}), tmp_path / "n.parquet")
    manifest = run([f"s=1:{tmp_path}/n.parquet"], tmp_path / "out", MixSettings(weight_by="n"), runtime)
    assert manifest.counts["documents_out"] == 2


def test_each_source_may_have_numbers_of_its_own_type(tmp_path, runtime):
    for name, kind in (("a", pa.int32()), ("b", pa.float32()), ("c", pa.decimal128(15, 2))):
        column = pa.array([1, 2, None], pa.int32()).cast(kind)
        pq.write_table(pa.table({"text": ["1", "2", "3"], "n": column}), tmp_path / f"{name}.parquet")
    arguments = [f"{name}=1:{tmp_path}/{name}.parquet" for name in "abc"]
    settings = MixSettings(weight_by="n", unit="documents", documents=6)
    manifest = run(arguments, tmp_path / "out", settings, runtime)
    texts = Counter(pq.read_table(tmp_path / "out" / manifest.shards[0].name)["text"].to_pylist())
    assert texts == {"1": 3, "2": 3}
