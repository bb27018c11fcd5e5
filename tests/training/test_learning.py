"""Small models of every family learn to copy: random tokens, then the same again, whose second half is predicted."""

import pytest
import torch

from gptkit.model.config import Mixture, ModelConfig, RopeScaling
from gptkit.model.transformer import Transformer
from gptkit.training.loss import linear_cross_entropy
from gptkit.training.optimiser import Optimiser
from gptkit.training.settings import TrainSettings

VOCABULARY, HALF = 24, 12  # tokens
EXPERTS = 8
BATCH, RATE, WARMUP = 32, 0.01, 20
BALANCE = 0.05  # at this rate 0.01 leaves an expert idle for a hundred steps now and then
LEAST = 0.02  # of the choices of a layer, for an expert; an even share is 0.125
LLAMA = {"norm": "rms", "positions": "rope", "activation": "swiglu", "bias": False, "tied": False, "mlp_width": 96}
FAMILIES = {
    "gpt1": {"norm_first": False},
    "gpt2": {},
    "gpt3": {"attention": ("local:4", "dense")},
    "llama": {**LLAMA, "kv_heads": 2},
    "mixtral": {**LLAMA, "mlp_width": 48, "kv_heads": 2, "mixture": Mixture(EXPERTS, 2, balance=BALANCE)},
    "gpt-oss": {
        "norm": "rms",
        "positions": "rope",
        "rope_theta": 150_000.0,
        "rope_scaling": RopeScaling("yarn", 32.0, 1.0, 32.0, 4096, truncate=False),
        "activation": "clamped_swiglu",
        "tied": False,
        "kv_heads": 2,
        "mlp_width": 48,
        "attention": ("local:4", "dense"),
        "sinks": True,
        "mixture": Mixture(EXPERTS, 2, balance=BALANCE),
    },
    "speed run": {
        "norm": "rms",
        "positions": "rope",
        "activation": "relu2",
        "bias": False,
        "tied": False,
        "qk_norm": True,
        "logit_softcap": 15.0,
    },
}


def sequences(generator, rows):
    """Random tokens twice, int64 [rows, 2 · HALF]."""
    return torch.randint(VOCABULARY, (rows, HALF), generator=generator).repeat(1, 2)


def train(model, steps, until=0.0):
    """Steps of Muon, at most so many; gives the routers' loss of each."""
    optimiser = Optimiser(model, TrainSettings(optimiser="muon"), RATE)
    generator = torch.Generator().manual_seed(0)
    routing = []
    for step in range(steps):
        ids = sequences(generator, BATCH)
        hidden, router = model.train_hidden(ids[:, :-1])
        loss = linear_cross_entropy(
            hidden[:, HALF - 1 :].flatten(0, 1),
            model.head_weight,
            ids[:, HALF:].flatten(),
            torch.float32,
            model.config.logit_softcap,
        )
        (loss if router is None else loss + router).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step(min(1.0, (step + 1) / WARMUP))
        optimiser.zero_grad()
        routing.append(0.0 if router is None else router.item())
        if loss < until:
            break
    return routing


def shares(model, ids):
    """Which share of the choices each expert of each layer gets, float32 [layers, experts]."""
    found = []
    watched = [
        block.mlp.register_forward_hook(
            lambda part, given, _: found.append(part.route(given[0].flatten(0, -2)).experts)
        )
        for block in model.blocks
    ]
    with torch.no_grad():
        model.hidden(ids)
    for hook in watched:
        hook.remove()
    return torch.stack([each.flatten().bincount(minlength=EXPERTS) / each.numel() for each in found])


@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_to_copy(family):
    model = Transformer(ModelConfig(VOCABULARY, 2 * HALF, 2, 4, 64, **FAMILIES[family]))
    train(model, 900, until=0.005)
    fresh = sequences(torch.Generator().manual_seed(1), 200)
    with torch.no_grad():
        predicted = model.eval()(fresh[:, :-1])[:, HALF - 1 :].argmax(dim=-1)
    assert (predicted == fresh[:, HALF:]).float().mean() > 0.99
    if model.config.mixture:
        assert shares(model, fresh).min() > LEAST


@pytest.mark.parametrize("balance", [0.0, 0.1])
def test_the_balance_loss_brings_back_experts_that_nobody_chose(balance):
    shape = {**FAMILIES["gpt2"], "mlp_width": 48, "mixture": Mixture(EXPERTS, 2, balance=balance, router_z=0.0)}
    model = Transformer(ModelConfig(VOCABULARY, 2 * HALF, 2, 4, 64, **shape))
    for block in model.blocks:
        block.mlp.router.bias.data[:2] = 2.0
    fresh = sequences(torch.Generator().manual_seed(1), 50)
    before = shares(model, fresh)
    assert before[:, 2:].max() == 0
    routing = train(model, 100)
    if balance:
        assert routing[-1] < 0.6 * routing[0]
    assert (shares(model, fresh).min() > LEAST) == bool(balance)
