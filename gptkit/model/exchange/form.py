"""What a form of model folder is: how others write a configuration and weights, and how they become ours."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gptkit.model.config import ModelConfig

Tensors = Mapping[str, Tensor]
LARGEST = 1 << 60  # number in a config.json, so that none overflows where it is used


@dataclasses.dataclass(frozen=True)
class Form:
    """How the models of one `model_type` lie in a Hugging Face folder.

    fits: whether a configuration can be written so. describe: config.json of a configuration and the id of end-of-text.
    read: the configuration of a config.json; raises KeyError for what is missing and ValueError for what cannot be built
    here. give: our tensors under their names and in their shapes; also of tensors on the meta device. tidy: theirs, as
    older versions wrote them, as `give` would. take: theirs under our names.
    """

    model_type: str
    fits: Callable[[ModelConfig], bool]
    describe: Callable[[ModelConfig, int | None], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], ModelConfig]
    give: Callable[[Tensors, ModelConfig], dict[str, Tensor]]
    take: Callable[[Tensors, ModelConfig], dict[str, Tensor]]
    tidy: Callable[[Tensors, ModelConfig], dict[str, Tensor]] = lambda tensors, config: dict(tensors)


def split_heads(qkv: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of queries, of keys and of values, from our rows by head of keys (see Attention): [rows, …] each."""
    each = config.heads // config.kv_heads
    grouped = qkv.view(config.kv_heads, each + 2, config.head_width, *qkv.shape[1:])
    queries, keys, values = grouped.split([each, 1, 1], dim=1)
    return queries.flatten(0, 2), keys.flatten(0, 2), values.flatten(0, 2)


def join_heads(queries: Tensor, keys: Tensor, values: Tensor, config: ModelConfig) -> Tensor:
    """Our rows, from those of queries, keys and values."""
    each = config.heads // config.kv_heads
    parts = [
        part.unflatten(0, (config.kv_heads, count, config.head_width))
        for part, count in ((queries, each), (keys, 1), (values, 1))
    ]
    return torch.cat(parts, dim=1).flatten(0, 2)


def number(value: Mapping[str, Any], name: str, default: float) -> float:
    """A field that is a number. Raises ValueError where it is another thing."""
    found = value.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < LARGEST:  # nor is it NaN
        raise ValueError(f"{name} is {found!r} and must be a number")
    return float(found)


def whole(value: Mapping[str, Any], name: str, default: int) -> int:
    """A field that is a whole number. Raises ValueError where it is another thing."""
    found = value.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or not abs(found) < LARGEST:
        raise ValueError(f"{name} is {found!r} and must be a whole number")
    return found


def check_fixed(value: Mapping[str, Any], fixed: Mapping[str, tuple[Any, ...]]) -> None:
    """Raises ValueError where a field that is there is none of those that can be built here."""
    for name, allowed in fixed.items():
        if value.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{name} is {value[name]!r}, and only {allowed[0]!r} is supported")
