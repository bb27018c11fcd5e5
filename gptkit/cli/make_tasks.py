"""The command `gptkit make-tasks`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime
from gptkit.tasks.settings import MakeTasksSettings


@click.command(
    "make-tasks",
    epilog="""\b
Examples:
  gptkit make-tasks tokens -o tasks
  gptkit make-tasks tokens -o tasks --items 500 --longest 300
  gptkit eval model --tasks tasks --shots 0,1,8
""",
)
@click.argument("tokens", type=click.Path(path_type=Path))
@output_option
@settings_options(MakeTasksSettings)
@json_option
@stage_options
def command(tokens: Path, output: Path, settings: MakeTasksSettings, as_json: bool, runtime: Runtime) -> None:
    """Make evaluation tasks from the held-out documents of a token folder.

    TOKENS is the output of gptkit tokenize. Written are two tasks, as YAML in lm-eval's form with
    their items in JSONL: last_word (say the last word of a passage, which the passage has had
    before) and ending (which of four sentences follows the passage). Demonstrations come from
    other held-out documents than the items that are scored.
    """
    from gptkit.tasks.stage import run

    finish(run(tokens, output, settings, runtime), runtime, as_json)
