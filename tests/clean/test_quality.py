import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file
from scipy.stats import kstest

from gptkit.clean.quality import CONFIG, WEIGHTS, Quality, keep_probability, pareto_keep
from gptkit.clean.quality_settings import QualitySettings
from gptkit.data.manifest import NAME, Shard, parse_manifest, read_manifest
from gptkit.engine.stage import Stage
from gptkit.errors import GptkitError

# score: share kept, by the formula (2 - score)^-9, as numpy.random.pareto(9) > 1 - score keeps them
KEPT = {1.0: 1.0, 0.95: 0.645, 0.9: 0.424, 0.75: 0.134, 0.5: 0.026, 0.0: 0.002}
TEXTS = pa.array(["a word and another", "Something else entirely", "", "a word"])


def closed(folder, model, runtime, stage="quality"):
    """A model's folder as the stage closes it."""
    with Stage(stage, 1, QualitySettings(), [], folder, runtime) as open_stage:
        open_stage.begin("a model")
        names = model.save(open_stage.out)
        open_stage.close([Shard.describe(open_stage.out, open_stage.out / name, kind="model") for name in names], {})
    return folder


def described_anew(folder):
    """The manifest says what the folder's files now are."""
    manifest = parse_manifest(folder / NAME)
    shards = [Shard.describe(folder, folder / shard.name, kind=shard.kind) for shard in manifest.shards]
    dataclasses.replace(manifest, shards=shards).write(folder / NAME)


@pytest.fixture
def model():
    generator = np.random.default_rng(0)
    return Quality(generator.normal(size=1 << 10).astype(np.float32), 0.25)


def test_a_model_comes_back_as_it_was(tmp_path, model, runtime):
    folder = closed(tmp_path / "model", model, runtime)
    loaded = Quality.load(str(folder))
    assert np.array_equal(loaded.weights, model.weights)
    assert loaded.bias == model.bias
    assert loaded.digest == read_manifest(folder).digest
    scores = loaded.score(TEXTS)
    assert np.array_equal(scores, model.score(TEXTS))
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    assert scores[2] == pytest.approx(1 / (1 + np.exp(-0.25)))  # nothing but the bias


def flip(folder):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)


def not_safetensors(folder):
    (folder / WEIGHTS).write_bytes(b"\xff" * 100)
    described_anew(folder)


def other_features(folder):
    save_file({"weights": np.zeros(16, np.float32), "bias": np.zeros(1, np.float32)}, folder / WEIGHTS)
    described_anew(folder)


def other_type(folder):
    save_file({"weights": np.zeros(1 << 10), "bias": np.zeros(1, np.float32)}, folder / WEIGHTS)
    described_anew(folder)


def no_bias(folder):
    save_file({"weights": np.zeros(1 << 10, np.float32)}, folder / WEIGHTS)
    described_anew(folder)


def other_model(folder):
    (folder / CONFIG).write_text('{"model_type": "gpt2"}')
    described_anew(folder)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (flip, "is damaged"),
        (not_safetensors, "is damaged"),
        (no_bias, "is damaged"),
        (other_features, "does not hold the weights"),
        (other_type, "does not hold the weights"),
        (other_model, "does not describe a model of type hashed-bag-of-words"),
        (lambda folder: (folder / WEIGHTS).unlink(), "is missing"),
        (lambda folder: (folder / NAME).unlink(), "not the output of a gptkit stage"),
    ],
)
def test_a_damaged_model_is_one_line(tmp_path, model, runtime, harm, words):
    folder = closed(tmp_path / "model", model, runtime)
    harm(folder)
    with pytest.raises(GptkitError, match=words) as caught:
        Quality.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_the_output_of_another_stage_is_no_model(tmp_path, model, runtime):
    folder = closed(tmp_path / "model", model, runtime, stage="dedup")
    with pytest.raises(GptkitError, match="holds the output of 'dedup'"):
        Quality.load(folder)
    with pytest.raises(GptkitError, match="no such folder"):
        Quality.load(tmp_path / "nowhere")


@pytest.mark.parametrize("score", KEPT)
def test_the_share_kept_is_the_papers(score):
    count = 20_000
    scores = np.full(count, score, np.float32)
    keep, draws = pareto_keep(scores, 9, 0, ["web"] * count, [str(i) for i in range(count)])
    share = keep_probability(scores[:1], 9)[0]
    assert share == pytest.approx(KEPT[score], abs=0.0006)
    assert abs(keep.mean() - share) <= 5 * np.sqrt(share * (1 - share) / count)
    assert np.array_equal(keep, draws > 1 - scores.astype(float))


@pytest.mark.parametrize("alpha", [1.0, 9.0, 20.0])
def test_draws_are_paretos(alpha):
    _, draws = pareto_keep(np.zeros(5_000, np.float32), alpha, 1, ["a"] * 5_000, [str(i) for i in range(5_000)])
    assert kstest(draws, "lomax", args=(alpha,)).pvalue > 0.001  # numpy.random.pareto is Lomax's distribution
    assert (draws >= 0).all()


def test_a_draw_depends_on_seed_source_and_id_alone():
    scores = np.full(4, 0.9, np.float32)
    _, draws = pareto_keep(scores, 9, 0, ["a", "b", "a", "a"], ["1", "1", "2", "1"])
    assert draws[0] == draws[3]
    assert len({*draws.tolist()}) == 3
    _, reversed_draws = pareto_keep(scores, 9, 0, ["a", "a", "b", "a"], ["1", "2", "1", "1"])
    assert reversed_draws.tolist() == draws[::-1].tolist()
    _, others = pareto_keep(scores, 9, 1, ["a", "b", "a", "a"], ["1", "1", "2", "1"])
    assert not set(others) & set(draws)


def test_an_empty_batch():
    keep, draws = pareto_keep(np.empty(0, np.float32), 9, 0, [], [])
    assert len(keep) == len(draws) == 0
    assert keep.dtype == bool
    assert len(Quality(np.zeros(2, np.float32), 0.0).score(pa.array([], pa.string()))) == 0
