"""The transformer: one decoder whose configuration names the choices of GPT-1 to 4, Llama and their kin."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from gptkit.model.attention import Attention, View
from gptkit.model.cache import Cache
from gptkit.model.config import ModelConfig
from gptkit.model.experts import Experts
from gptkit.model.mlp import MLP
from gptkit.model.positions import Rotary

INITIAL_DEVIATION = 0.02


def make_norm(config: ModelConfig) -> nn.Module:
    """The norm of the residual stream."""
    if config.norm == "rms":
        return nn.RMSNorm(config.width, config.norm_epsilon)
    return nn.LayerNorm(config.width, config.norm_epsilon, bias=config.bias)


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream: of what was normed, or normed behind the sum."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.attention_norm = make_norm(config)
        self.attention = Attention(config, layer)
        self.mlp_norm = make_norm(config)
        self.mlp = Experts(config) if config.mixture else MLP(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, view: View, rotary: tuple[Tensor, Tensor] | None, cache: Cache | None
    ) -> tuple[Tensor, Tensor | None]:
        """[B, T, width] → [B, T, width], and the losses of its router, float32 []; None where it has none."""
        if self.norm_first:
            x = x + self.drop(self.attention(self.attention_norm(x), view, rotary, cache))
            part, loss = self._mlp(self.mlp_norm(x))
            return x + self.drop(part), loss
        x = self.attention_norm(x + self.drop(self.attention(x, view, rotary, cache)))
        part, loss = self._mlp(x)
        return self.mlp_norm(x + self.drop(part)), loss

    def _mlp(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        found = self.mlp(x)
        return found if isinstance(found, tuple) else (found, None)


class Transformer(nn.Module):
    """A language model: token ids in, logits of the next token out.

    Its weights are drawn from `seed` alone, except on the meta device, where there are none. With `recompute`,
    training keeps only what goes from block to block and computes the rest again (activation checkpointing).
    """

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.recompute = False
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Embedding(config.context, config.width) if config.positions == "learned" else None
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = make_norm(config) if config.norm_first else nn.Identity()
        self.output = None if config.tied else nn.Linear(config.width, config.vocab_size, bias=False)
        self._rotary = Rotary(config) if config.positions == "rope" else None
        if not self.embedding.weight.is_meta:
            self._initialise(seed)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        """Draws weights as GPT-2 did: N(0, 0.02), less on what is added to a residual stream that no norm holds
        back; where norms stand behind the sums, as in GPT-1, all alike."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
            elif name.endswith(("bias", "sinks")):
                parameter.zero_()
            else:
                added = name.endswith(("attention.out.weight", "mlp.down.weight", "mlp.down"))
                held_back = not self.config.norm_first
                scale = 1 / math.sqrt(2 * self.config.layers) if added and not held_back else 1  # so many add up
                parameter.normal_(0, INITIAL_DEVIATION * scale, generator=generator)

    @property
    def head_weight(self) -> Tensor:
        """The matrix of the head, [vocab_size, width]."""
        return self.embedding.weight if self.output is None else self.output.weight

    def hidden(self, ids: Tensor, cache: Cache | None = None, starts: Tensor | None = None) -> Tensor:
        """The stream before the head, [B, T, width], for int64 ids [B, T].

        With a cache, `ids` follow the tokens it holds, and it holds them too afterwards. `starts` (int64 [B]) are the
        first places of rows that are padded on the left; a cache knows them itself.
        Raises ValueError where the sequence becomes longer than the context.
        """
        past = cache.length if cache is not None else 0
        if past + ids.shape[1] > self.config.context:
            raise ValueError(f"{past + ids.shape[1]} tokens do not fit in a context of {self.config.context}")
        starts = cache.starts if cache is not None else starts
        view = View(ids.shape[1], past + ids.shape[1], ids.device, starts=starts)
        places = torch.arange(past, past + ids.shape[1], device=ids.device)
        if starts is not None:
            places = (places - starts[:, None]).clamp(min=0)
        x, _ = self._run(ids, places, view, cache)
        if cache is not None:
            cache.advance(ids.shape[1])
        return x

    def train_hidden(self, ids: Tensor, documents: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `hidden`, and the mean of the routers' losses over the layers (float32 []; None where there are none).

        documents: int64 [B, T]: which of the packed documents each token is of; it sees no other one.
        """
        view = View(ids.shape[1], ids.shape[1], ids.device, documents=documents)
        return self._run(ids, torch.arange(ids.shape[1], device=ids.device), view, None)

    def _run(self, ids: Tensor, places: Tensor, view: View, cache: Cache | None) -> tuple[Tensor, Tensor | None]:
        x = self.embedding(ids)
        if self.positions is not None:
            x = x + self.positions(places)
        x = self.drop(x)
        rotary = None
        if self._rotary is not None:
            like = torch.empty(0, device=x.device, dtype=_computed(x))
            rotary = tuple(table[places] for table in self._rotary.tables(like))
            if places.dim() == 2:
                rotary = tuple(table[:, None] for table in rotary)
        losses = []
        for block in self.blocks:
            if self.recompute and self.training:
                x, loss = checkpoint(block, x, view, rotary, None, use_reentrant=False)
            else:
                x, loss = block(x, view, rotary, cache)
            if loss is not None:
                losses.append(loss)
        return self.norm(x), torch.stack(losses).mean() if losses else None

    def head(self, hidden: Tensor) -> Tensor:
        """Logits [..., vocab_size] of hidden states [..., width]."""
        return capped(functional.linear(hidden, self.head_weight), self.config.logit_softcap)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits [B, T, vocab_size] of the token after each of int64 ids [B, T]."""
        return self.head(self.hidden(ids, cache))


def capped(logits: Tensor, softcap: float) -> Tensor:
    """c · tanh(logits / c), between −c and c; the logits as they are where c is 0."""
    return softcap * torch.tanh(logits / softcap) if softcap else logits


def _computed(x: Tensor) -> torch.dtype:
    """The dtype of products."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
