"""Models with a name: the published ones, and small ones for a processor without a GPU.

What a paper prints and cannot be, or does not print at all, is said in `NOTES`.
"""

import dataclasses
import difflib
from typing import Any

from gptkit.errors import UsageError
from gptkit.model.config import Mixture, ModelConfig, RopeScaling

GPT2_TOKENS = 50_257
BAND = 256  # tokens; GPT-3's is not published
ALTERNATING = (f"local:{BAND}", "dense")  # nor is which layers are which: as in gpt-oss, the first one is banded


def _gpt2(layers: int, heads: int, width: int, context: int = 1024, **choices: Any) -> ModelConfig:
    """Radford et al. 2019, table 2, with the parameter counts of the released models."""
    return ModelConfig(GPT2_TOKENS, context, layers, heads, width, **choices)


def _gpt3(layers: int, heads: int, width: int) -> ModelConfig:
    """Brown et al. 2020, table 2.1."""
    return _gpt2(layers, heads, width, 2048, attention=ALTERNATING)


def _llama(
    layers: int, width: int, heads: int, mlp_width: int, context: int, vocab_size: int = 32_000, **choices: Any
) -> ModelConfig:
    """Touvron et al. 2023 and after: RMSNorm, rotary positions, SwiGLU, no biases, a head of its own."""
    shape: dict[str, Any] = {"norm": "rms", "positions": "rope", "activation": "swiglu", "bias": False, "tied": False}
    return ModelConfig(vocab_size, context, layers, heads, width, mlp_width=mlp_width, **{**shape, **choices})


def _llama3(layers: int, width: int, heads: int, mlp_width: int, context: int = 8192, **choices: Any) -> ModelConfig:
    shape: dict[str, Any] = {"vocab_size": 128_256, "kv_heads": 8, "rope_theta": 500_000.0}
    return _llama(layers, width, heads, mlp_width, context, **{**shape, **choices})


def _stretched(factor: float) -> RopeScaling:
    return RopeScaling("llama3", factor, 1.0, 4.0, 8192)


def _gpt_oss(layers: int, experts: int) -> ModelConfig:
    """OpenAI 2025."""
    return ModelConfig(
        vocab_size=201_088,
        context=131_072,
        layers=layers,
        heads=64,
        width=2880,
        kv_heads=8,
        head_width=64,
        mlp_width=2880,
        positions="rope",
        rope_theta=150_000.0,
        rope_scaling=RopeScaling("yarn", 32.0, 1.0, 32.0, 4096, truncate=False),
        norm="rms",
        activation="clamped_swiglu",
        tied=False,
        attention=("local:128", "dense"),
        sinks=True,
        mixture=Mixture(experts, 4),
    )


PRESETS: dict[str, ModelConfig] = {
    # for a CPU: 1.3M, 2.6M and 11M parameters with 4,096 tokens
    "nano": _gpt2(layers=4, heads=4, width=128, context=256),
    "micro": _gpt2(layers=4, heads=4, width=192, context=256),
    "mini": _gpt2(layers=8, heads=5, width=320, context=512),
    "llama-micro": _llama(4, 192, 4, 512, 256, kv_heads=2, tied=True),
    "moe-micro": _llama(4, 192, 4, 256, 256, kv_heads=2, tied=True, mixture=Mixture(16, 2)),
    "gpt1": ModelConfig(40_478, 512, 12, 12, 768, norm_first=False),
    "gpt2": _gpt2(12, 12, 768),
    "gpt2-medium": _gpt2(24, 16, 1024),
    "gpt2-large": _gpt2(36, 20, 1280),
    "gpt2-xl": _gpt2(48, 25, 1600),
    "gpt3-125m": _gpt3(12, 12, 768),
    "gpt3-350m": _gpt3(24, 16, 1024),
    "gpt3-760m": _gpt3(24, 16, 1536),
    "gpt3-1.3b": _gpt3(24, 16, 2048),
    "gpt3-2.7b": _gpt3(32, 32, 2560),
    "gpt3-6.7b": _gpt3(32, 32, 4096),
    "gpt3-13b": _gpt3(40, 40, 5120),
    "gpt3-175b": _gpt3(96, 96, 12_288),
    "gpt4-small": _gpt2(12, 12, 768, 2048, kv_heads=1, mlp_width=1536, mixture=Mixture(16, 2)),
    "gpt4-rumoured": ModelConfig(100_277, 8192, 120, 120, 15_360, kv_heads=1, mlp_width=30_720, mixture=Mixture(16, 2)),
    "llama-7b": _llama(32, 4096, 32, 11_008, 2048, norm_epsilon=1e-6),
    "llama-13b": _llama(40, 5120, 40, 13_824, 2048, norm_epsilon=1e-6),
    "llama2-7b": _llama(32, 4096, 32, 11_008, 4096),
    "llama2-13b": _llama(40, 5120, 40, 13_824, 4096),
    "llama2-70b": _llama(80, 8192, 64, 28_672, 4096, kv_heads=8),
    "llama3-8b": _llama3(32, 4096, 32, 14_336),
    "llama3-70b": _llama3(80, 8192, 64, 28_672),
    "llama3.1-8b": _llama3(32, 4096, 32, 14_336, 131_072, rope_scaling=_stretched(8.0)),
    "llama3.2-1b": _llama3(16, 2048, 32, 8192, 131_072, rope_scaling=_stretched(32.0), tied=True),
    "llama3.2-3b": _llama3(28, 3072, 24, 8192, 131_072, rope_scaling=_stretched(32.0), tied=True),
    "mixtral-8x7b": _llama(32, 4096, 32, 14_336, 32_768, kv_heads=8, rope_theta=1_000_000.0, mixture=Mixture(8, 2)),
    "gpt-oss-20b": _gpt_oss(24, 32),
    "gpt-oss-120b": _gpt_oss(36, 128),
}

_BAND_NOTE = f"the paper gives neither the width of the band nor which layers have it: here {BAND} tokens, in the first and every second layer"
NOTES: dict[str, str] = {
    **{name: _BAND_NOTE for name in PRESETS if name.startswith("gpt3-")},
    "gpt3-1.3b": f"the paper prints 24 heads of 128, which do not make a width of 2,048: 16 do; {_BAND_NOTE}",
    "gpt3-13b": f"the paper prints a width of 5,140, which 40 heads of 128 do not make: 5,120 is; {_BAND_NOTE}",
    "gpt4-rumoured": "OpenAI has published nothing: 120 layers, 16 experts of 111 billion in their MLPs, 2 of them active, "
    "and 55 billion in attention are a rumour; the width, 1 head of keys and the MLP's width are chosen to fit it",
    "gpt4-small": "of the shape that is rumoured of GPT-4, in the size of GPT-2",
}


def check_preset(name: str) -> None:
    """Raises UsageError for a name that is no preset."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 2)
        hint = f"did you mean {' or '.join(near)}?" if near else "gptkit models lists them"
        raise UsageError(f"unknown model {name!r}; {hint}")


def preset(name: str, vocab_size: int | None = None, context: int | None = None) -> ModelConfig:
    """The configuration of a named model, with another vocabulary or context where they are given.

    Raises UsageError for an unknown name or an impossible size.
    """
    check_preset(name)
    known = PRESETS[name]
    try:
        return dataclasses.replace(known, vocab_size=vocab_size or known.vocab_size, context=context or known.context)
    except ValueError as error:
        raise UsageError(f"model {name}: {error}") from None
