"""Shapes with a name: GPT-2's four, and small ones for a processor without a GPU."""

import dataclasses
import difflib

from gptkit.errors import UsageError
from gptkit.model.config import ModelConfig


@dataclasses.dataclass(frozen=True)
class Shape:
    """A model without its vocabulary, which comes from the tokens it is trained on."""

    layers: int
    heads: int
    width: int
    context: int


PRESETS: dict[str, Shape] = {
    "nano": Shape(layers=4, heads=4, width=128, context=256),  # 1.3M parameters with 4,096 tokens
    "micro": Shape(layers=4, heads=4, width=192, context=256),  # 2.6M
    "mini": Shape(layers=8, heads=5, width=320, context=512),  # 11M
    # Radford et al. 2019, table 2, with the parameter counts of the released models
    "gpt2": Shape(layers=12, heads=12, width=768, context=1024),  # 124M
    "gpt2-medium": Shape(layers=24, heads=16, width=1024, context=1024),  # 355M
    "gpt2-large": Shape(layers=36, heads=20, width=1280, context=1024),  # 774M
    "gpt2-xl": Shape(layers=48, heads=25, width=1600, context=1024),  # 1558M
}


def check_preset(name: str) -> None:
    """Raises UsageError for a name that is no preset."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(PRESETS)}"
        raise UsageError(f"unknown model {name!r}; {hint}")


def preset(name: str, vocab_size: int, context: int | None = None) -> ModelConfig:
    """The configuration of a named shape, with another context if one is given.

    Raises UsageError for an unknown name or an impossible size.
    """
    check_preset(name)
    shape = PRESETS[name]
    try:
        return ModelConfig(vocab_size, context or shape.context, shape.layers, shape.heads, shape.width)
    except ValueError as error:
        raise UsageError(f"model {name}: {error}") from None
