"""Every choice of the configuration: counted, cached, batched with padding, packed with document masks."""

import dataclasses

import pytest
import torch
from families import gpt_oss, llama, made
from torch import nn

from gptkit.model.cache import Cache
from gptkit.model.config import Mixture, ModelConfig, RopeScaling
from gptkit.model.presets import NOTES, PRESETS, preset
from gptkit.model.size import active_parameters, flops_per_token, parameter_count
from gptkit.model.transformer import Transformer

PLAIN = ModelConfig(vocab_size=61, context=48, layers=2, heads=4, width=32)
LLAMA = llama(PLAIN)
CHOICES = {
    "gpt2": PLAIN,
    "gpt1": dataclasses.replace(PLAIN, norm_first=False, activation="gelu"),
    "gpt3": dataclasses.replace(PLAIN, attention=("local:5", "dense")),
    "sparse": dataclasses.replace(PLAIN, attention=("fixed:8:2", "strided:7", "dilated:3:2"), layers=3),
    "llama": LLAMA,
    "llama3": dataclasses.replace(LLAMA, rope_scaling=RopeScaling("llama3", 8.0, 1.0, 4.0, 16)),
    "window": dataclasses.replace(LLAMA, attention=("local:6",), qk_norm=True),
    "mixtral": dataclasses.replace(LLAMA, mixture=Mixture(4, 2)),
    "gpt-oss": gpt_oss(PLAIN, 6),
    "speedrun": dataclasses.replace(LLAMA, activation="relu2", qk_norm=True, logit_softcap=5.0, kv_heads=1),
}


def draw(rows, tokens, seed=0):
    return torch.randint(PLAIN.vocab_size, (rows, tokens), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=CHOICES)
def config(request):
    return CHOICES[request.param]


def test_parameters_are_counted_as_they_are_built(config):
    model = Transformer(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameter_count(config)
    experts = config.mixture
    idle = 0 if experts is None else (experts.experts - experts.active) / experts.experts
    in_experts = sum(p.numel() for name, p in model.named_parameters() if ".mlp." in name and "router" not in name)
    assert active_parameters(config) == parameter_count(config) - idle * in_experts


def test_tokens_look_at_none_behind_them(config):
    model, ids = made(config), draw(1, 40)
    changed = ids.clone()
    changed[0, 30] = (ids[0, 30] + 1) % 61
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :30], after[:, :30])
    assert not torch.equal(before[:, 30], after[:, 30])


@pytest.mark.parametrize("cuts", [[1] * 48, [5, 1, 1, 30, 11], [40, 8]])
def test_a_cache_gives_the_same_logits(config, cuts):
    model, ids = made(config), draw(3, 48)
    cache = Cache(config)
    parts = [model(part, cache) for part in ids.split(cuts, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), rtol=1e-4, atol=1e-4)


def test_a_window_forgets_what_it_no_longer_looks_at():
    config = dataclasses.replace(CHOICES["window"], context=400)
    cache = Cache(config)
    model = made(config)
    for token in draw(1, 400).split(1, dim=1):
        model.hidden(token, cache)
    places = cache.nbytes / (2 * config.layers * config.kv_heads * config.head_width * 4)
    assert places <= 3 * 6 + 1
    with pytest.raises(ValueError, match="go back"):
        cache.rewind(300)


def test_rows_padded_on_the_left_read_as_they_do_alone(config):
    model = made(config)
    texts = [draw(1, length, seed=length)[0] for length in (3, 17, 30)]
    starts = torch.tensor([30 - len(text) for text in texts])
    ids = torch.stack([nn.functional.pad(text, (30 - len(text), 0)) for text in texts])
    cache = Cache(config, starts)
    first, more = model(ids, cache), model(draw(3, 9), cache)
    for row, text in enumerate(texts):
        alone = model(torch.cat([text, draw(3, 9)[row]])[None])[0]
        torch.testing.assert_close(first[row, starts[row] :], alone[: len(text)], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(more[row], alone[len(text) :], rtol=1e-4, atol=1e-4)


def test_packed_documents_do_not_see_each_other(config):
    model = made(config)
    ids = draw(2, 40)
    documents = torch.tensor([[0] * 13 + [1] * 27, [0] * 40])
    changed = ids.clone()
    changed[0, 4] = (ids[0, 4] + 1) % 61
    before, after = (model.train_hidden(each, documents)[0] for each in (ids, changed))
    torch.testing.assert_close(before[0, 13:], after[0, 13:])
    torch.testing.assert_close(before[1], model.hidden(ids)[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before[0, 4:13], after[0, 4:13])


def test_recomputed_gradients_are_the_same(config):
    gradients = []
    for recompute in (False, True):
        model = made(config).train()
        model.recompute = recompute
        hidden, loss = model.train_hidden(draw(2, 24))
        total = model.head(hidden).logsumexp(-1).mean() + (0 if loss is None else loss)
        total.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        gradients.append([parameter.grad for parameter in model.parameters()])
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, again)


def test_each_token_goes_through_its_experts():
    config = CHOICES["mixtral"]
    experts = made(config).blocks[0].mlp
    tokens = torch.randn(50, config.width, generator=torch.Generator().manual_seed(0))
    found, _ = experts(tokens)
    routes = experts.route(tokens)
    for row in range(50):
        expected = 0
        for expert, weight in zip(routes.experts[row].tolist(), routes.weights[row].tolist(), strict=True):
            inner = nn.functional.silu(tokens[row] @ experts.gate[expert]) * (tokens[row] @ experts.up[expert])
            expected = expected + weight * (inner @ experts.down[expert])
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-4)
    everywhere = nn.functional.linear(tokens, experts.router.weight).softmax(-1).topk(2)
    torch.testing.assert_close(routes.weights, everywhere.values / everywhere.values.sum(-1, keepdim=True))


