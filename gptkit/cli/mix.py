"""`gptkit mix`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options, start_workers
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime
from gptkit.mixture.settings import MixSettings


@click.command(
    "mix",
    epilog="""\b
Examples:
  gptkit mix web=0.6:web-dedup books=0.4:books-dedup -o mix
  gptkit mix web=0.8:web wiki=0.2,3x:wiki -o mix --bytes 10GB --dry-run
  gptkit mix docs=1x:dedup#docs forum=2.5x:dedup#forum -o mix
""",
)
@click.argument("sources", nargs=-1, required=True, metavar="NAME=WEIGHT:PATH[#SOURCE]...")
@output_option
@settings_options(MixSettings)
@stage_options
@json_option
def command(sources: tuple[str, ...], output: Path, settings: MixSettings, runtime: Runtime, as_json: bool) -> None:
    """Draw a mixture from weighted sources and shuffle it.

    PATH is the output of an earlier stage or Parquet; #SOURCE takes one source of it. A source has
    a WEIGHT (a share of the mixture's text: 0.6), epochs (how often it is read: 1.9x) or both
    (0.08,1.9x: weights decide unless --by epochs, and the table shows what follows). Documents are
    drawn without replacement: none comes a second time before all of its source came once.
    """
    start_workers(runtime, output)
    from gptkit.mixture.stage import run

    finish(run(list(sources), output, settings, runtime), runtime, as_json, in_tables=("sources",))
