"""`gptkit extract`: a page to its main text, unless a command is named."""

import click

from gptkit.cli.groups import LazyGroup

DEFAULT = "page"  # what is meant where the first argument names no command
COMMANDS = {"page": "gptkit.cli.extract_page", "train": "gptkit.cli.extract_train"}


class DefaultGroup(LazyGroup):
    """A group whose arguments are those of `DEFAULT` where they name no command."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.modules, *context.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(context, args)


@click.group(
    "extract",
    cls=DefaultGroup,
    modules=COMMANDS,
    subcommand_metavar="FILE|URL|- | COMMAND [ARGS]...",
    epilog="""\b
Examples:
  gptkit extract page.html
  gptkit extract https://example.org/ --blocks
  gptkit extract train pages.warc.gz,pages.truth.jsonl -o model.npz
""",
)
def command() -> None:
    """Extract the main text of a page, or train what tells it from the rest.

    gptkit extract FILE is short for gptkit extract page FILE (write ./train for a file named so).
    """
