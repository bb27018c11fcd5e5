"""`gptkit clean`."""

from pathlib import Path

import click

from gptkit.clean.settings import CleanSettings
from gptkit.cli.options import json_option, output_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime


@click.command(
    "clean",
    epilog="""\b
Examples:
  gptkit clean crawl -o clean
  gptkit clean news=news.warc.gz forum=posts.jsonl.gz -o clean --keep-rejected
  gptkit clean pages/*.warc.gz -o clean --language de,fr --json
""",
)
@click.argument("inputs", nargs=-1, required=True, metavar="[NAME=]INPUT…")
@output_option
@settings_options(CleanSettings)
@stage_options
@json_option
def command(inputs: tuple[str, ...], output: Path, settings: CleanSettings, runtime: Runtime, as_json: bool) -> None:
    """Keep the pages of a crawl that read like prose; give a reason for every other.

    INPUT is a WARC or JSONL file (plain, .gz, .zst), a Parquet file, a folder of these, the output
    of an earlier stage, or an address. Pages are extracted (resiliparse), repaired (ftfy), told by
    language, and held against Gopher's quality rules.
    """
    from gptkit.clean.stage import run

    finish(run(inputs, output, settings, runtime), runtime, as_json)
