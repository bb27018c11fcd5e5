"""The splitters against the tokenizers library's, piece by piece."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretoken_pieces import piece_ends
from tokenizers import Regex, pre_tokenizers

from gptkit.bpe.character_kinds import character_kinds
from gptkit.bpe.patterns import EXPRESSIONS
from gptkit.kernels.pretokens import CHUNKS, CL100K, CODES, GPT2, LETTER, MARK, NUMBER, O200K, SPACE, UPPER

PATTERNS = {"gpt2": GPT2, "cl100k": CL100K, "o200k": O200K}
SPLITS = {name: pre_tokenizers.Split(Regex(EXPRESSIONS[name]), "isolated") for name in PATTERNS}

PIECES = (
    "a b The don't DON'T I'LL 's 'S 'ſ 'ſt x'S' y'll z're 'RE' 'Ve 'l 'r ' '' ''s 've' 1 12 123 1234 ١٢٣٤ ² Ⅷ 1a a1 . .. !? / // ./ /a "
    "\u0301 \u0301\u0301 e\u0301 A\u0301B ABc AbC aBC ABC ǅ ǅa aǅ ʰ Aʰ ʰA 中 A中 中A 中文a ß ﬅ 'ﬅ K 'K é É İ ı _ - — € © 😀 \u200b \u200d \xad "
    "\t \n \n\n \r \r\n \r\n\r\n \x0b \x0c \x1c \x85 \xa0 \u1680 \u2003 \u2028 \u2029 \u3000 \x00 \x7f \U00020000 \U0001d400 \U000e0100 \U0010ffff \uffff"
).split(" ")
TEXTS = st.lists(st.sampled_from([*PIECES, " ", "  ", "   "]), max_size=12).map("".join) | st.text(max_size=30)

# where each character is put to; in the last two the neighbours decide, too
CONTEXTS = (
    "{0}",
    "a{0}a",
    "A{0}A",
    "1{0}1",
    " {0} ",
    "\n{0}\n",
    ".{0}.",
    "'{0}s",
    "a'{0}",
    "é{0}\u0301{0}b",
    "{0}\u0301A{0}'S",
)


def split(texts: list[str], pattern: int) -> list[str]:
    text, ends = piece_ends(pa.array(texts, pa.large_string()), character_kinds(), pattern)
    content, cuts = text.tobytes(), [0, *ends.tolist()]
    return [content[begin:end].decode() for begin, end in itertools.pairwise(cuts)]


def split_by_library(texts: list[str], name: str) -> list[str]:
    return [piece for text in texts for piece, _ in SPLITS[name].pre_tokenize_str(text)]


@pytest.mark.parametrize("name", PATTERNS)
@given(texts=st.lists(TEXTS, max_size=4))
def test_pieces_are_the_librarys(name: str, texts: list[str]) -> None:
    assert split(texts, PATTERNS[name]) == split_by_library(texts, name)


def characters(codes: np.ndarray) -> list[str]:
    return list(codes.astype("<u4").tobytes().decode("utf-32-le"))


@pytest.mark.parametrize("name", PATTERNS)
def test_a_character_of_each_kind_and_neighbourhood(name: str) -> None:
    """Runs of one kind are probed at both ends, and every character below U+0300."""
    kinds = character_kinds()
    codes = np.flatnonzero(kinds)
    edges = np.flatnonzero(kinds[codes[1:]] != kinds[codes[:-1]])
    probed = np.union1d(codes[np.concatenate([edges, edges + 1])][::5], np.arange(0x300))
    for context in CONTEXTS:
        texts = [context.format(character) for character in characters(probed)]
        assert split(texts, PATTERNS[name]) == split_by_library(texts, name), context


def test_the_kinds_of_all_characters_are_the_librarys() -> None:
    kinds = character_kinds()
    codes = np.concatenate([np.arange(0xD800), np.arange(0xE000, CODES)])
    assert np.array_equal(np.flatnonzero(kinds), codes)
    text = "".join(characters(codes))
    for bits, expression in (
        (SPACE, r"\s"),
        (LETTER, r"\p{L}"),
        (NUMBER, r"\p{N}"),
        (MARK, r"\p{M}"),
        (UPPER, r"[\p{Lu}\p{Lt}]"),
    ):
        inside = np.ones(len(codes), bool)
        for _, (first, last) in pre_tokenizers.Split(Regex(expression + "+"), "removed").pre_tokenize_str(text):
            inside[first:last] = False
        assert np.array_equal(inside, kinds[codes] & bits > 0), expression


def test_gpt2_is_the_byte_level_splitter() -> None:
    texts = ["".join(PIECES), " ".join(PIECES), "\n ".join(reversed(PIECES))]
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spans = [span for text in texts for _, span in level.pre_tokenize_str(text)]
    pieces = split(texts, GPT2)
    assert [len(piece) for piece in pieces] == [end - begin for begin, end in spans]


@pytest.mark.parametrize("name", PATTERNS)
def test_a_long_run_is_one_piece(name: str) -> None:
    for text in ("a" * 1_000_000, "é" * 300_000, " " * 300_000, "." * 300_000, "\n" * 300_000):
        assert split([text, "b"], PATTERNS[name]) == [text, "b"]


def test_chunks_are_cut_at_ascii_white_space() -> None:
    assert split(["a\xa0b  c\r\n\td", "", "e"], CHUNKS) == ["a\xa0b", "  ", "c", "\r\n\t", "d", "e"]


def test_a_damaged_copy_of_the_kinds_is_made_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("gptkit.bpe.character_kinds.CACHE", tmp_path / "a" / "b")
    first = character_kinds.__wrapped__()
    (kept,) = tmp_path.glob("*.npy")
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(character_kinds.__wrapped__(), first)
    assert np.array_equal(np.load(kept, allow_pickle=False), first)
