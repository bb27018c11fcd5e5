"""`gptkit tokens`."""

import click

from gptkit.cli.groups import LazyGroup

COMMANDS = {
    "inspect": "gptkit.cli.tokens_inspect",
    "verify": "gptkit.cli.tokens_verify",
    "export": "gptkit.cli.tokens_export",
}


@click.group(
    "tokens",
    cls=LazyGroup,
    modules=COMMANDS,
    epilog="""\b
Examples:
  gptkit tokens inspect tokens
  gptkit tokens verify tokens
  gptkit tokens export tokens -o llmc --layout llmc
""",
)
def command() -> None:
    """Look at token shards, check them, and write them in other layouts."""
