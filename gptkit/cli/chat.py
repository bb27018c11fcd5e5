"""`gptkit chat`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptkit.cli.generating import drawing_options, load
from gptkit.cli.main import INTERRUPTED
from gptkit.engine.terminal import printable
from gptkit.errors import UsageError

if TYPE_CHECKING:
    from gptkit.model.generate import Generation
    from gptkit.model.stream import TextStream


@click.command(
    "chat",
    epilog="""\b
Examples:
  gptkit chat model --temperature 0.7 --top-p 0.9
  gptkit chat model --user Question --assistant Answer < questions.txt
""",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--user", default="User", show_default=True, help="Who asks, in the transcript.")
@click.option("--assistant", default="Assistant", show_default=True, help="Who answers.")
@drawing_options
def command(
    model: Path,
    user: str,
    assistant: str,
    max_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    stop: tuple[str, ...],
    device: str,
) -> None:
    """Talk with a base model, which goes on with a plain transcript of the talk.

    Each line of the terminal or of standard input is a turn; answers are printed as they come, up to where the model
    begins the user's next turn. Where the context is full, the oldest turns are dropped. Ctrl-C ends an answer, Ctrl-D
    the chat.
    """
    for flag, name in (("--user", user), ("--assistant", assistant)):
        if not name.strip() or name != printable(name, lines=False):
            raise UsageError(f"{flag} is {name!r} and must be a name")

    from gptkit.model.batch import Batch
    from gptkit.model.generate import Generation
    from gptkit.model.sampling_rules import SamplingRule
    from gptkit.model.stream import TextStream
    from gptkit.model.text import Codec
    from gptkit.model.transcript import Transcript
    from gptkit.sampling.draws import draw64

    loaded = load(model, device)
    codec = Codec(loaded.tokenizer_path)
    transcript = Transcript(codec, user, assistant)
    rule = SamplingRule(temperature, top_k, top_p)
    context = loaded.config.context
    room = context - min(max_tokens, context // 2)
    batch: Batch | None = None
    told = False
    for turn, line in enumerate(_lines(user)):
        ids, dropped = transcript.ask(line, room)
        if (dropped or len(ids) > context) and not told:
            told = True
            what = "the oldest turns are dropped from here on" if dropped else "only the end of what is said is read"
            click.echo(f"the context of {context:,} tokens is full: {what}", err=True)
        if batch is None:
            batch = Batch(loaded.model, [ids])
        else:
            batch.replace(ids)
        stream = TextStream(codec, ids, [transcript.stop, *stop])
        generation = Generation(batch, max_tokens, rule, [draw64(seed, turn)], codec.end_of_text)
        if _at_terminal():
            click.echo(f"{assistant}: ", nl=False, err=True)
        if not _answer(generation, stream):
            batch = None  # its cache may be in the middle of a token
        transcript.add(line, stream.text)


def _answer(generation: "Generation", stream: "TextStream") -> bool:
    """Prints an answer as it comes; whether it came to its end."""
    from gptkit.model.stream import write

    begun, whole = False, False
    try:
        for _, piece in write(generation, [stream]):
            shown = printable(piece if begun else piece.lstrip())
            begun = begun or bool(shown)
            click.echo(shown, nl=False)
            sys.stdout.flush()
        whole = True
    except KeyboardInterrupt:
        pass
    click.echo()
    return whole


def _lines(user: str) -> Iterator[str]:
    """What the user says, up to the end of standard input; blank lines say nothing."""
    if _at_terminal():
        import readline  # noqa: F401 - input() edits lines with it
    while True:
        try:
            line = input(f"{user}: ") if _at_terminal() else _read_line()
        except EOFError:
            if _at_terminal():
                click.echo(err=True)
            return
        except KeyboardInterrupt:
            if not _at_terminal():
                raise click.exceptions.Exit(INTERRUPTED) from None
            click.echo("\nCtrl-D ends the chat", err=True)
            continue
        if line.strip():
            yield line.strip()


def _read_line() -> str:
    line: bytes = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return line.decode("utf-8", "replace")


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
