import unicodedata

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels import gopher
from gptkit.kernels.characters import PLANES, character_classes
from gptkit.kernels.columns import string_arrays


def statistics(texts):
    return gopher.gopher_statistics(
        *string_arrays(pa.array(texts, pa.string())), character_classes(), gopher.STOP_WORD_KEYS
    )


def reference(text):
    """The same counts, from Python's own notions of words, lines and categories."""
    words = text.split()
    category = {c: "L" if ord(c) >= PLANES else unicodedata.category(c)[0] for c in text}
    plain = [w for w in words if any(category[c] in "LMN" for c in w)]
    stops = set()
    for word in words:
        letters = [i for i, c in enumerate(word) if category[c] in "LMN"]
        if letters:
            inner = word[letters[0] : letters[-1] + 1]
            stops.add("".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in inner))
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    ellipses, place = 0, 0
    while place < len(text):
        if text.startswith("...", place):
            ellipses, place = ellipses + 1, place + 3
        else:
            ellipses, place = ellipses + (text[place] == "…"), place + 1
    return [
        len(words),
        len(words) - len(plain),
        sum(map(len, plain)),
        sum(any(category[c] in "LM" for c in w) for w in plain),
        len(stops & set(gopher.STOP_WORD_LIST)),
        text.count("#"),
        ellipses,
        len(lines),
        sum(line.lstrip().startswith(("•", "-")) for line in lines),
        sum(line.rstrip().endswith(("...", "…")) for line in lines),
    ]


pieces = st.sampled_from(
    [
        "the",
        "The",
        "with",
        "haves",
        "to",
        "of",
        "be-that",
        " ",
        " ",
        "\n",
        "\u00a0",
        "\u3000",
        "...",
        ".",
        "…",
        "#",
        "-",
        "•",
        "é",
        "語",
        "7",
        "a",
        "\U0001f600",
        "\U00020000",
        "\u0301",
    ]
)


@given(st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=40).map("".join))
def test_statistics_equal_pythons(text):
    assert statistics([text])[0].tolist() == reference(text)


def test_documents_of_a_batch_do_not_touch_each_other():
    texts = ["The cat, and the dog...\n- one\n", "", "… # of", "x" * 5000]
    whole = statistics(texts)
    assert whole.tolist() == [statistics([text])[0].tolist() for text in texts]
    sliced = pa.array(["unseen", *texts])[1:]
    again = gopher.gopher_statistics(*string_arrays(sliced), character_classes(), gopher.STOP_WORD_KEYS)
    assert np.array_equal(whole, again)
