import json
import os
import pydoc_data.topics
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import reference_merges
import zstandard
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from gptkit.kernels.merges import TURN, learn_merges

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
MIXED = SHARED / "text" / "mixed.jsonl.zst"
LETTERS = "abcd"
# runs of one letter overlap, few letters make ties, and one text in several ways
WORDS = st.sampled_from([2, 3, 4]).flatmap(
    lambda letters: st.dictionaries(
        st.text(LETTERS[:letters], min_size=1, max_size=14), st.integers(1, 7), min_size=1, max_size=25
    )
)


def ours(words, pieces, merges, min_frequency=0):
    """(left, right) texts of each merge, and all texts by id; `words` is {tuple of ids: count}."""
    pairs, made = learn_merges(
        np.array([symbol for word in words for symbol in word], np.int32),
        np.cumsum([0, *map(len, words)], dtype=np.int64),
        np.array(list(words.values()), np.int64),
        pieces,
        merges,
        min_frequency,
    )
    assert pairs.dtype == made.dtype == np.int32
    assert pairs.shape == (len(made), 2)
    return list(zip(map(tuple, pairs.tolist()), made.tolist(), strict=True))


def spelled(merges, pieces):
    """The two texts of each merge, and the texts by id."""
    texts = list(pieces)
    for (left, right), token in sorted(merges, key=lambda merge: merge[1]):  # of several ways, one is of smaller ids
        if token == len(texts) and max(left, right) < token:
            texts.append(texts[left] + texts[right])
    return [(texts[left].decode(), texts[right].decode()) for (left, right), _ in merges], texts


