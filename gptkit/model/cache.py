"""Keys and values of the tokens a model has already seen, so that each new token is computed once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig

LEAST_PLACES = 64  # room is taken for so many at first, and then doubled


class Cache:
    """The keys and values of every layer, [batch, kv heads, places, head width].

    Rows of a batch whose texts differ in length are padded on the left; `starts` (int64 [batch]) are the first places
    that are no padding. A layer with a window keeps about as many places as it looks at, unless `forget` is false.
    Memory is taken as tokens come, in their dtype and on their device.
    """

    def __init__(self, config: ModelConfig, starts: Tensor | None = None, forget: bool = True) -> None:
        self.config = config
        self.starts = starts
        self.forget = forget
        self.length = 0  # places that all layers have been given
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._held: list[int] = []  # places each layer holds, the last ones

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, int]:
        """Appends [batch, kv heads, new, head width] to a layer.

        Gives the keys and values that the new tokens may look at, up to the newest, and how many places before them
        are forgotten. `length` stays as it is until `advance`, so that every layer appends at the same place.
        """
        new = keys.shape[2]
        if layer == len(self._keys):
            self._keys.append(keys[:, :, :0])
            self._values.append(values[:, :, :0])
            self._held.append(0)
        if self._held[layer] + new > self._keys[layer].shape[2]:
            self._make_room(layer, new)
        held, end = self._held[layer], self._held[layer] + new
        self._keys[layer][:, :, held:end] = keys
        self._values[layer][:, :, held:end] = values
        self._held[layer] = end
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end], self.length + new - end

    def _make_room(self, layer: int, new: int) -> None:
        """Takes memory for a while, less what the window of a layer no longer looks at."""
        window = self._window(layer)
        kept = self._held[layer] if window is None else min(self._held[layer], window - 1)
        size = max(LEAST_PLACES, 2 * (kept + new)) if window is None else max(2 * window, kept) + new
        self._keep(layer, kept, min(size, max(self.config.context, kept + new)))

    def _keep(self, layer: int, places: int, size: int) -> None:
        """Keeps the last places of a layer only, at the front of a room of `size`."""
        held = self._held[layer]
        for tensors in (self._keys, self._values):
            old = tensors[layer]
            last = old[:, :, held - places : held]
            if size == old.shape[2]:
                old[:, :, :places] = last.clone()
            else:
                tensors[layer] = old.new_empty((*old.shape[:2], size, old.shape[3]))
                tensors[layer][:, :, :places] = last
        self._held[layer] = places

    def _window(self, layer: int) -> int | None:
        return self.config.pattern(layer).window if self.forget else None

    def advance(self, tokens: int) -> None:
        """Counts tokens that every layer has appended."""
        self.length += tokens

    def rewind(self, length: int) -> None:
        """Forgets all places but the first `length`.

        Raises ValueError where a window has already lost some that the next token looks at.
        """
        held = [each - (self.length - length) for each in self._held]
        windows = [self._window(layer) for layer in range(len(held))]
        seen = [length if window is None else min(length, window - 1) for window in windows]
        if length > self.length or any(there < needed for there, needed in zip(held, seen, strict=True)):
            raise ValueError(f"a cache of {self.length} places cannot go back to {length}")
        self._held, self.length = held, length

    def select(self, rows: Sequence[int]) -> None:
        """Makes a batch of these rows, in this order; a row may leave, and may be there several times."""
        for tensors in (self._keys, self._values):
            for layer, old in enumerate(tensors):
                held = self._held[layer]
                tensors[layer] = old.new_empty((len(rows), *old.shape[1:]))
                index = torch.tensor(rows, device=old.device)
                torch.index_select(old[:, :, :held], 0, index, out=tensors[layer][:, :, :held])
        if self.starts is not None:
            self.starts = self.starts[torch.tensor(rows, device=self.starts.device)]

    def drop(self, places: int) -> None:
        """Forgets the first places, which are padding in every row; `starts` become so many fewer."""
        assert self.starts is not None
        self.starts = self.starts - places
        self.length -= places
        for layer, held in enumerate(self._held):
            if held > self.length:
                self._keep(layer, self.length, self._keys[layer].shape[2])

    def replace(self, rows: Sequence[int], other: "Cache") -> None:
        """Puts the rows of another cache, which is no longer than this, in the place of `rows`: with the same end."""
        assert self.starts is not None
        index = torch.tensor(rows, device=self.starts.device)
        self.starts[index] = self.length - other.length
        for mine, its in ((self._keys, other._keys), (self._values, other._values)):
            for layer, theirs in enumerate(its):
                held, there = self._held[layer], min(self._held[layer], other._held[layer])
                last = theirs[:, :, other._held[layer] - there : other._held[layer]]
                mine[layer][index, :, held - there : held] = last

    @property
    def nbytes(self) -> int:
        """Bytes that are taken."""
        return sum(each.nbytes for each in (*self._keys, *self._values))
