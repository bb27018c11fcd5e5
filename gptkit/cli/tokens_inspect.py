"""`gptkit tokens inspect`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from gptkit.cli.options import json_option


@click.command(
    "inspect",
    epilog="""\b
Examples:
  gptkit tokens inspect tokens
  gptkit tokens inspect tokens --index 12 --split validation
  gptkit tokens inspect tokens/train-00000.bin --json
""",
)
@click.argument("path", metavar="FOLDER|FILE", type=click.Path(path_type=Path, exists=True))
@click.option("--index", type=click.IntRange(0), metavar="N", help="Decode the document at this place, from 0.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation"]),
    default="train",
    show_default=True,
    help="Of a folder: the split that --index counts in.",
)
@json_option
def command(path: Path, index: int | None, split: str, as_json: bool) -> None:
    """Print what token shards hold: facts, how the vocabulary is used, bytes per token; or one document.

    Reads every layout that gptkit tokenize writes; FILE is one shard of it.
    """
    from gptkit.engine.terminal import printable
    from gptkit.tokenization.inspect import document, inspect

    if index is not None:
        found = document(path, split, index)
        if as_json:
            print(json.dumps(found))
        else:
            click.echo(f"{found['shard']}: document {found['index']:,}, {found['tokens']:,} tokens", err=True)
            print(printable(found["text"]))
        return
    found = inspect(path)
    if as_json:
        print(json.dumps(found))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    """Tables on standard output."""
    from gptkit.cli.report import rows
    from gptkit.cli.tables import console, print_columns
    from gptkit.cli.token_report import print_report

    out = console(sys.stdout)
    known = {**found["facts"], **{name: found[name] for name in ("bytes_per_token", "shards") if name in found}}
    print_columns(out, found["path"], ("", ""), rows(known))
    if "report" in found:
        print_report(found["report"], out)
