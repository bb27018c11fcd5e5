"""The kind of every character, as the regular expressions of the tokenizers library see it.

The library brings its own version of Unicode, which is another than Python's: it is asked for each class.
"""

import contextlib
import functools
import importlib.metadata

import numpy as np

from gptkit.data.arrays import load_array, save_array
from gptkit.kernels.jit import CACHE
from gptkit.kernels.pretokens import BREAK, CODES, LOWER, MARK, NUMBER, OTHER, SPACE, UNCASED, UPPER

CLASSES = {
    SPACE: r"[^\S\r\n]",
    SPACE | BREAK: r"[\r\n]",
    UPPER: r"[\p{Lu}\p{Lt}]",
    LOWER: r"\p{Ll}",
    UNCASED: r"[\p{Lm}\p{Lo}]",
    MARK: r"\p{M}",
    NUMBER: r"\p{N}",
}
SURROGATES = (0xD800, 0xE000)  # no text has them


@functools.cache
def character_kinds() -> np.ndarray:
    """uint8 [CODES]: the kind of each character (kernels.pretokens). Nothing writes to it.

    The library is asked once, for about a second; the answer is kept beside the compiled kernels.
    """
    kept = CACHE.parents[1] / f"character-kinds-{importlib.metadata.version('tokenizers')}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # it is not there, or damaged
        known = load_array(kept)
        if known.dtype == np.uint8 and known.shape == (CODES,):
            return known
    found = _ask()
    with contextlib.suppress(OSError):  # no home to write to
        save_array(kept, found)
    return found


def _ask() -> np.ndarray:
    codes = np.concatenate([np.arange(SURROGATES[0]), np.arange(SURROGATES[1], CODES)])
    # neighbours of one class are one piece, so that each class need only be asked for the pieces' first characters
    runs = np.array(_pieces("|".join(f"{expression}+" for expression in CLASSES.values()), "isolated", codes))
    firsts = codes[runs[:, 0]]
    kinds = np.zeros(len(runs), np.uint8)
    for kind, expression in CLASSES.items():
        inside = np.ones(len(runs), bool)
        for first, last in _pieces(expression, "removed", firsts):
            inside[first:last] = False
        kinds[inside] = kind
    kinds[kinds == 0] = OTHER
    all_kinds = np.zeros(CODES, np.uint8)
    all_kinds[codes] = np.repeat(kinds, runs[:, 1] - runs[:, 0])
    return all_kinds


def _pieces(expression: str, behaviour: str, codes: np.ndarray) -> list[tuple[int, int]]:
    """The places where the library splits a text of these characters."""
    from tokenizers import Regex, pre_tokenizers

    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    return [span for _, span in pre_tokenizers.Split(Regex(expression), behaviour).pre_tokenize_str(text)]
