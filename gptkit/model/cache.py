"""Keys and values of the tokens a model has already seen, so that each new token is computed once."""

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig


class Cache:
    """The keys and values of every layer, [batch, kv heads, places, head width].

    Rows of a batch whose texts differ in length are padded on the left; `starts` (int64 [batch]) are the first places
    that are no padding. A layer with a window keeps about as many places as it looks at, unless `forget` is false.
    Memory is taken when the first tokens come, in their dtype and on their device.
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
        window = self.config.pattern(layer).window if self.forget else None
        if layer == len(self._keys):
            # with room for a while, so that a window seldom moves to the front
            size = self.config.context if window is None else min(self.config.context, 2 * window + new)
            shape = (*keys.shape[:2], size, keys.shape[3])
            self._keys.append(torch.empty(shape, dtype=keys.dtype, device=keys.device))
            self._values.append(torch.empty(shape, dtype=values.dtype, device=values.device))
            self._held.append(0)
        held = self._held[layer]
        if held + new > self._keys[layer].shape[2]:
            held = self._forget(layer, new)
        end = held + new
        self._keys[layer][:, :, held:end] = keys
        self._values[layer][:, :, held:end] = values
        self._held[layer] = end
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end], self.length + new - end

    def _forget(self, layer: int, new: int) -> int:
        """Moves what the next tokens look at to the front; gives how many places that is."""
        window = self.config.pattern(layer).window or 0
        kept = min(self._held[layer], window - 1)
        for held in (self._keys, self._values):
            last = held[layer][:, :, self._held[layer] - kept : self._held[layer]].clone()
            if kept + new > held[layer].shape[2]:
                shape = (*last.shape[:2], kept + new, last.shape[3])
                held[layer] = torch.empty(shape, dtype=last.dtype, device=last.device)
            held[layer][:, :, :kept] = last
        return kept

    def advance(self, tokens: int) -> None:
        """Counts tokens that every layer has appended."""
        self.length += tokens

    def rewind(self, length: int) -> None:
        """Forgets all places but the first `length`. Raises ValueError where a window has already lost some of them."""
        held = [each - (self.length - length) for each in self._held]
        if length > self.length or any(each < length for each in held):
            raise ValueError(f"a cache of {self.length} places cannot go back to {length}")
        self._held, self.length = held, length

    @property
    def nbytes(self) -> int:
        """Bytes that are taken."""
        return sum(each.nbytes for each in (*self._keys, *self._values))
