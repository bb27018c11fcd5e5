"""What the report counts while a portion is encoded: vocabulary use, sizes by source, words and characters by language."""

import numpy as np
import pyarrow as pa

from gptkit.data.documents import SOURCE_COLUMN
from gptkit.kernels.characters import character_flags
from gptkit.kernels.text_sizes import text_sizes
from gptkit.tokenization.texts import LANGUAGE_COLUMN

SAMPLED_BYTES = 512_000  # of a portion's text, roughly, whose words are counted: all would take as long as encoding

Sizes = dict[str, list[int]]


class Tally:
    """Counts of one portion. `sources` are [documents, bytes, tokens], `languages` [words, characters, tokens] of a
    sample; end-of-text is counted nowhere, and a document as often as it is taken, in the sample once."""

    def __init__(self, vocabulary: int, source: str, weight: int) -> None:
        self.seen = np.zeros(vocabulary, np.int64)
        self.sources: Sizes = {}
        self.languages: Sizes = {}
        self._source = source
        self._every = max(1, weight // SAMPLED_BYTES)
        self._place = 0

    def add(
        self, batch: pa.RecordBatch, content: np.ndarray, starts: np.ndarray, offsets: np.ndarray, copies: np.ndarray
    ) -> None:
        """Counts a batch: its text as bytes and starts, the offsets of its documents' ids, and how often each is taken."""
        sizes, tokens = np.diff(starts), np.diff(offsets)
        rows = np.arange(len(batch))
        for source, places in _groups(batch, SOURCE_COLUMN, self._source, rows):
            taken = copies[places]
            found = int(taken.sum()), int(sizes[places] @ taken), int(tokens[places] @ taken)
            _add(self.sources, source, *found)
        sample = rows[(rows + self._place) % self._every == 0]
        self._place += len(batch)
        if not len(sample):
            return
        counted = text_sizes(content, starts, sample, character_flags())
        for language, places in _groups(batch, LANGUAGE_COLUMN, "", sample):
            words, characters = counted[np.searchsorted(sample, places)].sum(axis=0).tolist()
            _add(self.languages, language, words, characters, int(tokens[places].sum()))


def _add(table: Sizes, name: str, *values: int) -> None:
    table[name] = [a + b for a, b in zip(table.get(name, [0] * len(values)), values, strict=True)]


def _groups(batch: pa.RecordBatch, column: str, name: str, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The rows by what a column says of them; all under `name` where the batch has no such column."""
    if column not in batch.schema.names:
        return [(name, rows)]
    coded = batch.column(column).fill_null("").dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)[rows]
    return [(coded.dictionary[code].as_py(), rows[codes == code]) for code in np.unique(codes).tolist()]
