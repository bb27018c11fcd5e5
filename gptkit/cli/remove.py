"""`gptkit remove`."""

from pathlib import Path

import click

from gptkit.clean.remove_settings import RemoveSettings
from gptkit.cli.options import json_option, output_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime


@click.command(
    "remove",
    epilog="""\b
Examples:
  gptkit remove clean --ids ids.txt -o clean-2
  gptkit remove clean --urls takedown.txt -o clean-2 --json
  gptkit remove part.parquet --ids ids.txt --urls takedown.txt -o clean-2
""",
)
@click.argument("source", metavar="IN")
@output_option
@settings_options(RemoveSettings)
@stage_options
@json_option
def command(source: str, output: Path, settings: RemoveSettings, runtime: Runtime, as_json: bool) -> None:
    """Take documents out of shards (take-down requests).

    IN is the output of an earlier stage or a Parquet file. Documents with a listed id or address are
    left out, from lists of rejected documents too; all else stays as it is.
    """
    from gptkit.clean.remove import run

    finish(run(source, output, settings, runtime), runtime, as_json)
