"""Our own form, for what transformers has none for: the fields of ModelConfig, and our names."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gptkit.model.config import Mixture, ModelConfig, RopeScaling
from gptkit.model.exchange.form import Form, Tensors

MODEL_TYPE = "gptkit"
PARTS = {"rope_scaling": RopeScaling, "mixture": Mixture}
BESIDE = {"model_type", "architectures", "bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype"}


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {"model_type": MODEL_TYPE, "eos_token_id": end_of_text, **dataclasses.asdict(config)}


def _read(value: Mapping[str, Any]) -> ModelConfig:
    fields = {name: field for name, field in value.items() if name not in BESIDE}
    for name, kind in PARTS.items():
        if fields.get(name) is not None:
            fields[name] = _built(kind, fields[name], name)
    if not isinstance(fields.get("attention", []), list):
        raise ValueError("attention is no list of patterns")
    fields["attention"] = tuple(fields.get("attention", ["dense"]))
    config: ModelConfig = _built(ModelConfig, fields, "the configuration")
    return config


def _built(kind: type, fields: Any, name: str) -> Any:
    """A dataclass from parsed JSON. Raises KeyError for a field that is missing and ValueError for another fault."""
    if not isinstance(fields, dict):
        raise ValueError(f"{name} is no object")
    known = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(fields.keys() - known.keys())
    if unknown:
        raise ValueError(f"{name} has a field that is unknown here: {unknown[0]!r}")
    for field in known.values():
        if field.name not in fields and field.default is dataclasses.MISSING:
            raise KeyError(field.name)
    hints = typing.get_type_hints(kind)
    for key, value in fields.items():
        if not _fits_hint(value, hints[key]):
            raise ValueError(f"{key} is {value!r}, and cannot be that")
    return kind(**fields)


def _fits_hint(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits_hint(value, each) for each in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin is tuple:
        return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _same(tensors: Tensors, config: ModelConfig) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


OWN = Form(MODEL_TYPE, lambda config: True, _describe, _read, _same, _same)
