"""Learns byte-level BPE merges (gigatoken) and writes them as tokenizer.json (tokenizers)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gptkit.data.vocabulary import END_OF_TEXT, byte_characters
from gptkit.errors import GptkitError


def learn_merges(texts: Path, vocab_size: int) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """Learns from the column `text` of a Parquet file: the bytes of each id, and the merges in order.

    Ties are broken as tokenizers' BpeTrainer breaks them. One id of `vocab_size` is left for
    end-of-text.
    """
    import gigatoken

    with _quiet():
        vocabulary, merges = gigatoken.train_bpe(gigatoken.ParquetFileSource([str(texts)]), vocab_size - 1, [])
    return vocabulary, merges


def write_tokenizer(path: Path, vocabulary: dict[int, bytes], merges: list[tuple[bytes, bytes]]) -> None:
    """Writes tokenizer.json: byte-level BPE, GPT-2's split pattern, end-of-text as the last id."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    characters = {byte: character for character, byte in byte_characters().items()}

    def spell(piece: bytes) -> str:
        return "".join(characters[byte] for byte in piece)

    model = models.BPE(
        vocab={spell(piece): index for index, piece in vocabulary.items()},
        merges=[(spell(left), spell(right)) for left, right in merges],
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    if tokenizer.token_to_id(END_OF_TEXT) != len(vocabulary):
        raise GptkitError(
            f"the text itself has made a token {END_OF_TEXT!r}; give a tokenizer with --tokenizer instead"
        )
    path.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Sends what native code prints on standard output and error to nowhere."""
    kept, nowhere = (os.dup(1), os.dup(2)), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for descriptor, before in zip((1, 2), kept, strict=True):
            os.dup2(before, descriptor)
            os.close(before)
        os.close(nowhere)
