"""What the new tokens of a batch look at, as masks and as FlexAttention's block masks."""

import functools
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gptkit.model.patterns import Pattern

BLOCK = 128  # places on either side of a block of FlexAttention's masks


class View:
    """What the new tokens of a batch look at: the same for all layers of one pattern, so each mask is made once.

    new: how many tokens look; keys: how many places there are, theirs the last. starts: int64 [B], the first place of
    each row that is no padding; None where there is none. documents: int64 [B, T], of packed training sequences: a
    token sees its own document only; None where it sees all.
    """

    def __init__(
        self, new: int, keys: int, device: torch.device, starts: Tensor | None = None, documents: Tensor | None = None
    ) -> None:
        self.new, self.keys, self.device = new, keys, device
        self.starts, self.documents = starts, documents
        self._masks: dict[tuple[Pattern, Hashable], Tensor] = {}
        self._blocks: dict[tuple[Pattern, int], Any] = {}

    @property
    def past(self) -> int:
        """Places before the first query."""
        return self.keys - self.new

    def plain(self, pattern: Pattern) -> bool:
        """Whether every query sees all places up to its own."""
        near = pattern.name == "dense" or (pattern.window is not None and pattern.window >= self.keys)
        return near and self.starts is None and self.documents is None

    def seen(self, pattern: Pattern, queries: Tensor, keys: Tensor, name: Hashable) -> Tensor:
        """True where the places `queries` [t] may look at the places `keys` [k]: bool [1 or B, 1, t, k].

        It is kept under `name` for the next layer of the pattern.
        """
        if (pattern, name) not in self._masks:
            self._masks[pattern, name] = self._compare(pattern, queries, keys)
        return self._masks[pattern, name]

    def mask(self, pattern: Pattern, dropped: int = 0) -> Tensor:
        """True where a query may look, bool [1 or B, 1, T, keys − dropped]: without the first `dropped` places,
        which a cache has forgotten."""
        places = torch.arange(dropped, self.keys, device=self.device)
        return self.seen(pattern, places[self.past - dropped :], places, dropped)

    def columns(self, pattern: Pattern) -> Tensor:
        """For a dilated or strided pattern: True where a query sees the place of a row of `stride` places that lies
        whole strides before it, and not in its window; bool [1 or B, 1, T, rows]. For sequences without padding."""
        if (pattern, "columns") not in self._masks:
            window, stride = pattern.sizes[0], pattern.sizes[-1]
            queries = torch.arange(self.new, device=self.device)[:, None]
            keys = torch.arange(0, self.new, stride, device=self.device) + queries % stride
            seen = (queries - keys >= window)[None, None]
            if self.documents is not None:
                theirs = self.documents[:, keys.clamp(max=self.new - 1)]
                seen = seen & (theirs == self.documents[..., None])[:, None]
            self._masks[pattern, "columns"] = seen
        return self._masks[pattern, "columns"]

    def _compare(self, pattern: Pattern, queries: Tensor, keys: Tensor) -> Tensor:
        query, key = queries[:, None], keys
        if self.starts is None:
            seen = pattern.sees(query, key)[None, None]
        else:
            first = self.starts[:, None, None, None]
            # padding sees itself, so that its softmax is a number
            seen = (pattern.sees(query - first, key - first) & (key >= first)) | (query == key)
        if self.documents is not None:
            own = self.documents[:, None]
            seen = seen & (own[..., queries, None] == own[..., None, keys])
        return seen

    def blocks(self, pattern: Pattern, length: int) -> Any:
        """What is seen as FlexAttention's block mask, for sequences without padding that begin here; they may be
        filled up to `length` with tokens behind the last one."""
        if (pattern, length) not in self._blocks:
            from torch.nn.attention.flex_attention import BlockMask

            documents = self.documents
            if documents is not None:
                documents = torch.cat([documents, documents[:, -1:].expand(-1, length - self.new)], dim=1)

            def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
                seen: Tensor = pattern.sees(query, key)
                return seen if documents is None else seen & (documents[batch, query] == documents[batch, key])

            some, every = pattern_blocks(pattern, length, self.device)
            if documents is not None:
                # a block of queries and one of keys: they share a document only where their ranges meet
                filled = torch.cat([documents, documents[:, -1:].expand(-1, -length % BLOCK)], dim=1)
                filled = filled.unflatten(1, (-1, BLOCK))[:, None]
                first, last = filled.amin(dim=-1), filled.amax(dim=-1)
                some = some & (first[..., None] <= last[..., None, :]) & (first[..., None, :] <= last[..., None])
                every = every & (first[..., None] == last[..., None, :]) & (last[..., None] == first[..., None, :])
            self._blocks[pattern, length] = BlockMask.from_kv_blocks(
                *_listed(some & ~every), *_listed(every), BLOCK, sees, (length, length)
            )
        return self._blocks[pattern, length]


@functools.lru_cache(maxsize=16)
def pattern_blocks(pattern: Pattern, tokens: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which blocks of queries see something of which blocks of keys, and which see all of it: bool [1, 1, n, n].

    torch's create_block_mask looks at every pair of places of every row, in each step, as documents change: at 16
    sequences of 8,192 tokens it would take gigabytes. Here pairs are looked at once for a pattern and a length.
    """
    keys = torch.arange(tokens, device=device)
    some, every = [], []
    for queries in keys.split(BLOCK):
        seen = pattern.sees(queries[:, None], keys)
        # what is missing from the last blocks is unseen, so that these are masked place by place
        seen = functional.pad(seen, (0, -tokens % BLOCK, 0, BLOCK - len(queries))).unflatten(1, (-1, BLOCK))
        some.append(seen.any(dim=2).any(dim=0))
        every.append(seen.all(dim=2).all(dim=0))
    return torch.stack(some)[None, None], torch.stack(every)[None, None]


def _listed(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Blocks [B, 1, n, n] as FlexAttention takes them: how many there are in each row, and their columns first."""
    columns = blocks.int().argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(-1, dtype=torch.int32), columns.int().contiguous()
