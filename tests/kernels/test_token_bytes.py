"""first_mismatch against joining the tokens' bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels.token_bytes import first_mismatch, token_table

PIECES = [b"", *(bytes(range(97, 97 + size)) for size in range(1, 20)), b"a\0", b"\0\0\0"]
DOCUMENTS = st.lists(st.lists(st.integers(0, len(PIECES)), max_size=12), max_size=5)


def spelled(ids):
    """What the ids stand for; None where one stands for nothing."""
    if any(index >= len(PIECES) or not PIECES[index] for index in ids):
        return None
    return b"".join(PIECES[index] for index in ids)


@given(DOCUMENTS, st.data())
def test_mismatch_is_the_first_document_whose_ids_do_not_spell_it(documents, data):
    texts = [spelled(ids) or b"" for ids in documents]
    for place, text in enumerate(texts):
        change = data.draw(st.sampled_from(["none", "none", "byte", "longer", "shorter"]))
        if change == "byte" and text:
            at = data.draw(st.integers(0, len(text) - 1))
            texts[place] = text[:at] + bytes([text[at] ^ data.draw(st.integers(1, 255))]) + text[at + 1 :]
        elif change == "longer":
            texts[place] = text + b"x"
        elif change == "shorter":
            texts[place] = text[:-1]
    expected = next((row for row, ids in enumerate(documents) if spelled(ids) != texts[row]), -1)
    found = first_mismatch(
        np.array([index for ids in documents for index in ids], np.uint32),
        np.cumsum([0, *map(len, documents)]),
        np.frombuffer(b"".join(texts), np.uint8),
        np.cumsum([0, *map(len, texts)]),
        *token_table(PIECES),
    )
    assert found == expected
