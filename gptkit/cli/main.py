"""The program: finds the command, runs it, and turns errors into one line and an exit code."""

import os
import sys

import click

from gptkit.cli.groups import LazyGroup
from gptkit.engine.garbage import collect_rarely
from gptkit.engine.terminal import printable
from gptkit.errors import GptkitError

# name -> module; a command is loaded when it is called or its help is listed
COMMANDS = {
    "sample": "gptkit.cli.sample",
    "clean": "gptkit.cli.clean",
    "extract": "gptkit.cli.extract",
    "explain": "gptkit.cli.explain",
    "quality": "gptkit.cli.quality",
    "remove": "gptkit.cli.remove",
    "dedup": "gptkit.cli.dedup",
    "decontaminate": "gptkit.cli.decontaminate",
    "mix": "gptkit.cli.mix",
    "tokenize": "gptkit.cli.tokenize",
    "tokens": "gptkit.cli.tokens",
    "models": "gptkit.cli.models",
    "train": "gptkit.cli.train",
    "make-tasks": "gptkit.cli.make_tasks",
    "eval": "gptkit.cli.eval",
    "generate": "gptkit.cli.generate",
    "chat": "gptkit.cli.chat",
    "convert": "gptkit.cli.convert",
    "run": "gptkit.cli.run",
    "show": "gptkit.cli.show",
    "stats": "gptkit.cli.stats",
}
# How long OpenMP's threads spin before they sleep, said before torch is loaded. With the default
# (300,000 turns), training on two cores beside one other busy process falls from 19,000 to 750
# tokens a second; with 1,000 to 8,000, and it costs 7 % on a quiet machine.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  gptkit run pipelines/quickstart.yaml
  gptkit clean crawl/*.warc.gz -o clean
  gptkit eval model --tasks last_word --shots 0,1,8
""",
)
@click.version_option(package_name="gptkit")
def program() -> None:
    """From a raw web crawl to a few-shot table: clean, dedup, mix, tokenize, train, eval."""


def main() -> None:
    """Runs the program; a user's mistake or a failure of the machine is one line, without a traceback."""
    collect_rarely()
    try:
        code = program(standalone_mode=False)
        if sys.stdout is not None:  # it is None where the shell has closed it
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.UsageError as error:
        help_option = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        code = fail(f"{error.format_message().rstrip('.')}{help_option}", error.exit_code)
    except click.ClickException as error:
        code = fail(error.format_message(), error.exit_code)
    except GptkitError as error:
        code = fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = fail("stopped; the same command goes on where this one was", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: be quiet
        code = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = fail(f"{where}{error.strerror or error}", 1)
    sys.exit(code)


def fail(line: str, code: int) -> int:
    """Prints the one line of an error on standard error and gives the exit code."""
    print(f"gptkit: {printable(line, lines=False)}", file=sys.stderr)
    return code
