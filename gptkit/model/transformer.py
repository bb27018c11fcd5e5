"""The GPT-2 transformer (Radford et al. 2019). Parameter names are those of the released models."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gptkit.model.cache import Cache
from gptkit.model.config import ModelConfig

NORM_EPSILON = 1e-5
INITIAL_DEVIATION = 0.02


class Attention(nn.Module):
    """Causal self-attention with several heads."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.config = config
        self.layer = layer
        self.c_attn = nn.Linear(config.width, 3 * config.width)  # queries, keys and values in one product
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        """[B, T, width] → [B, T, width]; with a cache, T tokens that follow those it holds."""
        batch, new, width = x.shape
        split = self.c_attn(x).view(batch, new, 3, self.config.heads, self.config.head_width)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # each [B, heads, T, head width]
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)
        dropout = self.config.dropout if self.training else 0.0
        mixed = attend(queries, keys, values, dropout)
        return self.c_proj(mixed.transpose(1, 2).reshape(batch, new, width))


def attend(queries: Tensor, keys: Tensor, values: Tensor, dropout: float = 0.0) -> Tensor:
    """softmax(QKᵀ/√d)V where query i of the last T sees the keys up to its own place.

    queries [B, heads, T, d]; keys and values [B, heads, S, d] with S ≥ T; the result is [B, heads, T, d].
    """
    new, total = queries.shape[2], keys.shape[2]
    if queries.device.type != "cpu":
        mask = None if new in (1, total) else causal_mask(new, total, queries.device)
        return functional.scaled_dot_product_attention(
            queries, keys, values, mask, dropout, is_causal=new == total and new > 1
        )
    # The plain product: on processors with bf16 it trains faster than torch's fused kernel (22k against
    # 17k tokens/s at width 192, context 256). Autocast would copy the weights to float32 for the softmax.
    with torch.autocast("cpu", enabled=False):
        scores = (queries / math.sqrt(queries.shape[3])) @ keys.transpose(2, 3)
        if new > 1:
            hidden = ~causal_mask(new, total, queries.device)
            scores = scores + torch.zeros_like(hidden, dtype=scores.dtype).masked_fill(hidden, -math.inf)
        return functional.dropout(scores.softmax(dim=-1), dropout) @ values


def causal_mask(new: int, total: int, device: torch.device) -> Tensor:
    """True where a query may look, bool [new, total]; the queries are the last `new` of `total` places."""
    return torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)


class MLP(nn.Module):
    """Two layers with GELU between them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] → [..., width]."""
        return self.c_proj(functional.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and MLP, each normed before and added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, NORM_EPSILON)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.width, NORM_EPSILON)
        self.mlp = MLP(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        """[B, T, width] → [B, T, width]."""
        x = x + self.drop(self.attn(self.ln_1(x), cache))
        return x + self.drop(self.mlp(self.ln_2(x)))


class GPT(nn.Module):
    """A language model: token ids in, logits of the next token out.

    Its weights are drawn from `seed` alone, except on the meta device, where there are none.
    """

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.width)
        self.wpe = nn.Embedding(config.context, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width, NORM_EPSILON)
        if not self.wte.weight.is_meta:
            self._initialise(seed)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        """Draws weights as GPT-2 did: N(0, 0.02), less on what is added to the residual stream."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif ".ln_" in f".{name}":
                parameter.fill_(1)
            else:
                residual = name.endswith("c_proj.weight")  # 2 · layers of them add up in the stream
                scale = 1 / math.sqrt(2 * self.config.layers) if residual else 1
                parameter.normal_(0, INITIAL_DEVIATION * scale, generator=generator)

    def hidden(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """The stream after the final norm, [B, T, width], for int64 ids [B, T].

        With a cache, `ids` follow the tokens it holds, and it holds them too afterwards.
        Raises ValueError where the sequence becomes longer than the context.
        """
        past = cache.length if cache is not None else 0
        end = past + ids.shape[1]
        if end > self.config.context:
            raise ValueError(f"{end} tokens do not fit in a context of {self.config.context}")
        x = self.drop(self.wte(ids) + self.wpe.weight[past:end])
        for block in self.h:
            x = block(x, cache)
        if cache is not None:
            cache.advance(ids.shape[1])
        return self.ln_f(x)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits [..., vocab_size] of hidden states [..., width]; the token embedding is the head."""
        return functional.linear(hidden, self.wte.weight)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits [B, T, vocab_size] of the token after each of int64 ids [B, T]."""
        return self.head(self.hidden(ids, cache))
