"""The phase that encodes: a portion of the documents becomes, for each split, a part: bare ids and lengths."""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.bpe.encoder import Encoder
from gptkit.data.arrays import load_array, save_array
from gptkit.data.documents import EPOCH_COLUMN, SOURCE_COLUMN
from gptkit.data.files import atomic_path, beside
from gptkit.data.identity import hash_ids
from gptkit.data.layouts import DTYPES, LAYOUTS, dtype_for
from gptkit.data.portions import Corpus, check
from gptkit.engine.stage import Stage
from gptkit.errors import GptkitError
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.jit import compile_kernels
from gptkit.kernels.token_rows import copy_documents
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.splits import SPLITS, assign
from gptkit.tokenization.tallies import Sizes, Tally
from gptkit.tokenization.texts import COPIES_COLUMN, LANGUAGE_COLUMN, TextsTask, epochs_of, read_texts

CHECKED_BYTES = 32_000  # of each portion, which tokenizers encodes too, at 2 to 3 MB/s
CHECKED_TEXT = 16_000  # bytes of one document, at most
SHORTEST_TOKEN = 2  # bytes of text, on average
SHOWN = 40  # bytes of a document that an error quotes
LONGEST = (1 << 31) - 1  # tokens of a document: indexes hold them in int32


@dataclasses.dataclass(frozen=True)
class Part:
    """Encoded documents in order: STEM.ids, bare ids in the shards' dtype, and STEM.lengths.npy, int32 [documents],
    the tokens of each, end-of-text included. The ids may also lie in `file`, behind `skip` bytes."""

    stem: Path
    documents: int
    tokens: int
    file: Path | None = None
    skip: int = 0
    portion: str = ""  # the name of the portion that it was encoded from

    @property
    def ids(self) -> Path:
        """The file of ids."""
        return self.file or beside(self.stem, ".ids")

    @property
    def lengths(self) -> Path:
        """The file of lengths."""
        return beside(self.stem, ".lengths.npy")


@dataclasses.dataclass(frozen=True)
class Encoded:
    """What encoding gives: the parts of each split in the order of the documents, and what was counted."""

    parts: dict[str, list[Part]]  # by split
    bytes: dict[str, int]  # of text, by split; here and in what follows a document counts as often as it is taken
    vocab_size: int
    end_of_text: int
    sources: list[Sizes]  # of each portion; see Tally
    languages: list[Sizes]
    seen: list[Path]  # .npy, int64 [vocabulary]: occurrences of each id in a portion

    @property
    def dtype(self) -> str:
        """Of the ids."""
        return dtype_for(self.vocab_size)

    def documents(self, split: str) -> int:
        """Documents of a split."""
        return sum(part.documents for part in self.parts[split])

    def tokens(self, split: str) -> int:
        """Tokens of a split, end-of-text included."""
        return sum(part.tokens for part in self.parts[split])


@dataclasses.dataclass(frozen=True)
class EncodeTask(TextsTask):
    """A portion to encode."""

    columns: tuple[str, ...]
    tokenizer: Path
    digest: str  # of the tokenizer
    stem: Path  # of the parts: STEM.train.ids and so on
    settings: TokenizeSettings


def encode(
    stage: Stage,
    corpus: Corpus,
    chosen: Sequence[Path | None],
    tokenizer: Path,
    digest: str,
    settings: TokenizeSettings,
) -> Encoded:
    """Runs the phase. `chosen` says for each portion which of its documents are encoded (see TextsTask);
    `digest` is the SHA-256 of the tokenizer.

    Raises GptkitError where an encoder makes a mistake, or the layout cannot hold the vocabulary.
    """
    wanted = ["text"]
    if settings.validation:  # else no id decides anything
        wanted += ["id", EPOCH_COLUMN]
    wanted += [name for name in (SOURCE_COLUMN, LANGUAGE_COLUMN) if name in corpus.schema.names]
    wanted.append(COPIES_COLUMN)
    tasks = [
        EncodeTask(
            portion, those, tuple(wanted), tokenizer, digest, stage.scratch / f"encoded/{portion.name}", settings
        )
        for portion, those in zip(corpus.portions, chosen, strict=True)
    ]
    compile_kernels(stage.runtime.progress.say, _warm_up, "tokenize")
    results = stage.phase("encode", encode_portion, tasks)
    parts: dict[str, list[Part]] = {split: [] for split in SPLITS}
    sums = dict.fromkeys(SPLITS, 0)
    for task, result in zip(tasks, results, strict=True):
        for split, found in result["splits"].items():
            stem = beside(task.stem, f".{split}")
            parts[split].append(Part(stem, found["documents"], found["tokens"], portion=task.portion.name))
            sums[split] += found["bytes"]
    return Encoded(
        parts,
        sums,
        results[0]["vocab_size"],
        results[0]["end_of_text"],
        [result["sources"] for result in results],
        [result["languages"] for result in results],
        [beside(task.stem, ".seen.npy") for task in tasks],
    )


