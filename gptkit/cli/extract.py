"""`gptkit extract`: a page to its main text, unless a command is named."""

import importlib

import click

DEFAULT = "page"  # what is meant where the first argument names no command
COMMANDS = {"page": "gptkit.cli.extract_page", "train": "gptkit.cli.extract_train"}


class DefaultGroup(click.Group):
    """A group of commands in files of their own; its arguments are those of `DEFAULT` where they name none of them."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*COMMANDS, *context.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(context, args)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name]).command
        return command


@click.group(
    "extract",
    cls=DefaultGroup,
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
