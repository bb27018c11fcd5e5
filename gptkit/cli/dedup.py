"""`gptkit dedup`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.dedup.settings import DedupSettings
from gptkit.engine.stage import Runtime


@click.command(
    "dedup",
    epilog="""\b
Examples:
  gptkit dedup clean -o dedup
  gptkit dedup clean -o dedup --bands 20 --rows 6
  gptkit dedup clean -o exact-only --no-near --json
""",
)
@click.argument("source", metavar="IN")
@output_option
@settings_options(DedupSettings)
@stage_options
@json_option
def command(source: str, output: Path, settings: DedupSettings, runtime: Runtime, as_json: bool) -> None:
    """Remove documents that are equal, or nearly so, to an earlier one.

    IN is the output of an earlier stage or a Parquet file. Exact duplicates go first (xxh3-128),
    then near ones: MinHash LSH over the set of word n-grams. `removed/` names for every removed
    document the one that stayed.
    """
    from gptkit.dedup.stage import run

    finish(run(source, output, settings, runtime), runtime, as_json)
