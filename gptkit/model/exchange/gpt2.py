"""GPT-2 as transformers writes it. Its matrices are [in, out], ours [out, in]."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig
from gptkit.model.exchange.form import Form, Tensors, check_fixed, join_heads, split_heads

PREFIX = "transformer."
NAMES = {  # ours: theirs
    "embedding": "wte",
    "positions": "wpe",
    "norm": "ln_f",
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
}
OURS = {theirs: ours for ours, theirs in NAMES.items()}
MATRIX = re.compile(r"(qkv|out|up|down)\.weight$")
NAME = re.compile(r"(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$")
THEIR_NAME = re.compile(r"(?:h\.(\d+)\.)?(.+)\.(weight|bias)$")
ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
FIXED = {  # what a configuration may say and our model does not do otherwise
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}


def _fits(config: ModelConfig) -> bool:
    plain = ModelConfig(
        config.vocab_size,
        config.context,
        config.layers,
        config.heads,
        config.width,
        mlp_width=config.mlp_width,
        norm_epsilon=config.norm_epsilon,
        activation=config.activation,
        dropout=config.dropout,
    )
    return config == plain and config.activation in ACTIVATIONS.values()


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": None if config.mlp_width == 4 * config.width else config.mlp_width,
        "activation_function": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation),
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "initializer_range": 0.02,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
        **{name: allowed[0] for name, allowed in FIXED.items()},
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    check_fixed(value, FIXED | {"activation_function": tuple(ACTIVATIONS)})
    return ModelConfig(
        value["vocab_size"],
        value["n_positions"],
        value["n_layer"],
        value["n_head"],
        value["n_embd"],
        mlp_width=value.get("n_inner") or 0,
        activation=ACTIVATIONS[value.get("activation_function", "gelu_new")],  # type: ignore[arg-type]
        norm_epsilon=value.get("layer_norm_epsilon", 1e-5),
        dropout=value.get("resid_pdrop", 0.0),
    )


def _give(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    given = {}
    for name, tensor in tensors.items():
        found = NAME.fullmatch(name)
        assert found, name
        layer, part, kind = found.groups()
        if part == "attention.qkv":
            tensor = torch.cat(split_heads(tensor, config))
        if MATRIX.search(name):
            tensor = tensor.t()
        given[f"{PREFIX}{f'h.{layer}.' if layer else ''}{NAMES[part]}.{kind}"] = tensor.contiguous()
    return given


def _take(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    taken = {}
    for name, tensor in tensors.items():
        found = THEIR_NAME.fullmatch(name.removeprefix(PREFIX))
        assert found, name
        layer, part, kind = found.groups()
        ours = f"{f'blocks.{layer}.' if layer else ''}{OURS[part]}.{kind}"
        if MATRIX.search(ours):
            tensor = tensor.t()
        if OURS[part] == "attention.qkv":
            queries, keys, values = tensor.chunk(3)
            tensor = join_heads(queries, keys, values, config)
        taken[ours] = tensor.contiguous()
    return taken


def _tidy(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    """Older files have no prefix, hold causal masks, or the head as well, which is the embedding."""
    found = {}
    for name, tensor in tensors.items():
        if not name.endswith((".attn.bias", ".attn.masked_bias")):
            found[name if name.startswith((PREFIX, "lm_head.")) else PREFIX + name] = tensor
    head = found.pop("lm_head.weight", None)
    if head is not None and not torch.equal(head, found.get(f"{PREFIX}wte.weight", torch.empty(0))):
        raise ValueError("its head is not its token embedding, which GPT-2's is")
    return found


GPT2 = Form("gpt2", _fits, _describe, _read, _give, _take, _tidy)
