"""Checkpoints: folders that are whole or absent, and are models that can be loaded as they are.

`step-000100/` holds model.safetensors, config.json and tokenizer.json, beside them optimizer.safetensors
and state.json. What is random needs no state: it is drawn by (seed, step).
"""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

from gptkit.data.files import read_json, sync_folder, write_json
from gptkit.errors import GptkitError
from gptkit.model.folder import load_model, load_tensors, save_model, save_tensors
from gptkit.model.transformer import Transformer
from gptkit.training.optimiser import Optimiser

UNFINISHED = ".writing-"


@dataclasses.dataclass(frozen=True)
class State:
    """Where a run stands, beside its weights and moments."""

    step: int  # steps done
    log_bytes: int  # what the log held then
    seconds: float  # spent until then, over all starts
    guard: dict[str, Any] = dataclasses.field(default_factory=dict)  # see Guard


class Checkpoints:
    """The checkpoints of one run.

    `identity` says which run this is and how it computes; a checkpoint with another one is refused.
    """

    def __init__(
        self, folder: Path, identity: dict[str, Any], tokenizer_path: Path, keep: int, milestone_every: int = 0
    ) -> None:
        self.folder = folder
        self.identity = identity
        self.tokenizer_path = tokenizer_path
        self.keep = keep
        self.milestone_every = milestone_every  # steps; these checkpoints stay for ever; 0: none do

    def save(self, model: Transformer, optimiser: Optimiser, state: State) -> None:
        """Writes a checkpoint, then removes the oldest beyond `keep`, but for milestones."""
        target = self.folder / f"step-{state.step:06d}"
        unfinished = self.folder / f"{UNFINISHED}{target.name}"
        try:
            save_model(unfinished, model, self.tokenizer_path)
            save_tensors(unfinished / "optimizer.safetensors", optimiser.state())
            write_json(unfinished / "state.json", {**self.identity, **dataclasses.asdict(state)})
            shutil.rmtree(target, ignore_errors=True)
            os.replace(unfinished, target)
            sync_folder(self.folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        for old in self.found()[: -self.keep]:
            if not self._is_milestone(old):
                shutil.rmtree(old)

    def move_milestones(self, target: Path) -> list[Path]:
        """Moves the milestones below `target`, where those that were moved before may be; gives all their files."""
        for step in self.found():
            if self._is_milestone(step):
                target.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(target / step.name, ignore_errors=True)
                os.replace(step, target / step.name)
        return sorted(path for path in target.rglob("*") if path.is_file())

    def _is_milestone(self, checkpoint: Path) -> bool:
        every = self.milestone_every
        return bool(every) and int(checkpoint.name.removeprefix("step-")) % every == 0

    def found(self) -> list[Path]:
        """The checkpoints there are, oldest first."""
        return sorted(self.folder.glob("step-*"), key=lambda path: (len(path.name), path.name))

    def restore(self, model: Transformer, optimiser: Optimiser) -> State | None:
        """Puts the newest checkpoint into a model and its optimiser; None where there is none.

        Raises GptkitError where it is damaged or of another run.
        """
        for leftover in self.folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover)
        if not self.found():
            return None
        newest = self.found()[-1]
        value = read_json(newest / "state.json")
        for name, here in self.identity.items():
            there = value.pop(name, None)
            if there != here:
                raise GptkitError(
                    f"{newest}: belongs to another run ({name}: {there} there, {here} now); "
                    "start again with --overwrite, or as it was started"
                )
        try:
            state = State(**value)
            # copied, not put in its place: a mapped file lies in memory otherwise than a tensor
            model.load_state_dict(load_model(newest).model.state_dict())
            updates = state.step - state.guard.get("skipped", 0)
            optimiser.restore(load_tensors(newest / "optimizer.safetensors"), updates)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise GptkitError(f"{newest}: is damaged ({error}); remove it to go on with the one before") from None
        return state
