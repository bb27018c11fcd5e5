"""`gptkit tokenize`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options
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
@click.argument("source", metavar="IN")
@output_option
@settings_options(TokenizeSettings)
@stage_options
@json_option
def command(source: str, output: Path, settings: TokenizeSettings, runtime: Runtime, as_json: bool) -> None:
    """Learn a vocabulary, or take one, and write token shards.

    Writes `.bin` (nanoGPT) with `.idx` (Megatron) for a training and a validation split, and
    tokenizer.json beside them. End-of-text follows every document; text never makes a special
    token.
    """
    from gptkit.tokenization.stage import run

    finish(run(source, output, settings, runtime), runtime, as_json)
