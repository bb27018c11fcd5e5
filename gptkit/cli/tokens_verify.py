"""`gptkit tokens verify`."""

import json
from pathlib import Path

import click

from gptkit.cli.options import json_option


@click.command(
    "verify",
    epilog="""\b
Examples:
  gptkit tokens verify tokens
  gptkit tokens verify llmc --json
  gptkit tokens verify tokens && gptkit train --data tokens -o model
""",
)
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Read token shards whole and check everything about them.

    Checksums, indexes, that every id is one of the vocabulary, that end-of-text stands at the end of
    every document and nowhere else, and the counts of the manifest. Ends with exit code 1 and one
    line at the first thing that is wrong.
    """
    from gptkit.cli.report import print_table, rows
    from gptkit.tokenization.inspect import verify

    found = verify(folder)
    if as_json:
        print(json.dumps(found))
    else:
        print_table(f"{folder}: all is as it should be", rows(found))
