"""Causal self-attention with several heads: what a query sees, and the sum over it."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gptkit.model.cache import Cache
from gptkit.model.config import ModelConfig
from gptkit.model.patterns import Pattern
from gptkit.model.positions import rotate

DENSE = Pattern("dense", ())
FLEX_TOKENS = 128  # a block of FlexAttention's masks; shorter sequences take a plain mask


class View:
    """What the new tokens of a batch look at: the same for all layers of one pattern, so each mask is made once.

    queries: the places of the new tokens among those that keys stand for, [T]; keys: how many there are. starts:
    int64 [B], the first place of each row that is no padding; None where there is none. documents: int64 [B, T], of
    packed training sequences: a token sees its own document only; None where it sees all.
    """

    def __init__(
        self, new: int, keys: int, device: torch.device, starts: Tensor | None = None, documents: Tensor | None = None
    ) -> None:
        self.new, self.keys, self.device = new, keys, device
        self.starts, self.documents = starts, documents
        self._masks: dict[tuple[Pattern, int], Tensor] = {}
        self._blocks: dict[Pattern, Any] = {}

    @property
    def past(self) -> int:
        """Places before the first query."""
        return self.keys - self.new

    def plain(self, pattern: Pattern) -> bool:
        """Whether every query sees all places up to its own."""
        near = pattern.name == "dense" or (pattern.window is not None and pattern.window >= self.keys)
        return near and self.starts is None and self.documents is None

    def mask(self, pattern: Pattern, dropped: int = 0) -> Tensor:
        """True where a query may look, bool [1 or B, 1, T, keys − dropped]: without the first `dropped` places,
        which a cache has forgotten."""
        if (pattern, dropped) not in self._masks:
            keys = torch.arange(dropped, self.keys, device=self.device)[None, None, None]
            queries = keys[..., self.past - dropped :].transpose(2, 3)
            if self.starts is None:
                seen = pattern.sees(queries, keys)
            else:
                first = self.starts[:, None, None, None]
                # padding sees itself, so that its softmax is a number
                seen = (pattern.sees(queries - first, keys - first) & (keys >= first)) | (queries == keys)
            if self.documents is not None:
                seen = seen & (self.documents[:, None, :, None] == self.documents[:, None, None, :])
            self._masks[pattern, dropped] = seen
        return self._masks[pattern, dropped]

    def blocks(self, pattern: Pattern) -> Any:
        """The same as FlexAttention's block mask; for sequences without padding that begin here."""
        if pattern not in self._blocks:
            from torch.nn.attention.flex_attention import create_block_mask

            documents = self.documents

            def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
                seen: Tensor = pattern.sees(query, key)
                return seen if documents is None else seen & (documents[batch, query] == documents[batch, key])

            rows = None if documents is None else len(documents)
            self._blocks[pattern] = create_block_mask(sees, rows, None, self.new, self.keys, device=self.device)
        return self._blocks[pattern]


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
            queries, keys = self.query_norm(queries), self.key_norm(keys)
        if rotary is not None:
            queries, keys = rotate(queries, *rotary), rotate(keys, *rotary)
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
    if queries.device.type == "cpu":
        return _plain_product(queries, keys, values, view, pattern, dropout, sinks, dropped)
    shared = keys.shape[1] != queries.shape[1]
    long = view.new == view.keys and view.new >= FLEX_TOKENS and view.starts is None and not dropout
    if long and (sinks is not None or not view.plain(pattern)):
        block_mask = view.blocks(pattern)
        if sinks is None:
            return _flex()(queries, keys, values, block_mask=block_mask, enable_gqa=shared)
        out, logs = _flex()(queries, keys, values, block_mask=block_mask, enable_gqa=shared, return_lse=True)
        return out * torch.sigmoid(logs - sinks[:, None].to(logs.dtype))[..., None].to(out.dtype)
    if sinks is not None:
        return _plain_product(queries, keys, values, view, pattern, dropout, sinks, dropped)
    plain = view.plain(pattern)
    causal = plain and view.new == view.keys and view.new > 1
    mask = None if causal or (plain and view.new == 1) else view.mask(pattern, dropped)
    return functional.scaled_dot_product_attention(
        queries, keys, values, mask, dropout, is_causal=causal, enable_gqa=shared
    )


def _plain_product(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    view: View,
    pattern: Pattern,
    dropout: float,
    sinks: Tensor | None,
    dropped: int,
) -> Tensor:
    # On processors with bf16 it trains faster than torch's fused kernel (22k against 17k tokens/s at
    # width 192, context 256). Autocast would copy the weights to float32 for the softmax.
    batch, heads, new, width = queries.shape
    groups = keys.shape[1]
    with torch.autocast(queries.device.type, enabled=False):
        rows = (queries / math.sqrt(width)).reshape(batch, groups, -1, width)  # queries that share keys: one product
        scores = (rows @ keys.transpose(2, 3)).view(batch, heads, new, -1)
        if new > 1 or not view.plain(pattern):
            hidden = ~view.mask(pattern, dropped)
            scores = scores + torch.zeros_like(hidden, dtype=scores.dtype).masked_fill(hidden, -math.inf)
        if sinks is not None:
            beside = sinks.to(scores.dtype).view(1, -1, 1, 1).expand(batch, -1, new, 1)
            weights = torch.cat([scores, beside], dim=-1).softmax(dim=-1)[..., :-1]
        else:
            weights = scores.softmax(dim=-1)
        weights = functional.dropout(weights, dropout).view(batch, groups, -1, weights.shape[-1])
        return (weights @ values).view(batch, heads, new, width)


@functools.cache
def _flex() -> Callable[..., Any]:
    """FlexAttention, compiled: uncompiled it would make the whole matrix of scores."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)
