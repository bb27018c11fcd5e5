"""Learns a BPE vocabulary from the training documents and writes it as tokenizer.json."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.bpe.alphabets import Alphabet, byte_alphabet, character_alphabet
from gptkit.bpe.character_kinds import character_kinds
from gptkit.bpe.tokenizer_json import canonical, compose
from gptkit.data.arrays import save_array
from gptkit.data.files import atomic_path
from gptkit.data.portions import Portion
from gptkit.data.vocabulary import END_OF_TEXT
from gptkit.engine.stage import Stage
from gptkit.errors import InputError
from gptkit.kernels.jit import compile_kernels
from gptkit.kernels.merges import learn_merges
from gptkit.kernels.word_counts import WordCounts
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.words import CountTask, MeasureTask, combined, count, measure, select


def learn(
    stage: Stage, portions: Sequence[Portion], chosen: Sequence[Path | None], settings: TokenizeSettings, path: Path
) -> dict[str, Any]:
    """Writes tokenizer.json at `path`, learned from the training documents of `portions`.

    chosen: of each portion, .npy, int32 [documents]: how often each is taken; None for all.
    Returns the facts: vocab_size, merges, documents and bytes learned from, words (different ones),
    words_left_out and occurrences_left_out (for want of memory).
    Raises InputError where a special token is a token of the text as well, or twice there, and where
    vocab_size has no room for the alphabet.
    """
    say = stage.runtime.progress.say
    special = [settings.end_of_text or END_OF_TEXT, *settings.special]
    twice = next((token for token in special if special.count(token) > 1), None)
    if twice is not None:
        raise InputError(f"the special token {twice!r} is given twice; name each once (end-of-text is one of them)")
    compile_kernels(say, _warm_up, "tokenize-learn")
    folder = stage.scratch / "learn"
    kinds = folder / "kinds.npy"
    save_array(kinds, character_kinds())

    measured: list[Path] = []
    candidates = np.zeros(len(portions) + 1, np.int64)
    cut = None
    if settings.learn_bytes:
        measured = [folder / f"measured-{number:05d}.npy" for number in range(len(portions))]
        results = stage.phase(
            "lengths",  # a mixture that is joined has measured its sources under that name
            measure,
            [MeasureTask(*task, settings) for task in zip(portions, chosen, measured, strict=True)],
        )
        candidates[1:] = np.cumsum([result["documents"] for result in results])
        cut = select(measured, settings.learn_bytes)
    stems = [folder / f"words-{number:05d}" for number in range(len(portions))]
    counting = [
        CountTask(
            portions[number],
            chosen[number],
            stems[number],
            kinds,
            measured[number] if measured else None,
            cut,
            int(candidates[number]),
            settings,
        )
        for number in range(len(portions))
    ]
    counted = stage.phase("count", count, counting)
    task = LearnTask(tuple(stems), path, settings, tuple(special))
    (learned,) = stage.phase("learn", learn_from_words, [task])
    if learned["occurrences_left_out"]:
        say(
            f"learn: there was no room for {learned['words_left_out']:,} rare words, which were seen "
            f"{learned['occurrences_left_out']:,} times; raise --learn-memory {settings.learn_memory:,} to learn from them"
        )
    if learned["vocab_size"] < (settings.vocab_size or 0):
        say(f"learn: the text makes no more than {learned['vocab_size']:,} of {settings.vocab_size:,} tokens")
    return {name: sum(result[name] for result in counted) for name in ("documents", "bytes")} | learned


@dataclasses.dataclass(frozen=True)
class LearnTask:
    """Counted words to learn from."""

    stems: tuple[Path, ...]
    path: Path  # tokenizer.json, to write
    settings: TokenizeSettings
    special: tuple[str, ...]  # special tokens, end-of-text first


def learn_from_words(task: LearnTask) -> dict[str, Any]:
    """Learns merges and writes tokenizer.json: the alphabet, what the merges make, then the special tokens."""
    settings = task.settings
    words, left_out = combined(task.stems, settings.learn_memory)
    if not len(words) and left_out.words:
        raise InputError(f"--learn-memory {settings.learn_memory:,} has no room for a single word; raise it")
    alphabet = character_alphabet(words) if settings.learned_pattern == "gpt1" else byte_alphabet(words)
    room = (settings.vocab_size or 0) - len(alphabet.pieces) - len(task.special)
    if room < 0:
        raise InputError(
            f"--vocab-size {settings.vocab_size:,}: the text has {len(alphabet.pieces):,} different symbols; "
            f"with {len(task.special)} special tokens it takes at least {len(alphabet.pieces) + len(task.special):,}"
        )
    pairs, made = learn_merges(
        alphabet.symbols, alphabet.starts, words.counts, alphabet.pieces, room, settings.min_frequency
    )
    tokens = _tokens(alphabet.pieces, pairs, made)
    with atomic_path(task.path) as temporary:
        temporary.write_bytes(_tokenizer(alphabet, tokens, pairs, task))
    return {
        "vocab_size": len(tokens) + len(task.special),
        "merges": len(pairs),
        "words": len(words),
        "words_left_out": left_out.words,
        "occurrences_left_out": left_out.occurrences,
    }


def _tokens(pieces: list[bytes], pairs: np.ndarray, made: np.ndarray) -> list[bytes]:
    """The text of each id. Several pairs may make one id; one of them is of ids below it."""
    tokens = list(pieces)
    for place in np.argsort(made, kind="stable").tolist():
        left, right = pairs[place].tolist()
        if made[place] == len(tokens) and max(left, right) < len(tokens):
            tokens.append(tokens[left] + tokens[right])
    return tokens


def _tokenizer(alphabet: Alphabet, tokens: list[bytes], pairs: np.ndarray, task: LearnTask) -> bytes:
    """The content of tokenizer.json, in the form of a given one: so it has the same fingerprint when it is given."""
    spelled = [alphabet.spell(token) for token in tokens]
    clash = next((token for token in task.special if token in set(spelled)), None)
    if clash is not None:
        raise InputError(
            f"the text itself has made a token {clash!r}; name another special token, "
            "or give a tokenizer with --tokenizer instead"
        )
    vocabulary = {token: index for index, token in enumerate(spelled)}
    merges = [(spelled[left], spelled[right]) for left, right in pairs.tolist()]
    special = {token: len(tokens) + place for place, token in enumerate(task.special)}
    config = compose(vocabulary, merges, task.settings.learned_pattern, special)
    return canonical(config, str(task.path), task.settings.end_of_text)


def _warm_up() -> None:
    """Runs every kernel once."""
    import pyarrow as pa

    words = WordCounts()
    texts = pa.array([" ".join(map(str, range(3_000))), "a longer word: abcdefghijkl"])
    words.add_texts(texts, character_kinds(), 0)
    words.add_words(words.content.copy(), words.starts.copy(), words.counts.copy())
    words.keep(words.counts > 0)
    alphabet = byte_alphabet(words)
    learn_merges(alphabet.symbols, alphabet.starts, words.counts, alphabet.pieces, 10, 0)