def test_a_full_expert_drops_the_last_choices():
    config = dataclasses.replace(CHOICES["mixtral"], mixture=Mixture(4, 2, capacity=0.5))
    experts = made(config).blocks[0].mlp.train()
    routes = experts.route(torch.randn(64, config.width, generator=torch.Generator().manual_seed(0)))
    room = int(0.5 * 64 * 2 / 4)
    for expert in range(4):
        taken = (routes.experts == expert) & (routes.weights > 0)
        wanted = routes.experts == expert
        assert int(taken.sum()) == min(room, int(wanted.sum()))
        places = torch.nonzero(wanted.t().flatten())[:, 0]  # first choices of all tokens, then second ones
        assert torch.equal(torch.nonzero(taken.t().flatten())[:, 0], places[:room])
    assert (experts.eval().route(torch.randn(64, config.width)).weights > 0).all()


def test_the_balancing_loss_is_1_where_all_experts_are_used_alike():
    experts = made(CHOICES["mixtral"]).blocks[0].mlp
    tokens = torch.eye(32)[:4].repeat(5, 1)
    with torch.no_grad():
        experts.router.weight.zero_()
        experts.router.weight[:, :4] = 20 * (torch.eye(4) + torch.eye(4).roll(1, 0))
    routes = experts.route(tokens)
    assert routes.balance.item() == pytest.approx(1.0, abs=1e-4)
    logits = nn.functional.linear(tokens, experts.router.weight)
    assert routes.router_z.item() == pytest.approx(logits.exp().sum(-1).log().square().mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "millions", "active"),
    [
        ("gpt1", 116.5, 116.5),
        ("gpt2", 124.4, 124.4),
        ("gpt3-125m", 125.2, 125.2),
        ("gpt3-13b", 12_853, 12_853),
        ("gpt3-175b", 174_600, 174_600),
        ("llama-7b", 6738, 6738),
        ("llama-13b", 13_016, 13_016),
        ("llama2-70b", 68_977, 68_977),
        ("llama3-8b", 8030, 8030),
        ("llama3-70b", 70_554, 70_554),
        ("llama3.2-1b", 1236, 1236),
        ("llama3.2-3b", 3213, 3213),
        ("mixtral-8x7b", 46_703, 12_879),
        ("gpt-oss-20b", 20_915, 3609),
        ("gpt-oss-120b", 116_829, 5133),
        ("gpt4-rumoured", 1_870_829, 285_305),
    ],
)
def test_published_models_have_the_published_size(name, millions, active):
    config = preset(name)
    assert parameter_count(config) / 1e6 == pytest.approx(millions, rel=2e-3)
    # gpt-oss's own figure leaves the embedding out
    idle = config.vocab_size * config.width if name.startswith("gpt-oss") else 0
    assert (active_parameters(config) - idle) / 1e6 == pytest.approx(active, rel=2e-2)


def test_notes_are_of_presets():
    assert set(NOTES) <= set(PRESETS)


def test_operations_of_gpt2_are_those_of_its_formula():
    config = preset("gpt2")
    expected = 6 * (124_439_808 - 1024 * 768) + 12 * 12 * 768 * 1024
    assert flops_per_token(config) == expected
    banded = dataclasses.replace(config, attention=("local:1",))
    assert flops_per_token(banded) == 6 * (124_439_808 - 1024 * 768) + 12 * 12 * 768


@pytest.mark.parametrize(
    "change",
    [
        {"kv_heads": 3},
        {"positions": "alibi"},
        {"attention": ()},
        {"attention": ("band:3",)},
        {"norm_epsilon": 0.0},
        {"head_width": 7, "positions": "rope"},
        {"logit_softcap": -1.0},
    ],
)
def test_impossible_choices_are_refused(change):
    with pytest.raises(ValueError, match=r"\w"):
        dataclasses.replace(PLAIN, **change)


@pytest.mark.parametrize(
    "values", [{"experts": 2, "active": 3}, {"experts": 0, "active": 0}, {"experts": 4, "capacity": 0}]
)
def test_impossible_mixtures_are_refused(values):
    with pytest.raises(ValueError, match=r"experts|capacity"):
        Mixture(**values)
