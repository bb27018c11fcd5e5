"""Small models of the family, for tests."""

import dataclasses

import torch

from gptkit.model.config import Mixture, RopeScaling
from gptkit.model.transformer import Transformer


def made(config, seed=1):
    """A model far from its start, where most logits are alike."""
    model = Transformer(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def llama(plain):
    """Llama's choices in the size of a plain configuration."""
    return dataclasses.replace(
        plain,
        kv_heads=plain.heads // 2,
        mlp_width=40,
        positions="rope",
        norm="rms",
        activation="swiglu",
        bias=False,
        tied=False,
    )


def gpt_oss(plain, window):
    """gpt-oss's choices, with a window of so many tokens in every second layer."""
    return dataclasses.replace(
        llama(plain),
        head_width=16,
        bias=True,
        activation="clamped_swiglu",
        sinks=True,
        attention=(f"local:{window}", "dense"),
        rope_scaling=RopeScaling("yarn", 4.0, 1.0, 32.0, 12, truncate=False),
        mixture=Mixture(4, 3),
    )
