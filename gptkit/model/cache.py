"""Keys and values of the tokens a model has already seen, so that each new token is computed once."""

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig


class Cache:
    """The keys and values of every layer, [batch, heads, context, head width], filled from the left.

    All sequences of the batch have the same length. Memory is taken when the first token comes,
    in its dtype and on its device.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.length = 0  # tokens that all layers hold
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Appends [batch, heads, new, head width] to a layer; gives all keys and values up to the newest.

        `length` stays as it is until `advance`, so that every layer appends at the same place.
        """
        batch, heads, new, width = keys.shape
        if layer == len(self._keys):
            shape = (batch, heads, self.config.context, width)
            self._keys.append(torch.empty(shape, dtype=keys.dtype, device=keys.device))
            self._values.append(torch.empty(shape, dtype=values.dtype, device=values.device))
        end = self.length + new
        self._keys[layer][:, :, self.length : end] = keys
        self._values[layer][:, :, self.length : end] = values
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def advance(self, tokens: int) -> None:
        """Counts tokens that every layer has appended."""
        self.length += tokens
