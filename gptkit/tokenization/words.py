"""The words that a vocabulary is learned from: which documents they come from, and how often each is seen.

Documents of the training split are taken in the order of a draw that is keyed by their ids, each once, until
there is text enough. Each portion's words are counted by itself and written; `combined` adds them up.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.bpe.gpt1 import prepare, word_counts
from gptkit.data.arrays import load_array, save_array
from gptkit.data.documents import EPOCH_COLUMN, SOURCE_COLUMN
from gptkit.data.files import beside
from gptkit.data.identity import hash_ids
from gptkit.kernels.pretokens import CHUNKS, CL100K, GPT2, O200K
from gptkit.kernels.word_counts import WordCounts
from gptkit.sampling.array_draws import draws64
from gptkit.sampling.prefix import Cut, shortest_prefix
from gptkit.tokenization.settings import TokenizeSettings
from gptkit.tokenization.splits import SPLITS, assign
from gptkit.tokenization.texts import TextsTask, epochs_of, read_texts

KERNELS = {"gpt2": GPT2, "cl100k": CL100K, "llama3": CL100K, "o200k": O200K, "gpt1": CHUNKS}
MEASURED = np.dtype([("key", np.uint64), ("size", np.int64)])
NOT_LEARNED = -1  # the size of documents that are not learned from: held out, or here for another time
WORD_MEMORY, BYTE_MEMORY = 64, 48  # what learning needs for a word, and for each of its bytes (kernels.merges)
LARGEST_MEMORY = 16 << 32  # words of more bytes than fit in it have more places than 32 bits can number


@dataclasses.dataclass(frozen=True)
class MeasureTask(TextsTask):
    """Documents to draw from."""

    path: Path
    settings: TokenizeSettings


def measure(task: MeasureTask) -> dict[str, Any]:
    """Writes the draw and the bytes of text of each document, MEASURED [documents]; gives how many may be drawn."""
    rows = [np.empty(0, MEASURED)]
    for batch in read_texts(task, "id", "text", EPOCH_COLUMN, SOURCE_COLUMN):
        hashes, may = _candidates(batch, task.settings)
        measured = np.empty(len(batch), MEASURED)
        # sources of a mixture may have one id: then each has a draw, else their order would decide
        sources = batch.column(SOURCE_COLUMN).dictionary_encode()
        hashes = hashes ^ hash_ids(sources.dictionary)[sources.indices.to_numpy()]
        measured["key"] = draws64(hashes, task.settings.seed, "learn")
        measured["size"] = np.where(may, _sizes(batch), NOT_LEARNED)
        rows.append(measured)
    found = np.concatenate(rows)
    save_array(task.path, found)
    return {"documents": int(np.count_nonzero(found["size"] != NOT_LEARNED))}


def _candidates(batch: pa.RecordBatch, settings: TokenizeSettings) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of the ids (uint64), and which documents are learned from if there is room (bool)."""
    hashes, epochs = hash_ids(batch.column("id")), epochs_of(batch)
    return hashes, (assign(hashes, epochs, settings) == SPLITS.index("train")) & (epochs == 0)


def _sizes(batch: pa.RecordBatch) -> np.ndarray:
    sizes: np.ndarray = pc.binary_length(batch.column("text")).to_numpy(zero_copy_only=False)
    return sizes


def select(paths: Sequence[Path], wanted: int) -> Cut:
    """Which of the measured documents to learn from: the shortest prefix, by draw, of at least `wanted` bytes."""

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for path in paths:
            rows = _drawable(load_array(path))
            yield rows["key"], rows["size"]

    return shortest_prefix(parts, wanted)


def _drawable(measured: np.ndarray) -> np.ndarray:
    return measured[measured["size"] != NOT_LEARNED]


@dataclasses.dataclass(frozen=True)
class CountTask(TextsTask):
    """Documents whose words to count: those of `measured` that `cut` takes, or all of the training split's."""

    stem: Path  # of the files to write
    kinds: Path  # .npy: see bpe.character_kinds
    measured: Path | None
    cut: Cut | None
    first: int  # the place of the first one that may be drawn, among all portions'
    settings: TokenizeSettings