def encode_portion(task: EncodeTask) -> dict[str, Any]:
    """Writes the parts of a portion and the occurrences of each id; gives sizes by split, source and language."""
    check(task.portion)
    encoder = _encoder(task.tokenizer, task.settings.end_of_text, task.digest)
    LAYOUTS[task.settings.layout].check(encoder.vocab_size, task.settings.shard_tokens)
    dtype = DTYPES[dtype_for(encoder.vocab_size)]
    tally = Tally(encoder.vocab_size, task.portion.source, task.portion.weight)
    documents = task.portion.documents if task.chosen is None else int(np.count_nonzero(load_array(task.chosen)))
    sample = _Sample(documents, task.portion.weight, task.settings.shard_tokens)
    out = np.empty(0, dtype)
    with contextlib.ExitStack() as stack:
        writers = [_Writer(beside(task.stem, f".{split}"), stack) for split in SPLITS]
        for batch in read_texts(task, *task.columns):
            splits = np.zeros(len(batch), np.int8)
            if task.settings.validation:
                splits = assign(hash_ids(batch.column("id")), epochs_of(batch), task.settings)
                if (splits < 0).any():
                    batch, splits = batch.filter(pa.array(splits >= 0)), splits[splits >= 0]
            text = batch.column("text")
            content, starts = string_arrays(text)
            ids, offsets = encoder.encode(text)
            sample.add(text, ids, offsets)
            if len(ids) > LONGEST and np.diff(offsets).max() >= LONGEST:
                raise GptkitError(f"{task.label}: a document has more than {LONGEST:,} tokens, which no index can hold")
            if encoder.spells_text and (wrong := encoder.mismatch(ids, offsets, text)) is not None:
                raise GptkitError(
                    f"{task.label}: the ids of a document that begins {_begin(text, wrong)!r} do not spell it; "
                    "nothing is written"
                )
            copies = batch.column(COPIES_COLUMN).to_numpy()
            tally.add(batch, content, starts, offsets, copies)
            if len(out) < len(ids) + len(batch):
                out = np.empty((len(ids) + len(batch)) * 5 // 4, dtype)  # kept: fresh memory is slow
            lengths, sizes = (np.diff(offsets) + 1).astype(np.int32), np.diff(starts) * copies
            for place, writer in enumerate(writers):
                rows = np.flatnonzero(splits == place)
                if len(rows):
                    flat = copy_documents(ids, offsets, rows, encoder.end_of_text, out, tally.seen, copies)
                    writer.write(flat, lengths[rows], int(sizes[rows].sum()))
        encoder.check(sample.texts, sample.ids)
    save_array(beside(task.stem, ".seen.npy"), tally.seen)
    return {
        "splits": {split: writer.close() for split, writer in zip(SPLITS, writers, strict=True) if writer.lengths},
        "sources": tally.sources,
        "languages": tally.languages,
        "vocab_size": encoder.vocab_size,
        "end_of_text": encoder.end_of_text,
    }


@functools.lru_cache(maxsize=1)
def _encoder(path: Path, end_of_text: str | None, digest: str) -> Encoder:
    """The encoder, loaded once a worker."""
    return Encoder(path, end_of_text)


class _Writer:
    """A part being written; its file is made with the first document."""

    def __init__(self, stem: Path, stack: contextlib.ExitStack) -> None:
        self.lengths: list[np.ndarray] = []
        self._part = Part(stem, 0, 0)
        self._stack = stack
        self._bytes = 0
        self._file: Any = None

    def write(self, ids: np.ndarray, lengths: np.ndarray, size: int) -> None:
        """Appends documents."""
        if self._file is None:
            temporary = self._stack.enter_context(atomic_path(self._part.ids))
            self._file = self._stack.enter_context(open(temporary, "wb"))
        self._file.write(ids.data)
        self.lengths.append(lengths)
        self._bytes += size

    def close(self) -> dict[str, int]:
        """Writes the lengths and gives the counts."""
        lengths = np.concatenate(self.lengths)
        save_array(self._part.lengths, lengths)
        return {"documents": len(lengths), "tokens": int(lengths.sum(dtype=np.int64)), "bytes": self._bytes}


class _Sample:
    """Documents of a portion at equal distances, so that some lie in every shard, with their ids where they are short."""

    def __init__(self, documents: int, weight: int, shard_tokens: int) -> None:
        mean = max(1, min(CHECKED_TEXT, weight // max(1, documents)))
        shards = weight // (shard_tokens * SHORTEST_TOKEN)
        self._every = max(1, documents // max(1, CHECKED_BYTES // mean, 2 * shards))
        self._first = self._every // 2  # the distance to the next one
        self.texts: list[str] = []
        self.ids: list[np.ndarray | None] = []  # None of those that were cut

    def add(self, column: pa.Array, ids: np.ndarray, offsets: np.ndarray) -> None:
        """Takes those of a batch (with the ids of all and their offsets), each cut to CHECKED_TEXT bytes."""
        for place in range(self._first, len(column), self._every):
            content = memoryview(column[place].as_buffer())
            self.texts.append(content[:CHECKED_TEXT].tobytes().decode(errors="ignore"))
            whole = len(content) <= CHECKED_TEXT
            self.ids.append(ids[offsets[place] : offsets[place + 1]].copy() if whole else None)
        self._first = (self._first - len(column)) % self._every


def _begin(texts: pa.Array, place: int) -> str:
    return memoryview(texts[place].as_buffer())[:SHOWN].tobytes().decode(errors="ignore")


def _warm_up() -> None:
    """Compiles the kernels of this phase."""
    text = pa.array(["some words"])
    content, starts = string_arrays(text)
    once = pa.array([1], pa.int32()).to_numpy()
    for dtype in DTYPES.values():
        copy_documents(
            np.zeros(2, np.uint32), np.array([0, 2]), np.arange(1), 1, np.empty(3, dtype), np.zeros(2, np.int64), once
        )
    batch = pa.RecordBatch.from_arrays([text], names=["text"])
    Tally(2, "", 1).add(batch, content, starts, np.array([0, 2]), once)
