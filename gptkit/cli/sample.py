"""`gptkit sample`: a small real crawl without any network."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime
from gptkit.sample.settings import SampleSettings


@click.command(
    "sample",
    epilog="""\b
Examples:
  gptkit sample crawl
  gptkit sample crawl --target 2M --sources stdlib,prose
  gptkit sample crawl --limit 100 --json
""",
)
@click.argument("output", type=click.Path(path_type=Path))
@settings_options(SampleSettings)
@stage_options
@json_option
def command(output: Path, settings: SampleSettings, runtime: Runtime, as_json: bool) -> None:
    """Write a small real crawl (WARC) to OUTPUT, without any network.

    Its pages are documentation: one or more for each module of the standard library and of
    installed packages, from the docstrings in their source (nothing is imported), and their READMEs and
    licences; with navigation, banners and near-duplicates, as real sites have. The same Python
    and packages give the same bytes.
    """
    from gptkit.sample.stage import run

    finish(run(output, settings, runtime), runtime, as_json)
