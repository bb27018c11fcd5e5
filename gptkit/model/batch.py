"""Texts of different lengths that are read together, one token more at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gptkit.model.cache import Cache
from gptkit.model.transformer import Transformer


class Batch:
    """The logits of what follows each of several texts, however long they become.

    Of a text longer than the context its end counts. When the window of a row has become longer than the context, its
    older half is forgotten and the rest read again, as tokens that have been read cannot be moved to other places. So
    a window is never shorter than half the context, and is read anew only every context / 2 tokens. What a row gives
    depends, but for rounding, on its own text alone, and is the same with and without a cache.

    Raises ValueError for an empty text.
    """

    def __init__(self, model: Transformer, texts: Sequence[Sequence[int]], use_cache: bool = True) -> None:
        if not all(texts):
            raise ValueError("there is no token to start from")
        self.model = model
        self.use_cache = use_cache
        self.windows = [list(text[-model.config.context :]) for text in texts]
        self._cache: Cache | None = None  # what has been read; its rows are padded on the left
        self._padding = [0] * len(texts)  # places

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Float32 [rows, vocab_size] of the next token of each row. Reads the tokens that have not been read yet."""
        self._cut()
        starts = None
        if self._cache is None:
            longest = max(map(len, self.windows))
            self._padding = [longest - len(window) for window in self.windows]
            starts = torch.tensor(self._padding, device=self.device) if any(self._padding) else None
            self._cache = Cache(self.model.config, starts) if self.use_cache else None
        read = self._cache.length if self._cache is not None else 0
        unread = len(self.windows[0]) + self._padding[0] - read  # the same in every row
        ids = [([0] * unread + window)[-unread:] for window in self.windows]
        hidden = self.model.hidden(torch.tensor(ids, device=self.device), self._cache, starts)
        return self.model.head(hidden[:, -1]).float()

    def append(self, tokens: Sequence[int]) -> None:
        """Adds a token to each row."""
        for window, token in zip(self.windows, tokens, strict=True):
            window.append(token)

    @torch.inference_mode()
    def select(self, rows: Sequence[int]) -> None:
        """Makes a batch of these rows, in this order; a row may leave, and may be there several times."""
        if list(rows) == list(range(len(self.windows))):
            return
        self.windows = [list(self.windows[row]) for row in rows]
        self._padding = [self._padding[row] for row in rows]
        if self._cache is not None and rows:
            self._cache.select(rows)
            self._drop_padding()

    @torch.inference_mode()
    def replace(self, text: Sequence[int]) -> None:
        """Takes another text in the place of the only one; what both begin with is not read again."""
        (before,) = self.windows
        self.windows = [list(text[-self.model.config.context :])]
        if self._cache is None:
            return
        shared = 0
        for old, new in zip(before[: self._cache.length], self.windows[0][:-1], strict=False):
            if old != new:
                break
            shared += 1
        try:
            self._cache.rewind(shared)
        except ValueError:  # a window has lost what the first new token looks at
            self._cache = None

    @property
    def read(self) -> int:
        """Places that have been read, padding included."""
        return 0 if self._cache is None else self._cache.length

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.model.head_weight.device

    def _cut(self) -> None:
        """Forgets the older half of windows that are longer than the context."""
        context = self.model.config.context
        half = max(1, context // 2)
        full = [row for row, window in enumerate(self.windows) if len(window) > context]
        for row in full:
            self.windows[row] = self.windows[row][-half:]
        if self._cache is None or not self.use_cache:
            return
        if len(full) == len(self.windows):
            self._cache = None
            return
        if full:
            again = Cache(self.model.config)
            if half > 1:  # all but the newest token, which is read with those of the other rows
                ids = [self.windows[row][:-1] for row in full]
                self.model.hidden(torch.tensor(ids, device=self.device), again)
            self._cache.replace(full, again)
            for row in full:
                self._padding[row] = self._cache.length - again.length
        if self._cache.length == context:
            self._drop_padding()

    def _drop_padding(self) -> None:
        """Forgets the places that are padding in every row."""
        least = min(self._padding)
        if self._cache is not None and least:
            self._padding = [places - least for places in self._padding]
            self._cache.drop(least)
        if self._cache is not None and not any(self._padding):
            self._cache.starts = None
