"""gpt-oss as transformers writes it: Llama with biases, sinks, experts, and a window in some of the layers.

The matrices of experts are stacked, [experts, in, out] as ours; gate and up are one, their columns in turn. What OpenAI
has published is quantised (MXFP4), and has to be written in bf16 by transformers before it is read here.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig
from gptkit.model.exchange import llama
from gptkit.model.exchange.experts import describe_experts, read_experts
from gptkit.model.exchange.form import Form, Tensors
from gptkit.model.mlp import LIMIT, SLOPE
from gptkit.model.patterns import parse_pattern

SAME = {  # ours: theirs
    "attention.sinks": "self_attn.sinks",
    "mlp.router.weight": "mlp.router.weight",
    "mlp.router.bias": "mlp.router.bias",
    "mlp.down": "mlp.experts.down_proj",
    "mlp.down_bias": "mlp.experts.down_proj_bias",
}
PAIRS = {  # our gate: theirs, with our up
    "mlp.gate": "mlp.experts.gate_up_proj",
    "mlp.gate_bias": "mlp.experts.gate_up_proj_bias",
}
OURS = {theirs: ours for ours, theirs in (SAME | PAIRS).items()}
NAME = re.compile(r"blocks\.(\d+)\.(.+)$")
THEIR_NAME = re.compile(r"model\.layers\.(\d+)\.(.+)$")
FAMILY = {**llama.FAMILY, "activation": "clamped_swiglu", "sinks": True, "bias": True}
FIXED = {"attention_bias": (True,), "swiglu_limit": (LIMIT,), "swiglu_alpha": (SLOPE,)}
WINDOW = 128  # what stands in for a window, which its class needs even where no layer has one
DENSE, SLIDING = "full_attention", "sliding_attention"


def _windows(config: ModelConfig) -> list[int | None] | None:
    """The window of each layer, None for a dense one; None for all where there are several, or other patterns."""
    patterns = [config.pattern(layer) for layer in range(config.layers)]
    plain = all(pattern.name in ("dense", "local") for pattern in patterns)
    return (
        [pattern.window for pattern in patterns] if plain and len({*patterns} - {parse_pattern("dense")}) <= 1 else None
    )


def _fits(config: ModelConfig) -> bool:
    alike = all(getattr(config, name) == value for name, value in FAMILY.items())
    return alike and config.mixture is not None and config.mixture.capacity is None and _windows(config) is not None


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    shared = llama.describe_family(config, end_of_text)
    windows = _windows(config) or []
    return {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        **shared,
        # said here too, because its class takes an absent scaling for YaRN
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta, **(shared["rope_scaling"] or {})},
        "sliding_window": next((window for window in windows if window), WINDOW),
        "layer_types": [SLIDING if window else DENSE for window in windows],
        **describe_experts(config),
        **{name: allowed[0] for name, allowed in FIXED.items()},
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    if not value.get("rope_scaling") and not value.get("rope_parameters"):
        raise KeyError("rope_scaling")
    layers, window = value["num_hidden_layers"], value.get("sliding_window", WINDOW)
    kinds = value.get("layer_types") or [SLIDING, DENSE]
    if not isinstance(kinds, list) or not all(kind in (DENSE, SLIDING) for kind in kinds):
        raise ValueError(f"layer_types are {kinds!r}, and each must be {DENSE} or {SLIDING}")
    if value.get("layer_types") and len(kinds) != layers:
        raise ValueError(f"layer_types names {len(kinds)} layers, and there are {layers}")
    if SLIDING in kinds and not isinstance(window, int):
        raise ValueError(f"sliding_window is {window!r} and must be a whole number")
    attention = tuple(f"local:{window}" if kind == SLIDING else "dense" for kind in kinds)
    shared = llama.read_family({"num_key_value_heads": 8, "head_dim": 64, **value}, FIXED, 150_000.0, 1e-5)
    return ModelConfig(**(shared | FAMILY), attention=_cycle(attention), mixture=read_experts(value, 128, 4))


def _cycle(attention: tuple[str, ...]) -> tuple[str, ...]:
    """The shortest beginning that gives the whole when it is repeated."""
    for length in range(1, len(attention)):
        if all(each == attention[place % length] for place, each in enumerate(attention)):
            return attention[:length]
    return attention


def _give(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    given, rest = {}, {}
    for name, tensor in tensors.items():
        found = NAME.fullmatch(name)
        layer, part = found.groups() if found else ("", "")
        if part in SAME:
            given[f"model.layers.{layer}.{SAME[part]}"] = tensor
        elif part in PAIRS:
            up = tensors[name.replace("gate", "up")]
            given[f"model.layers.{layer}.{PAIRS[part]}"] = torch.stack([tensor, up], dim=-1).flatten(-2)
        elif not part.startswith("mlp."):
            rest[name] = tensor
    return given | llama.give(rest, config)


def _take(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    taken, rest = {}, {}
    for name, tensor in tensors.items():
        found = THEIR_NAME.fullmatch(name)
        layer, part = found.groups() if found else ("", "")
        ours = f"blocks.{layer}.{OURS.get(part)}"
        if part in SAME.values():
            taken[ours] = tensor
        elif part in OURS:
            taken[ours], taken[ours.replace("gate", "up")] = (tensor[..., n::2].contiguous() for n in (0, 1))
        else:
            rest[name] = tensor
    return taken | llama.take(rest, config)


GPT_OSS = Form("gpt_oss", _fits, _describe, _read, _give, _take, llama.tidy)
