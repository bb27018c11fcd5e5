"""Rotary positions (Su et al. 2021), and how they are stretched to longer contexts."""

import math

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig, RopeScaling


class Rotary:
    """The cosines and sines of all places of a context: [context, head width], computed in float32.

    Halves of a head are turned together, the n-th number of the first half with the n-th of the second, as in
    transformers' Llama. They are made when they are first asked for, on the device and in the dtype of what is turned.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self._tables: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def tables(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines in the dtype of `like` and on its device."""
        key = (like.device, like.dtype)
        if key not in self._tables:
            frequencies, sharpening = rotary_frequencies(self.config)
            angles = torch.outer(torch.arange(self.config.context, dtype=torch.float32), frequencies)
            angles = torch.cat([angles, angles], dim=-1)
            self._tables[key] = (
                (angles.cos() * sharpening).to(like.device, like.dtype),
                (angles.sin() * sharpening).to(like.device, like.dtype),
            )
        return self._tables[key]


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turns heads [B, heads, T, head width] by tables that broadcast to [B, 1, T, head width]."""
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat([-second, first], dim=-1) * sines


def rotary_frequencies(config: ModelConfig) -> tuple[Tensor, float]:
    """Radians a place turns each pair of numbers, float32 [head width / 2], and what queries and keys are multiplied by."""
    width = config.head_width
    frequencies = config.rope_theta ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)
    scaling = config.rope_scaling
    if scaling is None:
        return frequencies, 1.0
    if scaling.kind == "llama3":
        return _llama3(frequencies, scaling), 1.0
    return _yarn(frequencies, scaling, config), 0.1 * math.log(scaling.factor) + 1 if scaling.factor > 1 else 1.0


def _llama3(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Llama 3.1's: turns within the original context decide, between `low` and `high` of them it goes over."""
    turns = scaling.original * frequencies / (2 * math.pi)
    kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling.factor


def _yarn(frequencies: Tensor, scaling: RopeScaling, config: ModelConfig) -> Tensor:
    """YaRN's (Peng et al. 2023, section 3.2): the dimension decides, between those of `high` and `low` turns."""

    def dimension(turns: float) -> float:
        """Of the pair that turns so often within the original context."""
        return (
            config.head_width * math.log(scaling.original / (turns * 2 * math.pi)) / (2 * math.log(config.rope_theta))
        )

    first, last = dimension(scaling.high), dimension(scaling.low)
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, config.head_width - 1)
    places = torch.arange(len(frequencies), dtype=torch.float32)
    stretched = ((places - first) / max(last - first, 0.001)).clamp(0, 1)
    return (1 - stretched) * frequencies + stretched * frequencies / scaling.factor
