import math

import pytest
import torch

from gptkit.model.config import ModelConfig
from gptkit.model.transformer import Transformer
from gptkit.training.optimiser import Optimiser
from gptkit.training.settings import TrainSettings

RATE = 0.01
CONFIG = ModelConfig(vocab_size=50, context=8, layers=2, heads=2, width=16)


def updates(kind, gradient, share=1.0):
    """Every parameter before and after one step, by name."""
    model = Transformer(CONFIG)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser = Optimiser(model, TrainSettings(optimiser=kind, weight_decay=0.5), RATE)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator) * gradient
    optimiser.step(share)
    return {name: (before[name], parameter.detach()) for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_only_matrices_decay(kind):
    for name, (before, after) in updates(kind, gradient=0.0, share=0.2).items():
        rate = 0.2 * RATE * (1 if kind == "adamw" or name.startswith("blocks.") else 2)
        decay = 1 - rate * 0.5 if before.dim() == 2 else 1
        torch.testing.assert_close(after, before * decay)


def test_the_first_step_of_adamw_has_the_length_of_the_rate():
    for before, after in updates("adamw", gradient=3.0).values():
        decayed = before * (1 - RATE * 0.5) if before.dim() == 2 else before
        torch.testing.assert_close((after - decayed).abs(), torch.full_like(after, RATE), rtol=1e-2, atol=0)


def test_muon_updates_the_matrices_of_blocks_orthogonally():
    for name, (before, after) in updates("muon", gradient=3.0).items():
        if before.dim() == 1:
            continue
        if name in ("embedding.weight", "positions.weight"):  # AdamW's
            change = after - before * (1 - 2 * RATE * 0.5)
            torch.testing.assert_close(change.abs(), torch.full_like(change, 2 * RATE), rtol=1e-2, atol=0)
            continue
        change = after - before * (1 - RATE * 0.5)
        values = torch.linalg.svdvals(change) / (RATE * 0.2 * math.sqrt(max(before.shape)))
        assert 0.5 < values.min() <= values.max() < 1.5
