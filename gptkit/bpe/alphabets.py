"""The symbols that BPE starts from: all bytes, or GPT-1's characters. In the order of tokenizers' BpeTrainer."""

import dataclasses
from collections.abc import Callable

import numpy as np

from gptkit.bpe.patterns import UNKNOWN, WORD_END
from gptkit.data.vocabulary import byte_characters
from gptkit.kernels.word_counts import WordCounts


@dataclasses.dataclass(frozen=True)
class Alphabet:
    """Words as symbols."""

    pieces: list[bytes]  # the text of each symbol
    symbols: np.ndarray  # integers [symbols]: those of all words
    starts: np.ndarray  # int64 [words + 1]: where each word begins in them
    spell: Callable[[bytes], str]  # a token as a tokenizer.json writes it


def byte_alphabet(words: WordCounts) -> Alphabet:
    """Words as bytes; their ids are in the order of the characters that stand for them in GPT-2's table."""
    table = byte_characters()
    order = [table[character] for character in sorted(table)]
    characters = {byte: character for character, byte in table.items()}
    ids = np.empty(256, np.int32)
    ids[order] = np.arange(256)

    def spell(token: bytes) -> str:
        return "".join(characters[byte] for byte in token)

    return Alphabet([bytes([byte]) for byte in order], ids[words.content], words.starts, spell)


def character_alphabet(words: WordCounts) -> Alphabet:
    """GPT-1's: <unk>, the characters, and those that end words, each in the order of code points.

    (BpeTrainer gives the latter ids in the order of a hash table, another one in each run.)
    """
    text = words.content.tobytes().decode()
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
    beginnings = np.flatnonzero(words.content & 0xC0 != 0x80)  # the byte at which each character begins
    starts = np.searchsorted(beginnings, words.starts)
    ends = np.zeros(len(codes), bool)
    ends[starts[1:] - 1] = True
    inside, last = np.unique(codes), np.unique(codes[ends])
    symbols = (1 + np.searchsorted(inside, codes)).astype(np.int32)
    symbols[ends] = 1 + len(inside) + np.searchsorted(last, codes[ends])
    pieces = [UNKNOWN, *map(chr, inside.tolist()), *(chr(code) + WORD_END for code in last.tolist())]
    return Alphabet([piece.encode() for piece in pieces], symbols, starts.astype(np.int64), bytes.decode)
