"""Runs a recipe stage by stage."""

import dataclasses

from gptkit.data.manifest import Manifest
from gptkit.engine.stage import Runtime
from gptkit.recipes.recipe import Recipe, Step
from gptkit.recipes.stages import Call


def run_recipe(recipe: Recipe, runtime: Runtime) -> dict[str, Manifest]:
    """Runs what is not up to date, in order, and gives the manifests by stage name.

    With --dry-run nothing is written, and a stage whose input is still to be made is only named.
    """
    finished: dict[str, Manifest] = {}
    for step in recipe.steps:
        mixture = next((other for other in recipe.steps if other.joined and other.name in step.needs), None)
        needs = step.needs if mixture is None else mixture.needs
        waits = sorted(needs - finished.keys())
        if waits:
            runtime.progress.say(f"{step.name}: would run after {', '.join(waits)}")
        elif not step.joined:
            manifest = _run(step, mixture, runtime)
            if manifest is not None:
                finished[step.name] = manifest
    return finished


def _run(step: Step, mixture: Step | None, runtime: Runtime) -> Manifest | None:
    """Runs one stage; with a mixture, both of them in one pass."""
    limited = dataclasses.replace(runtime, limit=step.limit)
    if mixture is None:
        return step.kind.run(Call(step.inputs, step.output, step.settings, limited))
    from gptkit.recipes import joined

    return joined.run(mixture, step, runtime)
