"""`gptkit generate`."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptkit.cli.generating import drawing_options, load
from gptkit.cli.options import json_option
from gptkit.cli.prompts import read_prompts
from gptkit.engine.terminal import printable
from gptkit.errors import UsageError

if TYPE_CHECKING:
    from gptkit.model.folder import LoadedModel
    from gptkit.model.text import Codec


@dataclasses.dataclass
class Text:
    """One text to write."""

    number: int  # of its prompt
    prompt: str
    ids: list[int]
    seed: int
    text: str = ""
    end: str = "max-tokens"  # or end-of-text, stop
    score: float | None = None  # of beam search

    def row(self) -> dict[str, Any]:
        """What --json prints."""
        draw = {"seed": self.seed} if self.score is None else {"score": self.score}
        return {"prompt": self.prompt, "text": self.text, **draw, "end": self.end}


@click.command(
    "generate",
    epilog="""\b
Examples:
  gptkit generate model "The standard library" --temperature 0.8 --top-k 50 --count 3
  gptkit generate model --prompts questions.jsonl --stop "Question:" --temperature 0 --json
  echo "def main():" | gptkit generate model --prompt - --beams 4
""",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1, metavar="[PROMPT]...")
@click.option("--prompt", multiple=True, help="Text to go on from, as PROMPT; - reads standard input.")
@click.option(
    "--prompts",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Prompts, one a line; of .jsonl the field `prompt`. - reads standard input.",
)
@drawing_options
@click.option(
    "--count",
    "--samples",
    "count",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Samples of each prompt.",
)
@click.option(
    "--batch", default=8, show_default=True, type=click.IntRange(1), help="Texts that are written at the same time."
)
@click.option(
    "--beams", type=click.IntRange(1), help="Search for the likeliest text, keeping so many, instead of drawing."
)
@click.option(
    "--length-penalty",
    default=1.0,
    show_default=True,
    help="Of beams: their log-probability is divided by length to this power.",
)
@json_option
def command(
    model: Path,
    texts: tuple[str, ...],
    prompt: tuple[str, ...],
    file: Path | None,
    max_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    stop: tuple[str, ...],
    count: int,
    batch: int,
    beams: int | None,
    length_penalty: float,
    device: str,
    as_json: bool,
) -> None:
    """Write text with a model: what follows each prompt, up to the end of the document.

    MODEL is a folder of gptkit train or a Hugging Face folder. Without a prompt a new document begins. One text is
    printed as it comes, of several each when it is done. Control characters are left out, but for newline and tab;
    with --json each text is one line.
    """
    if beams is not None:
        _check_beams(length_penalty)
    prompts = read_prompts([*texts, *prompt], file)

    from gptkit.model.sampling_rules import SamplingRule
    from gptkit.model.text import Codec

    loaded = load(model, device)
    codec = Codec(loaded.tokenizer_path)
    asked = [
        Text(number, each, _start(codec, each), seed + sample)
        for number, each in enumerate(prompts)
        for sample in range(count)
    ]
    if beams is not None:
        _show(_searched(loaded, codec, asked, max_tokens, beams, length_penalty, stop), len(asked) > 1, as_json)
        return
    rule = SamplingRule(temperature, top_k, top_p)
    live = len(asked) == 1 and not as_json
    written = _written(loaded, codec, asked, max_tokens, rule, stop, batch, live)
    if live:
        list(written)
        click.echo()
    else:
        _show(written, len(asked) > 1, as_json)


def _check_beams(length_penalty: float) -> None:
    """Raises UsageError where options of drawing stand beside --beams."""
    context = click.get_current_context()
    for name in ("temperature", "top_k", "top_p", "seed", "count"):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"--beams finds the likeliest text, so nothing is drawn; leave {flag} out")
    if not abs(length_penalty) < 100:
        raise UsageError(f"--length-penalty is {length_penalty} and must be a number from -100 to 100")


def _start(codec: "Codec", prompt: str) -> list[int]:
    ids = codec.encode(prompt) or ([] if codec.end_of_text is None else [codec.end_of_text])
    if not ids:
        raise UsageError("--prompt: this model has no end-of-text to start from; give it some text")
    return ids


def _written(
    loaded: "LoadedModel",
    codec: "Codec",
    asked: Sequence[Text],
    max_tokens: int,
    rule: Any,
    stops: Sequence[str],
    batch: int,
    live: bool,
) -> Iterator[Text]:
    """The texts, written batch by batch; printed as they come if `live`."""
    from gptkit.model.generate import Speed, start
    from gptkit.model.stream import TextStream, write
    from gptkit.sampling.draws import draw64

    speed = Speed()
    for first in range(0, len(asked), batch):
        together = asked[first : first + batch]
        streams = [TextStream(codec, text.ids, stops) for text in together]
        seeds = [draw64(text.seed, text.number) for text in together]
        ids = [text.ids for text in together]
        generation = start(loaded.model, ids, max_tokens, rule, seeds, codec.end_of_text, speed=speed)
        for _, piece in write(generation, streams):
            if live:
                click.echo(printable(piece), nl=False)
                sys.stdout.flush()
        for row, (text, stream) in enumerate(zip(together, streams, strict=True)):
            text.text = stream.text
            if row in generation.stopped or stream.stopped:
                text.end = "stop" if stream.stopped else "end-of-text"
            yield text
    click.echo(speed, err=True)


def _searched(
    loaded: "LoadedModel",
    codec: "Codec",
    asked: Sequence[Text],
    max_tokens: int,
    beams: int,
    length_penalty: float,
    stops: Sequence[str],
) -> Iterator[Text]:
    """The best text of each beam search, cut before a stop string."""
    from gptkit.model.beam import beam_search
    from gptkit.model.stream import TextStream

    tokens, started = 0, time.perf_counter()
    for text in asked:
        best = beam_search(loaded.model, text.ids, max_tokens, beams, length_penalty, codec.end_of_text)[0]
        stream = TextStream(codec, text.ids, stops)
        for token in best.ids:
            stream.push(token)
        stream.finish()
        text.text, text.score = stream.text, best.score
        if best.ended or stream.stopped:
            text.end = "stop" if stream.stopped else "end-of-text"
        tokens += len(best.ids)
        yield text
    rate = tokens / (time.perf_counter() - started)
    click.echo(f"new: {tokens:,} tokens, {rate:,.1f} tokens/s with {beams} beams", err=True)


def _show(texts: Iterator[Text], named: bool, as_json: bool) -> None:
    for text in texts:
        if as_json:
            click.echo(json.dumps(text.row()))
            continue
        if named:
            how = f"seed {text.seed}" if text.score is None else f"score {text.score:.4f}"
            click.echo(f"prompt {text.number + 1}, {how}:", err=True)
        click.echo(printable(text.text))
