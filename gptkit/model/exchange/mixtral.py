"""Mixtral as transformers writes it: Llama with experts, and a window that all layers have or none.

Each expert's three matrices stand alone, [out, in]: w1 is the gate, w3 goes up, w2 down. Version 5 of transformers
holds them stacked, gate and up in one, and still writes them so; files that hold them stacked are read too.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig
from gptkit.model.exchange import llama
from gptkit.model.exchange.experts import describe_experts, read_experts
from gptkit.model.exchange.form import Form, Tensors, whole

MOE = "block_sparse_moe"
EXPERTS = {"mlp.gate": "w1", "mlp.up": "w3", "mlp.down": "w2"}  # ours: theirs
OURS = {theirs: ours for ours, theirs in EXPERTS.items()}
NAME = re.compile(r"blocks\.(\d+)\.(mlp\.(?:gate|up|down|router\.weight))$")
ROUTER = re.compile(rf"model\.layers\.(\d+)\.{MOE}\.gate\.weight$")
EXPERT = re.compile(rf"model\.layers\.(\d+)\.{MOE}\.experts\.(\d+)\.(w[123])\.weight$")
STACKED = re.compile(rf"(model\.layers\.\d+\.{MOE}\.experts)\.(gate_up_proj|down_proj)(?:\.weight)?$")
FIXED = {"attention_bias": (False,), "mlp_bias": (False,), "router_jitter_noise": (0.0,)}


def _fits(config: ModelConfig) -> bool:
    mixture = config.mixture
    if mixture is None or mixture.capacity is not None or config.bias or not llama.of_family(config):
        return False
    return len(config.attention) == 1 and config.pattern(0).name in ("dense", "local")


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        **llama.describe_family(config, end_of_text),
        "sliding_window": config.pattern(0).window,
        **describe_experts(config),
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    dense = value.get("sliding_window") is None
    attention = "dense" if dense else f"local:{whole(value, 'sliding_window', 0)}"
    shared = llama.read_family({"num_key_value_heads": 8, **value}, FIXED, 1_000_000.0, 1e-5)
    return ModelConfig(**shared, bias=False, attention=(attention,), mixture=read_experts(value, 8, 2))


def _give(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    given = {}
    rest = {}
    for name, tensor in tensors.items():
        found = NAME.fullmatch(name)
        if not found:
            rest[name] = tensor
            continue
        layer, part = found.groups()
        where = f"model.layers.{layer}.{MOE}"
        if part == "mlp.router.weight":
            given[f"{where}.gate.weight"] = tensor
        else:
            for expert, matrix in enumerate(tensor):
                given[f"{where}.experts.{expert}.{EXPERTS[part]}.weight"] = matrix.t().contiguous()
    return given | llama.give(rest, config)


def _take(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    assert config.mixture is not None
    taken = {}
    rest = {}
    for name, tensor in tensors.items():
        if found := ROUTER.fullmatch(name):
            taken[f"blocks.{found[1]}.mlp.router.weight"] = tensor
        elif found := EXPERT.fullmatch(name):
            layer, expert, theirs = found.groups()
            if expert == "0":
                matrices = [
                    tensors[f"model.layers.{layer}.{MOE}.experts.{each}.{theirs}.weight"].t()
                    for each in range(config.mixture.experts)
                ]
                taken[f"blocks.{layer}.{OURS[theirs]}"] = torch.stack(matrices)
        else:
            rest[name] = tensor
    return taken | llama.take(rest, config)


def _tidy(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    assert config.mixture is not None
    experts = config.mixture.experts
    named = {name.replace(".mlp.", f".{MOE}.", 1): each for name, each in llama.tidy(tensors, config).items()}
    router = named.get(f"model.layers.0.{MOE}.gate.weight")
    # before a configuration from elsewhere decides how many experts are listed
    if router is None or router.numel() == 0 or len(router) != experts:
        raise ValueError(f"the weights are not those of {experts} experts, as config.json says")
    found = {}
    for name, tensor in named.items():
        stacked = STACKED.fullmatch(name)
        if not stacked:
            found[name] = tensor
            continue
        if tensor.dim() != 3 or len(tensor) != experts:
            raise ValueError(f"{name} has shape {list(tensor.shape)}, and is no stack of {experts} matrices")
        parts = ("w1", "w3") if stacked[2] == "gate_up_proj" else ("w2",)
        for expert, matrix in enumerate(tensor):
            for theirs, part in zip(parts, matrix.tensor_split(len(parts)), strict=True):
                found[f"{stacked[1]}.{expert}.{theirs}.weight"] = part
    return found


MIXTRAL = Form("mixtral", _fits, _describe, _read, _give, _take, _tidy)