def count(task: CountTask) -> dict[str, Any]:
    """Writes the words of a portion in the order of their first appearance, and how often each is seen."""
    pattern = KERNELS[task.settings.learned_pattern]
    kinds, taken = load_array(task.kinds), _taken(task)
    words = WordCounts()
    documents = size = row = 0
    if taken is None or taken.any():
        for batch in read_texts(task, "id", "text", EPOCH_COLUMN):
            may = _candidates(batch, task.settings)[1] if taken is None else taken[row : row + len(batch)]
            row += len(batch)
            batch = batch.filter(pa.array(may))
            documents, size = documents + len(batch), size + int(_sizes(batch).sum())
            texts = batch.column("text")
            if task.settings.learned_pattern == "gpt1":
                texts = pa.array(prepare(texts.to_pylist()), pa.large_string())
            words.add_texts(texts, kinds, pattern)
    if task.settings.learned_pattern == "gpt1":
        words = word_counts(words)
    save_words(task.stem, words)
    return {"documents": documents, "bytes": size, "words": len(words)}


def _taken(task: CountTask) -> np.ndarray | None:
    if task.measured is None or task.cut is None:
        return None
    measured = load_array(task.measured)
    taken = measured["size"] != NOT_LEARNED
    taken[taken] = task.cut.takes(_drawable(measured)["key"], task.first)
    return taken


def save_words(stem: Path, words: WordCounts) -> None:
    """Writes counted words as three arrays."""
    save_array(beside(stem, ".content.npy"), words.content)
    save_array(beside(stem, ".starts.npy"), words.starts)
    save_array(beside(stem, ".counts.npy"), words.counts)


@dataclasses.dataclass
class LeftOut:
    """Words for which there was no room."""

    words: int = 0
    occurrences: int = 0


def combined(stems: Sequence[Path], memory: int) -> tuple[WordCounts, LeftOut]:
    """The words of all portions, as many as can be learned from in `memory` bytes; and what was left out.

    The rarest are left out, of equally frequent ones the longest, of these the last by their bytes. They
    are left out at the end, and before it when the table itself takes more than half of the memory: a word
    that is forgotten then and comes up again begins at 0, so that the portions' order counts.
    """
    words, left_out = WordCounts(), LeftOut()
    for stem in stems:
        words.add_words(*(load_array(beside(stem, f".{name}.npy")) for name in ("content", "starts", "counts")))
        if words.nbytes > memory // 2:
            _forget(words, memory, left_out)
    _forget(words, memory, left_out)
    return words, left_out


def _forget(words: WordCounts, memory: int, left_out: LeftOut) -> None:
    memory = min(memory, LARGEST_MEMORY)
    lengths = np.diff(words.starts)
    costs = WORD_MEMORY + BYTE_MEMORY * lengths
    if int(costs.sum()) <= memory:
        return
    order = np.lexsort((lengths, -words.counts))
    kept = np.zeros(len(words), bool)
    kept[order[: np.searchsorted(np.cumsum(costs[order]), memory, side="right")]] = True
    _by_bytes(words, lengths, order[int(kept.sum())], kept)
    left_out.words += len(words) - int(kept.sum())
    left_out.occurrences += int(words.counts[~kept].sum())
    words.keep(kept)


def _by_bytes(words: WordCounts, lengths: np.ndarray, last: int, kept: np.ndarray) -> None:
    """Keeps as many of the words that are as frequent and as long as `last`, but the first by their bytes."""
    alike = np.flatnonzero((words.counts == words.counts[last]) & (lengths == lengths[last]))
    some = int(kept[alike].sum())
    if some:
        rows = words.content[words.starts[alike][:, None] + np.arange(lengths[last])]
        kept[alike] = False
        kept[alike[np.lexsort(rows.T[::-1])[:some]]] = True
