import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels.columns import string_arrays
from gptkit.kernels.rare_characters import pages_of, rows_with

RANGES = ((0xE9, 0xE9), (0x295, 0x29A), (0xFFFD, 0x10001), (0x323B0, 0x33479), (0x10FFFF, 0x10FFFF))
SET = pages_of(RANGES)


def members(text):
    return any(first <= ord(character) <= last for character in text for first, last in RANGES)


def check(texts):
    content, starts = string_arrays(pa.array(["A", *texts], pa.string())[1:])
    assert rows_with(content, starts, *SET).tolist() == [members(text) for text in texts]


@given(texts=st.lists(st.one_of(st.text(), st.text(alphabet="xyz\u0100é日\U0001f600", max_size=90)), max_size=6))
def test_against_a_search_by_characters(texts):
    check(texts)


def test_every_place_in_a_block():
    for member in "é\u029a\ufffd\U00010001\U0010ffff":
        for other in ("x", "\u00e8", "日", "\U0001f600"):
            check([other * place + member + other * 40 for place in range(40)])
            check([other * place for place in range(40)])


def test_the_ends_of_ranges():
    edges = [code + step for ends in RANGES for code in ends for step in (-1, 0, 1) if code + step < 0x110000]
    check([chr(code) for code in edges])
    check([])
    assert SET[0].dtype == np.uint8
