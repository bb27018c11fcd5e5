"""Runs a recipe stage by stage."""

import dataclasses

from gptkit.data.manifest import Manifest
from gptkit.engine.stage import Runtime
from gptkit.recipes.recipe import Recipe
from gptkit.recipes.stages import Call


def run_recipe(recipe: Recipe, runtime: Runtime) -> dict[str, Manifest]:
    """Runs what is not up to date, in order, and gives the manifests by stage name.

    With --dry-run nothing is written, and a stage whose input is still to be made is only named.
    """
    finished: dict[str, Manifest] = {}
    for step in recipe.steps:
        waits = sorted(step.needs - finished.keys())
        if waits:
            runtime.progress.say(f"{step.name}: would run after {', '.join(waits)}")
            continue
        limited = dataclasses.replace(runtime, limit=step.limit)
        manifest = step.kind.run(Call(step.inputs, step.output, step.settings, limited))
        if manifest is not None:
            finished[step.name] = manifest
    return finished
