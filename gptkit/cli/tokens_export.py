"""`gptkit tokens export`."""

from pathlib import Path

import click

from gptkit.cli.options import json_option, output_option, settings_options, stage_options
from gptkit.cli.report import finish
from gptkit.engine.stage import Runtime
from gptkit.errors import UsageError
from gptkit.tokenization.settings import ExportSettings


@click.command(
    "export",
    epilog="""\b
Examples:
  gptkit tokens export tokens -o nanogpt --layout nanogpt
  gptkit tokens export tokens -o llmc --layout llmc --shard-tokens 10000000
  gptkit tokens export tokens -o datatrove --layout datatrove
""",
)
@click.argument("folder", type=click.Path(path_type=Path))
@output_option
@settings_options(ExportSettings)
@stage_options
@json_option
def command(folder: Path, output: Path, settings: ExportSettings, runtime: Runtime, as_json: bool) -> None:
    """Write token shards in another layout, or of another size.

    The documents stay the same and in their order; the tokenizer goes along, and a manifest that
    gptkit train and gptkit tokens verify read.
    """
    if runtime.limit is not None:
        raise UsageError("--limit: all documents are exported; give it to gptkit tokenize")
    from gptkit.tokenization.export import run

    finish(run(folder, output, settings, runtime), runtime, as_json)
