"""Causal self-attention with several heads: what a query sees, and the sum over it."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gptkit.model.cache import Cache
from gptkit.model.chunks import sparse_attention
from gptkit.model.config import ModelConfig
from gptkit.model.patterns import Pattern
from gptkit.model.positions import rotate
from gptkit.model.view import BLOCK, View

DENSE = Pattern("dense", ())
FLEX_HEAD = 16  # FlexAttention takes no narrower head


class Attention(nn.Module):
    """Attention of one layer. Queries, keys and values come from one product, whose rows are grouped by head of keys:
    its queries, its key, its value. So a share of the heads is a share of the rows."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.config = config
        self.layer = layer
        self.pattern = config.pattern(layer)
        each = config.heads // config.kv_heads + 2
        self.qkv = nn.Linear(config.width, config.kv_heads * each * config.head_width, config.bias)
        self.out = nn.Linear(config.heads * config.head_width, config.width, config.bias)
        self.sinks = nn.Parameter(torch.empty(config.heads)) if config.sinks else None
        if config.qk_norm:
            self.query_norm = nn.RMSNorm(config.head_width, config.norm_epsilon)
            self.key_norm = nn.RMSNorm(config.head_width, config.norm_epsilon)

    def forward(self, x: Tensor, view: View, rotary: tuple[Tensor, Tensor] | None, cache: Cache | None) -> Tensor:
        """[B, T, width] → [B, T, width]; with a cache, T tokens that follow those it holds."""
        config = self.config
        batch, new, _ = x.shape
        # the number of heads follows from the product, which may hold a share of them
        split = self.qkv(x).view(batch, new, -1, config.heads // config.kv_heads + 2, config.head_width)
        queries = split[..., :-2, :].flatten(2, 3).transpose(1, 2)  # [B, heads, T, head width]
        keys, values = split[..., -2, :].transpose(1, 2), split[..., -1, :].transpose(1, 2)  # [B, kv heads, T, …]
        if config.qk_norm:
            queries, keys = _normed(queries, self.query_norm), _normed(keys, self.key_norm)
        if rotary is not None:
            queries, keys = rotate(queries, *rotary), rotate(keys, *rotary)
        # float32, where autocast computed norms so; attention takes one dtype
        queries, keys = queries.to(values.dtype), keys.to(values.dtype)
        dropped = 0
        if cache is not None:
            keys, values, dropped = cache.extend(self.layer, keys, values)
        dropout = config.dropout if self.training else 0.0
        mixed = attend(queries, keys, values, view, self.pattern, dropout, self.sinks, dropped)
        return self.out(mixed.transpose(1, 2).reshape(batch, new, -1))


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    view: View,
    pattern: Pattern = DENSE,
    dropout: float = 0.0,
    sinks: Tensor | None = None,
    dropped: int = 0,
) -> Tensor:
    """softmax(QKᵀ/√d)V over what each query sees, [B, heads, T, d].

    queries [B, heads, T, d]; keys and values [B, kv heads, S, d], of all places but the first `dropped`; each of them
    is shared by heads / kv heads queries. sinks: float [heads], a logit in each softmax that stands for no value.
    """
    flex = queries.device.type == "cuda" and view.past == 0 and view.new >= BLOCK and view.starts is None
    flex = flex and not dropout and queries.shape[-1] >= FLEX_HEAD
    if flex and (sinks is not None or not view.plain(pattern)):
        return flex_attention(queries, keys, values, view, pattern, sinks)
    if queries.device.type == "cpu" or sinks is not None:
        return sparse_attention(queries, keys, values, view, pattern, dropout, sinks, dropped)
    plain = view.plain(pattern)
    causal = plain and view.past == 0 and view.new > 1
    mask = None if causal or (plain and view.new == 1) else view.mask(pattern, dropped)
    shared = keys.shape[1] != queries.shape[1]
    return functional.scaled_dot_product_attention(
        queries, keys, values, mask, dropout, is_causal=causal, enable_gqa=shared
    )


def flex_attention(
    queries: Tensor, keys: Tensor, values: Tensor, view: View, pattern: Pattern, sinks: Tensor | None
) -> Tensor:
    """As `attend`, by FlexAttention, which leaves out blocks that nobody sees: for sequences without padding that
    begin here, without dropout.

    It is compiled for each length anew. In training that is one; else sequences are filled up to a power of two.
    """
    new = queries.shape[2]
    length = new if torch.is_grad_enabled() and new % BLOCK == 0 else max(BLOCK, 1 << (new - 1).bit_length())
    if length > new:
        queries, keys, values = (functional.pad(each, (0, 0, 0, length - new)) for each in (queries, keys, values))
    mask, shared = view.blocks(pattern, length), keys.shape[1] != queries.shape[1]
    if sinks is None:
        return _flex()(queries, keys, values, block_mask=mask, enable_gqa=shared)[:, :, :new]
    from torch.nn.attention.flex_attention import AuxRequest

    sums = AuxRequest(lse=True)
    out, beside = _flex()(queries, keys, values, block_mask=mask, enable_gqa=shared, return_aux=sums)
    # a sink adds e^sink to the sum that softmax divides by
    kept = torch.sigmoid(beside.lse - sinks[:, None].to(beside.lse.dtype))[..., None].to(out.dtype)
    return (out * kept)[:, :, :new]


@functools.cache
def _flex() -> Callable[..., Any]:
    """FlexAttention, compiled: uncompiled it would make the whole matrix of scores."""
    from torch.nn.attention import flex_attention as library

    return torch.compile(library.flex_attention, dynamic=False)


def _normed(heads: Tensor, norm: nn.RMSNorm) -> Tensor:
    # torch has a fused norm where both dtypes are the same, and warns where they are not
    return functional.rms_norm(heads, norm.normalized_shape, norm.weight.to(heads.dtype), norm.eps)
