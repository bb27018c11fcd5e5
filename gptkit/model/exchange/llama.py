"""Llama 1 to 3 as transformers writes it, and what Mixtral and gpt-oss share with it.

It says dropout of attention weights alone; we take it for all places where we have dropout, and write ours so.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gptkit.model.config import ModelConfig
from gptkit.model.exchange.conv1d import drop_tied_head
from gptkit.model.exchange.form import Form, Tensors, check_fixed, join_heads, number, split_heads
from gptkit.model.exchange.rope import describe_rope, read_rope

PREFIX = "model."
EMBEDDING = "model.embed_tokens.weight"
OUTSIDE = {"embedding": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}  # ours: theirs
BLOCK = {
    "attention_norm": "input_layernorm",
    "attention.out": "self_attn.o_proj",
    "mlp_norm": "post_attention_layernorm",
    "mlp.gate": "mlp.gate_proj",
    "mlp.up": "mlp.up_proj",
    "mlp.down": "mlp.down_proj",
}
QKV = ("q_proj", "k_proj", "v_proj")
OURS = {theirs: ours for ours, theirs in (OUTSIDE | BLOCK).items()}
NAME = re.compile(r"(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$")
THEIR_NAME = re.compile(r"(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$")
FAMILY: dict[str, Any] = {  # what our configuration says of every model of the family
    "positions": "rope",
    "norm": "rms",
    "norm_first": True,
    "activation": "swiglu",
    "qk_norm": False,
    "sinks": False,
    "logit_softcap": 0.0,
}
FIXED: dict[str, tuple[Any, ...]] = {  # what a configuration may say and our model does not do otherwise
    "hidden_act": ("silu", "swish"),
    "tie_word_embeddings": (False, True),
    "original_max_position_embeddings": (None,),  # Phi-3's
    "partial_rotary_factor": (1.0, None),
}


LONGEST = 1 << 24  # tokens of context


def of_family(config: ModelConfig) -> bool:
    """Whether a configuration is Llama's but for attention patterns, biases and experts."""
    return all(getattr(config, name) == value for name, value in FAMILY.items())


def describe_family(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    """The fields of config.json that all of them have."""
    return {
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context,
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_epsilon,
        "attention_dropout": config.dropout,
        "tie_word_embeddings": config.tied,
        "initializer_range": 0.02,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
        **describe_rope(config.rope_theta, config.rope_scaling),
    }


def read_family(
    value: Mapping[str, Any], fixed: Mapping[str, tuple[Any, ...]], theta: float, epsilon: float
) -> dict[str, Any]:
    """The fields of ModelConfig that all of them have. What stands for it where a field is left out: `theta` and `epsilon`."""
    check_fixed(value, {**FIXED, **fixed})
    context = value["max_position_embeddings"]
    if isinstance(context, int) and context > LONGEST:  # no weight's shape says whether it is so
        raise ValueError(f"max_position_embeddings is {context}, and at most {LONGEST:,} are supported")
    base, scaling = read_rope(value, theta, context)
    return {
        **FAMILY,
        "vocab_size": value["vocab_size"],
        "context": context,
        "layers": value["num_hidden_layers"],
        "heads": value["num_attention_heads"],
        "width": value["hidden_size"],
        "kv_heads": value.get("num_key_value_heads") or 0,
        "head_width": value.get("head_dim") or 0,
        "mlp_width": value["intermediate_size"],
        "rope_theta": base,
        "rope_scaling": scaling,
        "norm_epsilon": number(value, "rms_norm_eps", epsilon),
        "tied": value.get("tie_word_embeddings", False),
        "dropout": number(value, "attention_dropout", 0.0),
    }


def give(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    """Form.give; names that are not Llama's stay as they are."""
    given = {}
    for name, tensor in tensors.items():
        found = NAME.fullmatch(name)
        layer, part, kind = found.groups() if found else (None, "", "")
        where = f"{PREFIX}layers.{layer}." if layer else ""
        if part == "attention.qkv":
            for theirs, rows in zip(QKV, split_heads(tensor, config), strict=True):
                given[f"{where}self_attn.{theirs}.{kind}"] = rows.contiguous()
        elif part in OUTSIDE or part in BLOCK:
            given[f"{where}{(OUTSIDE | BLOCK)[part]}.{kind}"] = tensor.contiguous()
        else:
            given[name] = tensor
    return given


def take(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    """Form.take; names that are not Llama's stay as they are."""
    taken = {}
    for name, tensor in tensors.items():
        found = THEIR_NAME.fullmatch(name)
        layer, part, kind = found.groups() if found else (None, "", "")
        where = f"blocks.{layer}." if layer else ""
        if part == "self_attn.q_proj":
            rows = [tensors[name.replace("q_proj", theirs)] for theirs in QKV]
            taken[f"{where}attention.qkv.{kind}"] = join_heads(rows[0], rows[1], rows[2], config).contiguous()
        elif part in OURS:
            taken[f"{where}{OURS[part]}.{kind}"] = tensor.contiguous()
        elif not part.startswith("self_attn."):
            taken[name] = tensor
    return taken


def tidy(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    """Form.tidy: older files hold the frequencies of rotary positions, some no prefix, or a tied head as well."""
    found = {}
    for name, tensor in tensors.items():
        if not name.endswith("rotary_emb.inv_freq"):
            found[name if name.startswith((PREFIX, "lm_head.")) else PREFIX + name] = tensor
    if config.tied:
        drop_tied_head(found, EMBEDDING)
    return found


def _fits(config: ModelConfig) -> bool:
    plain = config.attention == ("dense",) and config.mixture is None
    return plain and of_family(config) and config.width % config.heads == 0  # which transformers insists on


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **describe_family(config, end_of_text),
        "attention_bias": config.bias,
        "mlp_bias": config.bias,
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    bias = value.get("attention_bias", False)
    fixed = {"attention_bias": (False, True), "mlp_bias": (bias,), "sliding_window": (None,)}
    if value.get("mlp_bias", False) != bias:
        raise ValueError(f"attention_bias is {bias!r} and mlp_bias is not, and only both or neither are supported")
    return ModelConfig(**read_family(value, fixed, 10_000.0, 1e-6), bias=bias)


LLAMA = Form("llama", _fits, _describe, _read, give, take, tidy)
