"""`gptkit tokenize`."""

import sys
from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options, start_workers
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime
from gptkit.tokenization.settings import TokenizeSettings


@click.command(
    "tokenize",
    epilog="""\b
Examples:
  gptkit tokenize mix -o tokens --vocab-size 32768
  gptkit tokenize mix -o tokens --tokenizer tokenizer.json
  gptkit tokenize mix -o tokens --vocab-size 4096 --validation 0.05
""",
)
@click.argument("inputs", metavar="[NAME=]IN...", nargs=-1, required=True)
@output_option
@settings_options(TokenizeSettings)
@stage_options
@json_option
def command(inputs: tuple[str, ...], output: Path, settings: TokenizeSettings, runtime: Runtime, as_json: bool) -> None:
    """Learn a vocabulary, or take one, and write token shards.

    IN is the output of an earlier stage or Parquet files. Writes a training and a validation split in
    shards, tokenizer.json, and report.json, which gptkit tokens inspect prints. End-of-text follows
    every document; text never makes a special token.
    """
    start_workers(runtime, output)
    from gptkit.tokenization.stage import run

    manifest = run(inputs, output, settings, runtime)
    if manifest is not None and not as_json and not runtime.progress.quiet:
        from gptkit.cli.tables import console
        from gptkit.cli.token_report import print_report
        from gptkit.data.files import read_json
        from gptkit.tokenization.report import NAME

        print_report(read_json(output / NAME), console(sys.stderr), short=True)
    finish(manifest, runtime, as_json)