def theirs(texts, alphabet, splitter, **options):
    """What BpeTrainer learns: the two texts of each merge, and the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitter
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False, **options)
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return [tuple(merge) for merge in model["merges"]], model["vocab"]


def symbols_of(words, pieces):
    ids = {piece.decode(): index for index, piece in enumerate(pieces)}
    return {tuple(ids[letter] for letter in word): count for word, count in words.items()}


@settings(max_examples=400)
@given(WORDS, st.integers(0, 5), st.one_of(st.integers(0, 12), st.just(1000)))
@example({"aaaaa": 3, "aaaa": 2, "aa": 1}, 0, 1000)
@example({"abc": 3, "bc": 2, "ab": 4, "abcabc": 1}, 0, 1000)
@example({"a": 1}, 0, 5)
def test_the_trainer_learns_the_same_merges(words, min_frequency, merges):
    pieces = [letter.encode() for letter in LETTERS]
    symbols = symbols_of(words, pieces)
    expected = reference_merges.learn(list(symbols), list(symbols.values()), pieces, merges, min_frequency)
    found = ours(symbols, pieces, merges, min_frequency)
    assert found == expected.merges
    assert not expected.ambiguous
    joined = "\n".join(word for word, count in words.items() for _ in range(count))
    splitter = pre_tokenizers.CharDelimiterSplit("\n")
    size = len(pieces) + merges
    pairs, vocabulary = theirs([joined], list(LETTERS), splitter, vocab_size=size, min_frequency=min_frequency)
    texts, by_id = spelled(found, pieces)
    assert texts == pairs
    assert {text.decode(): index for index, text in enumerate(by_id)} == vocabulary


@settings(max_examples=50)
@given(WORDS, st.randoms(use_true_random=False))
def test_the_order_of_the_words_and_words_given_in_parts_make_no_difference(words, random):
    pieces = [letter.encode() for letter in LETTERS]
    symbols = list(symbols_of(words, pieces).items())
    shuffled = random.sample(symbols, len(symbols))
    assert ours(dict(symbols), pieces, 1000) == ours(dict(shuffled), pieces, 1000)
    parts = [(word, 1) for word, count in shuffled for _ in range(count)]
    found = learn_merges(
        np.array([symbol for word, _ in parts for symbol in word], np.int32),
        np.cumsum([0, *(len(word) for word, _ in parts)], dtype=np.int64),
        np.ones(len(parts), np.int64),
        pieces,
        1000,
        0,
    )
    assert list(zip(map(tuple, found[0].tolist()), found[1].tolist(), strict=True)) == ours(dict(symbols), pieces, 1000)


def with_suffix(words, suffix, min_frequency=0):
    """Kernel, reference and trainer on words whose last letter has a suffix.

    The ids of such letters are the trainer's: it gives them in the order of its hash map.
    """
    joined = "\n".join(word for word, count in words.items() for _ in range(count))
    splitter = pre_tokenizers.CharDelimiterSplit("\n")
    options = {"vocab_size": 1000, "min_frequency": min_frequency, "end_of_word_suffix": suffix}
    pairs, vocabulary = theirs([joined], list(LETTERS), splitter, **options)
    known = {*LETTERS, *(word[-1] + suffix for word in words)}
    pieces = [text.encode() for text in sorted(vocabulary, key=vocabulary.__getitem__)[: len(known)]]
    assert {piece.decode() for piece in pieces} == known
    ids = {piece.decode(): index for index, piece in enumerate(pieces)}
    symbols = {(*(ids[letter] for letter in word[:-1]), ids[word[-1] + suffix]): words[word] for word in words}
    merges = 1000 - len(pieces)
    expected = reference_merges.learn(list(symbols), list(symbols.values()), pieces, merges, min_frequency)
    found = ours(symbols, pieces, merges, min_frequency)
    return found, expected, spelled(found, pieces), pairs, vocabulary


# with a letter for a suffix, one text is made in several ways
@settings(max_examples=400)
@given(WORDS, st.sampled_from(["</w>", "a", "b", "ab", "aa"]), st.integers(0, 3))
@example({"aab": 3, "ababb": 5, "cab": 2, "abcab": 4}, "b", 0)
def test_characters_with_the_end_of_word_suffix(words, suffix, min_frequency):
    found, expected, (texts, by_id), pairs, vocabulary = with_suffix(words, suffix, min_frequency)
    assert found == expected.merges
    assume(not expected.ambiguous)
    assert texts == pairs
    assert {text.decode(): index for index, text in enumerate(by_id)} == vocabulary


def trainer_and_kernel(texts, merges, min_frequency=0):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    counts = Counter(word for text in texts for word, _ in byte_level.pre_tokenize_str(text))
    pieces = [letter.encode() for letter in alphabet]
    found = ours(symbols_of(counts, pieces), pieces, merges, min_frequency)
    size = len(pieces) + merges
    expected = theirs(texts, alphabet, byte_level, vocab_size=size, min_frequency=min_frequency)
    merged, by_id = spelled(found, pieces)
    return merged, expected[0], {text.decode(): index for index, text in enumerate(by_id)}, expected[1]


def test_documentation_of_python_through_several_turns_and_more_room():
    texts = [re.sub(r"[*`]", "", text) for text in pydoc_data.topics.topics.values()]
    found, expected, vocabulary, expected_vocabulary = trainer_and_kernel(texts, 3 * TURN + 500)
    assert len(found) >= 3 * TURN + 500
    assert found == expected
    assert vocabulary == expected_vocabulary


def test_real_words_until_no_pair_is_left():
    texts = list(pydoc_data.topics.topics.values())[:15]
    found, expected, vocabulary, expected_vocabulary = trainer_and_kernel(texts, 1 << 20)
    assert found == expected
    assert vocabulary == expected_vocabulary


@pytest.mark.skipif(not MIXED.exists(), reason="GPTKIT_SHARED names no folder with data/text")
@pytest.mark.parametrize("min_frequency", [0, 4])
def test_real_text(min_frequency):
    texts = []
    with zstandard.open(MIXED, "rt", encoding="utf-8") as lines:
        for line in lines:
            texts.append(json.loads(line)["text"])
            if sum(map(len, texts)) > 400_000:
                break
    found, expected, vocabulary, expected_vocabulary = trainer_and_kernel(texts, 8000, min_frequency)
    assert found == expected
    assert vocabulary == expected_vocabulary


# letters, and pairs of letters: one text in several ways
@settings(max_examples=200)
@given(
    st.dictionaries(
        st.lists(st.integers(0, 4), min_size=1, max_size=14).map(tuple), st.integers(1, 7), min_size=1, max_size=25
    ),
    st.permutations([b"a", b"b", b"ab", b"ba", b"aa"]),
    st.integers(0, 3),
)
def test_pieces_of_several_letters(words, pieces, min_frequency):
    expected = reference_merges.learn(list(words), list(words.values()), pieces, 100, min_frequency)
    assert ours(words, pieces, 100, min_frequency) == expected.merges


def test_one_text_made_in_two_ways_is_one_token():
    merges = ours({(0, 1): 9, (2, 3): 5, (3, 0, 1): 2, (3, 4): 1}, [b"a", b"bc", b"ab", b"c", b"abc"], 100)
    assert merges == [((0, 1), 4), ((2, 3), 4), ((3, 4), 5)]


def test_counts_beyond_32_bits():
    huge = 1 << 40
    assert ours({(0, 0): huge, (1, 0): huge + 1, (1, 1): 5}, [b"a", b"b"], 9, huge) == [((1, 0), 2), ((0, 0), 3)]


def test_a_long_word():
    assert [token for _, token in ours({(0,) * 100_000: 1}, [b"a"], 16)] == list(range(1, 17))


@pytest.mark.parametrize("words", [{}, {(): 3}, {(0,): 3, (1,): 4}])
def test_nothing_to_merge(words):
    assert ours(words, [b"a", b"b"], 10) == []


def test_no_merges_wanted():
    assert ours({(0, 1): 3}, [b"a", b"b"], 0) == []


@pytest.mark.parametrize(
    ("symbols", "starts", "counts", "pieces", "said"),
    [
        ([0, 1], [0, 1], [1], [b"a", b"b"], "2 starts do not cut 2 symbols into 1 words"),
        ([0, 1], [0, 2, 1, 2], [1, 1, 1], [b"a", b"b"], "do not cut"),
        ([0, 2], [0, 2], [1], [b"a", b"b"], "symbols from 0 to 2 for 2 pieces"),
        ([-1, 1], [0, 2], [1], [b"a", b"b"], "symbols from -1 to 1"),
        ([0, 1], [0, 2], [0], [b"a", b"b"], "counted 0 times"),
        ([0, 1], [0, 2], [1], [b"a", b"a"], "different"),
        ([0, 1], [0, 2], [1], [b"a", b""], "none empty"),
    ],
)
def test_what_is_no_words(symbols, starts, counts, pieces, said):
    with pytest.raises(ValueError, match=said):
        learn_merges(np.array(symbols, np.int32), np.array(starts, np.int64), np.array(counts, np.int64), pieces, 5, 0)
