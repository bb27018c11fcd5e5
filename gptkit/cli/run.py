"""`gptkit run`."""

import json

import click

from gptkit.cli.main import fail
from gptkit.cli.options import json_option, start


@click.command(
    "run",
    epilog="""\b
Examples:
  gptkit run quickstart
  gptkit run pipelines/quickstart.yaml --dry-run
  gptkit run my-recipe.yaml --workers 8
""",
)
@click.argument("recipe")
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=None,
    help="Processes; all cores by default, 0 runs everything in this one.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--quiet", is_flag=True, help="No talk and no progress bars.")
@json_option
def command(recipe: str, workers: int | None, dry_run: bool, quiet: bool, as_json: bool) -> None:
    """Run the stages of a recipe: skip what is up to date, go on where a run was stopped.

    RECIPE is a YAML file, or the name of one that comes with gptkit (quickstart, commoncrawl).
    What it writes lies in a folder that the recipe names, below the current one.
    """
    import os

    from gptkit.cli.report import damage_line
    from gptkit.recipes.recipe import read_recipe
    from gptkit.recipes.run import run_recipe
    from gptkit.recipes.summary import print_summary

    plan = read_recipe(recipe)
    with start(os.cpu_count() or 1 if workers is None else workers, None, dry_run, True, quiet) as runtime:
        manifests = run_recipe(plan, runtime)
    if as_json:
        print(json.dumps({name: manifest.as_json() for name, manifest in manifests.items()}))
    elif not dry_run:
        print_summary(manifests)
    damaged = [manifest for manifest in manifests.values() if manifest.counts.get("damaged")]
    for manifest in damaged:
        fail(damage_line(manifest), 1)
    if damaged:
        click.get_current_context().exit(1)
