"""`gptkit clean`."""

import json
import sys
from pathlib import Path

import click

from gptkit.clean.rules import table
from gptkit.clean.settings import CleanSettings
from gptkit.cli.options import json_option, output_option, settings_options, stage_options, start_workers
from gptkit.engine.stage import Runtime


def _list_rules(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    rows = table()
    if "--json" in sys.argv:
        click.echo(json.dumps(rows))
    else:
        from gptkit.cli.funnel import print_rules

        print_rules(rows)
    context.exit()


@click.command(
    "clean",
    epilog="""\b
Examples:
  gptkit clean crawl -o clean
  gptkit clean pages/*.warc.gz -o clean --rules fineweb --language de,fr --keep-rejected
  gptkit clean news=news.warc.gz forum=posts.jsonl.gz -o clean --rules c4,-curly_bracket,min_words=20 --dry-run
""",
)
@click.argument("inputs", nargs=-1, required=True, metavar="[NAME=]INPUT…")
@output_option
@settings_options(CleanSettings)
@click.option(
    "--list-rules",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_rules,
    help="Print every rule with its limit and the sets that have it, and stop.",
)
@stage_options
@json_option
def command(inputs: tuple[str, ...], output: Path, settings: CleanSettings, runtime: Runtime, as_json: bool) -> None:
    """Keep the pages of a crawl that read like prose; give a reason for every other.

    INPUT is a file, a folder of files, the output of an earlier stage, a pattern, an address (https,
    s3 and others), hf:NAME[@SPLIT], or - for JSONL on standard input. Read are WARC and WET, HTML,
    JSONL and text (plain, .gz, .zst), and Parquet.

    Pages go through these steps: block lists of addresses, extraction, repair, language, rules, a
    quality model, and the replacement of addresses of people and machines. --dry-run cleans a sample
    and says what to expect.
    """
    start_workers(runtime, output)
    from gptkit.clean.preview import preview
    from gptkit.clean.stage import run
    from gptkit.cli.funnel import print_funnel, print_preview
    from gptkit.cli.report import finish
    from gptkit.data.stdin import spooled

    with spooled(inputs) as given:
        manifest = run(given, output, settings, runtime)
        if manifest is None:
            expected = preview(given, settings, runtime)
            if as_json:
                click.echo(json.dumps(expected))
            else:
                print_preview(expected)
            return
    if not as_json and not runtime.progress.quiet:
        print_funnel(manifest.counts["funnel"])
    finish(manifest, runtime, as_json, in_tables=("funnel", "rejected"))
