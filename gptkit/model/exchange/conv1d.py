"""What GPT-1 and GPT-2 share as transformers writes them: matrices are [in, out], ours [out, in]; queries, keys and
values come from one product, all queries first, ours by head."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig
from gptkit.model.exchange.form import Tensors, join_heads, number, split_heads

PREFIX, HEAD = "transformer.", "lm_head.weight"
MATRIX = re.compile(r"(qkv|out|up|down)\.weight$")
NAME = re.compile(r"(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$")
THEIR_NAME = re.compile(r"(?:h\.(\d+)\.)?(.+)\.(weight|bias)$")
BUFFERS = (".attn.bias", ".attn.masked_bias", "position_ids")  # of older files: causal masks and counted places
BLOCK = {  # ours: theirs
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
}


class Conv1D:
    """Names and shapes of one of the two; `outside`: our names of what is in no block, and theirs."""

    def __init__(self, outside: Mapping[str, str]) -> None:
        self.theirs = {**outside, **BLOCK}
        self.ours = {theirs: ours for ours, theirs in self.theirs.items()}

    def give(self, tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
        """Form.give."""
        given = {}
        for name, tensor in tensors.items():
            found = NAME.fullmatch(name)
            assert found, name
            layer, part, kind = found.groups()
            if part == "attention.qkv":
                tensor = torch.cat(split_heads(tensor, config))
            if MATRIX.search(name):
                tensor = tensor.t()
            given[f"{PREFIX}{f'h.{layer}.' if layer else ''}{self.theirs[part]}.{kind}"] = tensor.contiguous()
        return given

    def take(self, tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
        """Form.take."""
        taken = {}
        for name, tensor in tensors.items():
            found = THEIR_NAME.fullmatch(name.removeprefix(PREFIX))
            assert found, name
            layer, part, kind = found.groups()
            ours = f"{f'blocks.{layer}.' if layer else ''}{self.ours[part]}.{kind}"
            if MATRIX.search(ours):
                tensor = tensor.t()
            if self.ours[part] == "attention.qkv":
                queries, keys, values = tensor.chunk(3)
                tensor = join_heads(queries, keys, values, config)
            taken[ours] = tensor.contiguous()
        return taken

    def tidy(self, tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
        """Form.tidy. Older files have no prefix, hold buffers, or the head as well, which is the embedding."""
        found = {}
        for name, tensor in tensors.items():
            if not name.endswith(BUFFERS):
                found[name if name.startswith((PREFIX, "lm_head.")) else PREFIX + name] = tensor
        drop_tied_head(found, f"{PREFIX}{self.theirs['embedding']}.weight")
        return found


def describe_sizes(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    """The fields of config.json that both have."""
    return {
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "initializer_range": 0.02,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
    }


def read_sizes(value: Mapping[str, Any], dropout: float) -> dict[str, Any]:
    """What these say of a configuration; `dropout` is what is meant where it is not said."""
    return {
        "vocab_size": value["vocab_size"],
        "context": value["n_positions"],
        "layers": value["n_layer"],
        "heads": value["n_head"],
        "width": value["n_embd"],
        "norm_epsilon": number(value, "layer_norm_epsilon", 1e-5),
        "dropout": number(value, "resid_pdrop", dropout),
    }


def drop_tied_head(tensors: dict[str, Tensor], embedding: str) -> None:
    """Takes out a head that a tied model's file holds beside its embedding. Raises ValueError where they differ."""
    head = tensors.pop(HEAD, None)
    if head is not None and not torch.equal(head, tensors.get(embedding, torch.empty(0))):
        raise ValueError("its head is not its token embedding, which config.json says it is")
