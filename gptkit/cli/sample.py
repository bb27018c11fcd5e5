"""`gptkit sample`: a small real crawl without any network."""

import json
from pathlib import Path
from typing import Any

import click

from gptkit.cli.options import json_option, settings_options, stage_options
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
def command(output: Path, settings: SampleSettings, runtime: Any, as_json: bool) -> None:
    """Write a small real crawl (WARC) to OUTPUT, without any network.

    Its pages are documentation: one or more for each module of the standard library and of
    installed packages, from the docstrings in their source (nothing is imported), and their READMEs and
    licences; with navigation, banners and near-duplicates, as real sites have. The same Python
    and packages give the same bytes.
    """
    from gptkit.sample.stage import run

    manifest = run(output, settings, runtime)
    if manifest is None:
        return
    if as_json:
        click.echo(json.dumps(manifest.as_json(), ensure_ascii=False))
        return
    say = runtime.progress.say
    say(f"{'source':<10} {'shards':>7} {'pages':>8} {'bytes':>12}")
    for source in dict.fromkeys(shard.source for shard in manifest.shards):
        own = [shard for shard in manifest.shards if shard.source == source]
        say(f"{source:<10} {len(own):>7} {sum(s.rows for s in own):>8,} {sum(s.bytes for s in own):>12,}")
