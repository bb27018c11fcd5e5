"""How a config.json says that rotary positions are scaled.

Until version 4 transformers wrote `rope_theta` and `rope_scaling` beside the sizes, since version 5 `rope_parameters`,
which holds both; it reads either. We read both and write the older one.
"""

from collections.abc import Mapping
from typing import Any

from gptkit.model.config import RopeScaling
from gptkit.model.exchange.form import number, whole

LLAMA3 = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
YARN = ("factor", "beta_slow", "beta_fast", "original_max_position_embeddings", "truncate")
KNOWN = {"default": (), "llama3": LLAMA3, "yarn": YARN}  # the fields of each type


def describe_rope(theta: float, scaling: RopeScaling | None) -> dict[str, Any]:
    """The fields of a config.json."""
    if scaling is None:
        return {"rope_theta": theta, "rope_scaling": None}
    names = KNOWN[scaling.kind]
    values = (scaling.factor, scaling.low, scaling.high, scaling.original, scaling.truncate)
    fields = dict(zip(names, values, strict=False))  # llama3 has no `truncate`
    return {"rope_theta": theta, "rope_scaling": {"rope_type": scaling.kind, **fields}}


def read_rope(value: Mapping[str, Any], default_theta: float, context: int) -> tuple[float, RopeScaling | None]:
    """The base, and the scaling or None. Raises KeyError and ValueError as Form.read does."""
    name = "rope_scaling" if value.get("rope_scaling") else "rope_parameters"
    said = value.get(name) or {}
    if not isinstance(said, dict):
        raise ValueError(f"{name} is {said!r} and must be an object")
    fields = {key: each for key, each in said.items() if each is not None and key not in ("type", "rope_type")}
    kind = said.get("rope_type", said.get("type", "default"))
    if not isinstance(kind, str) or kind not in KNOWN:
        raise ValueError(f"{name} is of type {kind!r}, and only {', '.join(KNOWN)} are supported")
    theta = number(value, "rope_theta", default_theta)
    if "rope_theta" in fields:
        theta = number(fields, "rope_theta", theta)
    unknown = sorted(fields.keys() - {"rope_theta", *KNOWN[kind]})
    if fields.get("partial_rotary_factor") == 1:
        unknown.remove("partial_rotary_factor")
    if unknown:
        raise ValueError(f"{name} of type {kind} has {unknown[0]}, which is not supported")
    if kind == "default":
        return theta, None
    low, high = ("low_freq_factor", "high_freq_factor") if kind == "llama3" else ("beta_slow", "beta_fast")
    for each in ("factor", low, high) if kind == "llama3" else ("factor",):
        if each not in fields:
            raise KeyError(f"{name}.{each}")
    truncate = fields.get("truncate", True)
    if not isinstance(truncate, bool):
        raise ValueError(f"truncate is {truncate!r} and must be true or false")
    return theta, RopeScaling(
        "llama3" if kind == "llama3" else "yarn",
        number(fields, "factor", 1.0),
        number(fields, low, 1.0),
        number(fields, high, 32.0),
        whole(fields, "original_max_position_embeddings", context),
        truncate,
    )
