"""The command `gptkit eval`."""

import json
from pathlib import Path
from typing import Any

import click

from gptkit.cli.options import json_option, settings_options, stage_options
from gptkit.errors import GptkitError
from gptkit.evaluation.settings import EvalSettings


@click.command(
    "eval",
    epilog="""\b
Examples:
  gptkit eval model --tasks last_word,ending --tasks-dir tasks --shots 0,1,8
  gptkit eval model --tasks sst2,piqa --data-dir data/eval --limit 200
  gptkit eval model --tasks my_task.yaml -o results --json
""",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for results.json and items.jsonl.")
@settings_options(EvalSettings)
@json_option
@stage_options
def command(model: Path, output: Path | None, settings: EvalSettings, as_json: bool, runtime: Any) -> None:
    """Score a model on tasks, with no, one or more demonstrations.

    MODEL is a model folder. Tasks are YAML files in lm-eval's form. Every item has demonstrations
    of its own, of which fewer are shown where the model's context is full. --limit counts items
    of a task. The model runs on all cores, whatever --workers says.
    """
    from gptkit.evaluation.report import explanation, print_table
    from gptkit.evaluation.stage import run

    report = run(model, output, settings, runtime)
    if as_json:
        click.echo(json.dumps({"results": report.results, "failed": report.failures}))
    elif report.results:
        print_table(report.results)
        runtime.progress.say(explanation(report.results))
    if report.failures:
        raise GptkitError("; ".join(report.failures))
