"""Tries out a tokenizer with a regular expression of its own, in a process of its own.

Such an expression comes from a file: on some texts it may run for ever, or end the process. So before it is
used it has to encode a probe within a time limit; what is worse than linear is found by texts of one character.
"""

import subprocess
import sys
from typing import Any

import orjson

from gptkit.bpe.patterns import EXPRESSIONS
from gptkit.bpe.probe import probe_texts, steps
from gptkit.errors import GptkitError

SECONDS = 20.0  # a sound expression takes about one
LONG = 200_000  # characters


def try_out(config: dict[str, Any], content: bytes, name: str) -> None:
    """Raises GptkitError, by `name`, where a tokenizer.json (parsed, and its bytes) has an expression that is not
    known and fails on the probe or takes over SECONDS."""
    parts = steps(config.get("pre_tokenizer"), "pretokenizers") + steps(config.get("normalizer"), "normalizers")
    if {part["pattern"]["Regex"] for part in parts if "Regex" in part.get("pattern", {})} <= set(EXPRESSIONS.values()):
        return
    command = [sys.executable, "-m", "gptkit.bpe.trial"]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise GptkitError(
            f"{name}: its regular expression takes over {SECONDS:g} s on a few hundred kB of text"
        ) from None
    if done.returncode:
        raise GptkitError(f"{name}: its regular expression fails on ordinary text")


def _encode_probe() -> None:
    from tokenizers import Tokenizer

    content = sys.stdin.buffer.read()
    texts = [*probe_texts(orjson.loads(content)), *(character * LONG for character in "ax 1!\n'é日")]
    Tokenizer.from_buffer(content).encode_batch_fast(texts, add_special_tokens=False)


if __name__ == "__main__":
    _encode_probe()
