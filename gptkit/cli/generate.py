"""`gptkit generate`."""

import json
import math
import sys
from pathlib import Path

import click

from gptkit.cli.options import json_option
from gptkit.engine.terminal import printable
from gptkit.errors import UsageError


@click.command(
    "generate",
    epilog="""\b
Examples:
  gptkit generate model --prompt "The standard library"
  gptkit generate model --prompt "Once upon a time" --temperature 0.8 --top-k 50 --count 3 --json
  echo "def main():" | gptkit generate model --prompt - --temperature 0
""",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--prompt", default="", help="Text to go on from; - reads standard input; none starts a new document.")
@click.option("--max-tokens", default=200, show_default=True, type=click.IntRange(1), help="Tokens to write at most.")
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0),
    help="0 always takes the likeliest token.",
)
@click.option("--top-k", type=click.IntRange(1), help="Choose among the likeliest K tokens only.")
@click.option(
    "--top-p", type=click.FloatRange(0, 1, min_open=True), help="Choose among the likeliest tokens of this probability."
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**63 - 1),
    help="Decides what is drawn; samples count up from it.",
)
@click.option("--count", default=1, show_default=True, type=click.IntRange(1), help="Samples.")
@click.option(
    "--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]), help="Where to compute."
)
@json_option
def command(
    model: Path,
    prompt: str,
    max_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    count: int,
    device: str,
    as_json: bool,
) -> None:
    """Write text with a model: what follows the prompt, as it comes, up to the end of the document.

    MODEL is a folder of gptkit train or a Hugging Face GPT-2 folder. Control characters are left out,
    but for newline and tab; with --json each sample is one line.
    """
    for flag, value in (("--temperature", temperature), ("--top-p", top_p)):
        if value is not None and not math.isfinite(value):  # click's range lets them through
            raise UsageError(f"{flag} is {value} and must be a number")
    if prompt == "-":
        prompt = sys.stdin.buffer.read().decode("utf-8", "replace")

    import torch

    from gptkit.model.folder import load_model
    from gptkit.model.generate import generate
    from gptkit.model.text import Codec

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU here")
    loaded = load_model(model, device)
    codec = Codec(loaded.tokenizer_path)
    ids = codec.encode(prompt) or ([] if codec.end_of_text is None else [codec.end_of_text])
    if not ids:
        raise UsageError("--prompt: this model has no end-of-text to start from; give it some text")
    for sample in range(seed, seed + count):
        new = generate(loaded.model, ids, max_tokens, temperature, top_k, top_p, sample, codec.end_of_text)
        if as_json:
            text = codec.decode(list(new))
            click.echo(json.dumps({"prompt": prompt, "text": text, "seed": sample}))
            continue
        if count > 1:
            click.echo(f"seed {sample}:", err=True)
        for piece in codec.stream(new):
            click.echo(printable(piece), nl=False)
            sys.stdout.flush()
        click.echo()
