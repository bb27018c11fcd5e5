"""The stages a recipe can name. Each is loaded when it is run."""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptkit.data.manifest import Manifest
from gptkit.engine.settings import make_settings
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError


@dataclasses.dataclass(frozen=True)
class Call:
    """One stage of a recipe with its paths filled in."""

    inputs: list[str]
    output: Path
    settings: Any
    runtime: Runtime


@dataclasses.dataclass(frozen=True)
class Kind:
    """A stage by name: its room, its settings class, how many inputs it takes, and how it is called."""

    room: str
    settings_class: str
    least: int
    most: int | None
    call: Callable[[Callable[..., Any], Call], Manifest | None]
    paths: tuple[str, ...] = ()  # settings that may name an earlier stage

    def settings(self, values: dict[str, Any], where: str) -> Any:
        """Builds the stage's settings. Raises UsageError naming `where` and the key."""
        module = importlib.import_module(f"gptkit.{self.room}.settings")
        return make_settings(getattr(module, self.settings_class), values, where)

    def run(self, call: Call) -> Manifest | None:
        """Runs the stage; None where it was only asked for (--dry-run) and is not up to date."""
        return self.call(importlib.import_module(f"gptkit.{self.room}.stage").run, call)


def _none(run: Callable[..., Any], call: Call) -> Any:
    return run(call.output, call.settings, call.runtime)


def _many(run: Callable[..., Any], call: Call) -> Any:
    return run(call.inputs, call.output, call.settings, call.runtime)


def _path(run: Callable[..., Any], call: Call) -> Any:
    return run(Path(call.inputs[0]), call.output, call.settings, call.runtime)


def _eval(run: Callable[..., Any], call: Call) -> Any:
    report = _path(run, call)
    if report.failures:
        raise GptkitError("; ".join(report.failures))
    return report.manifest


KINDS = {
    "sample": Kind("sample", "SampleSettings", 0, 0, _none),
    "clean": Kind("clean", "CleanSettings", 1, None, _many, ("quality_model",)),
    "dedup": Kind("dedup", "DedupSettings", 1, None, _many, ("against",)),
    "decontaminate": Kind(
        "decontamination", "DecontaminateSettings", 1, None, _many, ("against", "tasks_dir", "data_dir")
    ),
    "mix": Kind("mixture", "MixSettings", 1, None, _many, ("tokenizer",)),
    "tokenize": Kind("tokenization", "TokenizeSettings", 1, None, _many, ("tokenizer",)),
    "train": Kind("training", "TrainSettings", 1, None, _many),
    "make-tasks": Kind("tasks", "MakeTasksSettings", 1, 1, _path),
    "eval": Kind("evaluation", "EvalSettings", 1, 1, _eval, ("tasks_dir", "data_dir", "overlap")),
}
