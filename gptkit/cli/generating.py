"""What the commands that write text share: how tokens are drawn, where it is computed, and the model."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptkit.errors import UsageError

if TYPE_CHECKING:
    from gptkit.model.folder import LoadedModel

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    (
        "--max-tokens",
        {"default": 200, "show_default": True, "type": click.IntRange(1), "help": "Tokens to write at most."},
    ),
    (
        "--temperature",
        {
            "default": 1.0,
            "show_default": True,
            "type": click.FloatRange(0),
            "help": "0 always takes the likeliest token.",
        },
    ),
    ("--top-k", {"type": click.IntRange(1), "help": "Choose among the likeliest K tokens only."}),
    (
        "--top-p",
        {
            "type": click.FloatRange(0, 1, min_open=True),
            "help": "Choose among the likeliest tokens of this probability.",
        },
    ),
    (
        "--seed",
        {
            "default": 0,
            "show_default": True,
            "type": click.IntRange(0, 2**63 - 1),
            "help": "Decides what is drawn; samples count up from it.",
        },
    ),
    ("--stop", {"multiple": True, "metavar": "TEXT", "help": "End before this text; may be given several times."}),
    (
        "--device",
        {
            "default": "cpu",
            "show_default": True,
            "type": click.Choice(["cpu", "cuda"]),
            "help": "Where to compute.",
        },
    ),
]


def drawing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options above; checks that they are numbers."""

    @functools.wraps(command)
    def checked(**values: Any) -> Any:
        for name in ("temperature", "top_p"):
            value = values[name]
            if value is not None and not math.isfinite(value):  # click's range lets them through
                raise UsageError(f"--{name.replace('_', '-')} is {value} and must be a number")
        return command(**values)

    for flag, arguments in reversed(OPTIONS):
        checked = click.option(flag, **arguments)(checked)
    return checked


def load(folder: Path, device: str) -> "LoadedModel":
    """The model of a folder, on a device that is there. Raises UsageError where it is not, and as `load_model` does."""
    import torch

    from gptkit.model.folder import load_model

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU here")
    return load_model(folder, device)
