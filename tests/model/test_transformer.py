import pytest
import torch

from gptkit.errors import UsageError
from gptkit.model.attention import View, attend
from gptkit.model.cache import Cache
from gptkit.model.config import ModelConfig
from gptkit.model.presets import PRESETS, preset
from gptkit.model.size import parameter_count
from gptkit.model.transformer import Transformer

TINY = ModelConfig(vocab_size=97, context=16, layers=3, heads=4, width=32)


@pytest.fixture(scope="module")
def model():
    made = Transformer(TINY, seed=5)
    with torch.no_grad():
        for parameter in made.parameters():  # far from its start, where most logits are alike
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    return made.eval()


@pytest.mark.parametrize(
    ("name", "published"),
    [("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080), ("gpt2-xl", 1_557_611_200)],
)
def test_parameters_are_as_many_as_published(name, published):
    config = preset(name, 50257)
    assert parameter_count(config) == published
    with torch.device("meta"):
        assert sum(p.numel() for p in Transformer(config).parameters()) == published


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_built(name):
    with torch.device("meta"):
        assert sum(p.numel() for p in Transformer(preset(name, 300)).parameters()) == parameter_count(preset(name, 300))


def test_an_unknown_preset_names_near_ones():
    with pytest.raises(UsageError, match="gpt2-large"):
        preset("gpt2-lrage", 100)
    with pytest.raises(UsageError, match="gptkit models"):
        preset("zzz", 100)


@pytest.mark.parametrize("change", [{"heads": 5}, {"layers": 0}, {"context": -1}, {"dropout": 1.0}, {"width": 2.5}])
def test_impossible_shapes_are_refused(change):
    values = {"vocab_size": 97, "context": 16, "layers": 3, "heads": 4, "width": 32, **change}
    with pytest.raises(ValueError, match=next(iter(change)) if "heads" not in change else "divided"):
        ModelConfig(**values)


def test_weights_depend_on_the_seed_alone():
    def weights(seed):
        torch.manual_seed(torch.seed())
        return torch.cat([p.flatten() for p in Transformer(TINY, seed).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_initial_spread_is_that_of_gpt2():
    made = Transformer(ModelConfig(vocab_size=500, context=64, layers=8, heads=4, width=128))
    assert made.embedding.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert made.blocks[0].mlp.up.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert made.blocks[3].attention.out.weight.std().item() == pytest.approx(0.02 / 4, rel=0.02)
    assert made.blocks[3].attention.qkv.bias.abs().max() == 0
    assert made.norm.weight.min() == made.norm.weight.max() == 1


def test_attention_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    for new, total in [(7, 7), (1, 7), (3, 7)]:
        q = torch.randn(2, 3, new, 8, generator=generator)
        k, v = torch.randn(2, 2, 3, total, 8, generator=generator)
        mask = torch.arange(total)[None, :] <= torch.arange(total - new, total)[:, None]
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)
        torch.testing.assert_close(attend(q, k, v, View(new, total, q.device)), expected)


def test_later_tokens_change_nothing_before_them(model):
    ids = torch.randint(97, (1, 16), generator=torch.Generator().manual_seed(2))
    changed = ids.clone()
    changed[0, 9] = (ids[0, 9] + 1) % 97
    before, after = model(ids), model(changed)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9], after[:, 9])


@pytest.mark.parametrize("cuts", [[1] * 16, [5, 1, 1, 9], [16], [10, 6]])
def test_cache_gives_the_same_logits(model, cuts):
    ids = torch.randint(97, (3, 16), generator=torch.Generator().manual_seed(2))
    cache = Cache(TINY)
    parts = [model(part, cache) for part in ids.split(cuts, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), rtol=1e-4, atol=1e-4)
    assert cache.length == 16
    with pytest.raises(ValueError, match="context of 16"):
        model(ids[:, :1], cache)
