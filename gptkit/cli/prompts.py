"""The prompts of a command: its arguments, standard input as one, or the lines of a file."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gptkit.errors import GptkitError

STANDARD_INPUT = "-"


def read_prompts(given: Sequence[str], file: Path | None) -> list[str]:
    """Those given, of which `-` is the whole of standard input, and those of the file; one empty prompt if there is
    none. Raises GptkitError where the file cannot be read or has no prompt."""
    prompts = [_standard_input() if prompt == STANDARD_INPUT else prompt for prompt in given]
    if file is not None:
        found = list(_lines(file))
        if not found:
            raise GptkitError(f"{file}: has no prompt; one a line is needed")
        prompts += found
    return prompts or [""]


def _standard_input() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def _lines(file: Path) -> Iterator[str]:
    """The lines that are not blank; of .jsonl, and of objects on standard input, what is called `prompt`."""
    try:
        text = _standard_input() if str(file) == STANDARD_INPUT else file.read_text("utf-8")
    except UnicodeDecodeError:
        raise GptkitError(f"{file}: is not UTF-8 text; one prompt a line is needed") from None
    objects = file.suffix == ".jsonl" or (str(file) == STANDARD_INPUT and text.lstrip().startswith('{"'))
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip():
            continue
        yield _prompt_of(line, f"{file}: line {number}") if objects else line.removesuffix("\r")


def _prompt_of(line: str, where: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GptkitError(f"{where}: is no JSON ({error})") from None
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise GptkitError(f"{where}: is no JSON object with a string 'prompt'")
    return str(row["prompt"])
