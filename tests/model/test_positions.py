"""Rotary positions against transformers' own."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from gptkit.model.config import ModelConfig, RopeScaling
from gptkit.model.positions import Rotary, rotary_frequencies, rotate

SCALINGS = [
    None,
    RopeScaling("llama3", 8.0, 1.0, 4.0, 8192),
    RopeScaling("llama3", 32.0, 1.0, 4.0, 64),
    RopeScaling("yarn", 32.0, 1.0, 32.0, 4096, truncate=False),
    RopeScaling("yarn", 4.0, 1.0, 32.0, 2048),
    RopeScaling("yarn", 40.0, 2.0, 16.0, 256),
    RopeScaling("yarn", 1.0, 1.0, 32.0, 2048),
]


def configs(scaling, head_width, theta):
    """Ours and transformers'."""
    ours = ModelConfig(
        64, 512, 1, 2, 2 * head_width, positions="rope", rope_theta=theta, rope_scaling=scaling, head_width=head_width
    )
    rope = {"rope_type": "default", "rope_theta": theta}
    if scaling is not None:
        rope |= {
            "rope_type": scaling.kind,
            "factor": scaling.factor,
            "original_max_position_embeddings": scaling.original,
        }
        if scaling.kind == "llama3":
            rope |= {"low_freq_factor": scaling.low, "high_freq_factor": scaling.high}
        else:
            rope |= {"beta_slow": scaling.low, "beta_fast": scaling.high, "truncate": scaling.truncate}
    theirs = LlamaConfig(
        hidden_size=2 * head_width,
        num_attention_heads=2,
        head_dim=head_width,
        rope_parameters=rope,
        max_position_embeddings=int(scaling.original * scaling.factor) if scaling else 512,
    )
    return ours, theirs


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(("head_width", "theta"), [(64, 10_000.0), (128, 500_000.0), (8, 150_000.0)])
def test_frequencies_and_sharpening_are_those_of_transformers(scaling, head_width, theta):
    ours, theirs = configs(scaling, head_width, theta)
    frequencies, sharpening = rotary_frequencies(ours)
    if scaling is None:
        expected, factor = LlamaRotaryEmbedding(theirs).inv_freq, 1.0
    else:
        expected, factor = ROPE_INIT_FUNCTIONS[scaling.kind](theirs, torch.device("cpu"))
    torch.testing.assert_close(frequencies, expected, rtol=1e-5, atol=0)
    assert sharpening == pytest.approx(factor)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_heads_are_turned_as_transformers_turns_them(scaling):
    ours, theirs = configs(scaling, 16, 10_000.0)
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(2, 3, 2, 40, 16, generator=generator)
    cosines, sines = LlamaRotaryEmbedding(theirs)(queries, torch.arange(40)[None])
    expected = apply_rotary_pos_emb(queries, keys, cosines, sines)
    tables = [table[:40] for table in Rotary(ours).tables(queries)]
    for mine, hers in zip((queries, keys), expected, strict=True):
        torch.testing.assert_close(rotate(mine, *tables), hers, rtol=1e-4, atol=1e-4)


def test_tables_are_as_long_as_the_context_in_the_dtype_that_is_asked_for():
    config = ModelConfig(64, 30, 1, 2, 16, positions="rope")
    rotary = Rotary(config)
    for dtype in (torch.float32, torch.bfloat16):
        cosines, sines = rotary.tables(torch.empty(0, dtype=dtype))
        assert cosines.shape == sines.shape == (30, 8)
        assert cosines.dtype == sines.dtype == dtype
    exact = rotary.tables(torch.empty(0))
    # rounded once, from float32: not computed in bf16, where places over 256 would fall together
    assert torch.equal(rotary.tables(torch.empty(0, dtype=torch.bfloat16))[0], exact[0].bfloat16())


def test_only_the_distance_of_two_places_matters():
    config = ModelConfig(64, 64, 1, 2, 32, positions="rope")
    tables = Rotary(config).tables(torch.empty(0))
    query, key = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    turned = [rotate(each.expand(1, 1, 64, 16), *tables)[0, 0] for each in (query, key)]
    scores = turned[0] @ turned[1].T
    for distance in (0, 7, 40):
        along = scores.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=1e-4, atol=1e-4)
