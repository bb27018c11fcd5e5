"""Cuts what is protected out of documents, and says what was cut.

A matching n-gram goes with the characters around it; what is left between such removals are the
document's pieces. Pieces that are too short go; a document in too many pieces, or without one that
is long enough, goes as a whole. A piece is named by its document and its place, in characters, as
Python slices a string: ID[0:5310]. Ids that `gptkit clean` makes different end in a number (ID#2),
so that no piece has the id of another document.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.decontamination.settings import DecontaminateSettings
from gptkit.kernels import grams
from gptkit.kernels.columns import string_arrays
from gptkit.kernels.grams import DOCUMENT, END, GRAM, START, GramTable

TOUCHED = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("matched", pa.list_(pa.string())),  # names of the sets
        ("grams", pa.int64()),  # places with a matching n-gram
        ("characters_removed", pa.int64()),
        ("pieces", pa.int64()),  # before the short ones went
        ("pieces_kept", pa.int64()),
        ("verdict", pa.string()),  # cut or dropped
        ("example", pa.string()),  # the first matching n-gram, as it stands in the document
    ]
)


@dataclasses.dataclass(frozen=True)
class Piece:
    """What is kept of a document."""

    id: str
    text: str


def pieces_of(identity: str, content: bytes, cuts: Sequence[tuple[int, int]]) -> tuple[list[Piece], int]:
    """The pieces that removals of the bytes `cuts` (ordered, apart) leave of a document, and its characters."""
    pieces: list[Piece] = []
    place = character = 0
    for start, end in [*cuts, (len(content), len(content))]:
        between = content[place:start].decode("utf-8", "replace")
        if between:
            pieces.append(Piece(f"{identity}[{character}:{character + len(between)}]", between))
        character += len(between) + len(content[start:end].decode("utf-8", "replace"))
        place = end
    return pieces, character


class Cutter:
    """Cuts batches of documents."""

    REASONS = ("too_many_pieces", "pieces_too_short")  # to drop a document

    def __init__(
        self, table: GramTable, owners: np.ndarray, names: Sequence[str], settings: DecontaminateSettings
    ) -> None:
        """owners: int64 [pairs, 2], ordered: an n-gram of the table, and the place in `names` of a set that has it."""
        self.table = table
        self.owners = owners
        self.starts = np.searchsorted(owners[:, 0], np.arange(len(table.keys) + 1))  # of each n-gram's rows
        self.names = names
        self.settings = settings
        self.touched: list[dict[str, Any]] = []  # rows of TOUCHED
        self.dropped = dict.fromkeys(self.REASONS, 0)

    def cut(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with its touched documents cut; all other columns stay as they are."""
        content, starts = string_arrays(batch.column("text"))
        hits = grams.find_grams(content, starts, self.table, grams.word_characters())
        if len(hits) == 0:
            return batch
        cuts = grams.removals(content, starts, hits, self.settings.window)
        touched, first_hit = np.unique(hits[:, DOCUMENT], return_index=True)
        hits_of = np.split(hits, first_hit[1:])
        cuts_of = np.split(cuts[:, 1:], np.searchsorted(cuts[:, 0], touched)[1:])
        names = batch.select(["id", "source"]).take(pa.array(touched)).to_pylist()
        kept: list[Piece] = []
        rows = np.ones(len(batch), np.int64)  # that each document becomes
        for document, row, own_hits, own_cuts in zip(touched, names, hits_of, cuts_of, strict=True):
            start, end = starts[document : document + 2]
            own_hits[:, [START, END]] -= start
            pieces = self._keep(row, content[start:end].tobytes(), (own_cuts - start).tolist(), own_hits)
            kept += pieces
            rows[document] = len(pieces)
        return _with_pieces(batch, rows, np.isin(np.arange(len(batch)), touched), kept)

    def _keep(self, row: dict[str, Any], content: bytes, cuts: list[tuple[int, int]], hits: np.ndarray) -> list[Piece]:
        """The pieces of one document that are kept; notes what became of it."""
        pieces, characters = pieces_of(row["id"], content, cuts)
        kept = [piece for piece in pieces if len(piece.text) >= self.settings.min_piece]
        if len(pieces) > self.settings.max_pieces:
            kept = []
            self.dropped["too_many_pieces"] += 1
        elif not kept:
            self.dropped["pieces_too_short"] += 1
        own = {
            number
            for gram in np.unique(hits[:, GRAM])
            for number in self.owners[slice(*self.starts[gram : gram + 2]), 1]
        }
        example = content[hits[0, START] : hits[0, END]]
        self.touched.append(
            {
                "id": row["id"],
                "source": row["source"],
                "matched": [self.names[number] for number in sorted(own)],
                "grams": len(hits),
                "characters_removed": characters - sum(len(piece.text) for piece in kept),
                "pieces": len(pieces),
                "pieces_kept": len(kept),
                "verdict": "cut" if kept else "dropped",
                "example": example.decode("utf-8", "replace"),
            }
        )
        return kept


def _with_pieces(
    batch: pa.RecordBatch, rows: np.ndarray, touched: np.ndarray, pieces: Sequence[Piece]
) -> pa.RecordBatch:
    """The batch with each document as many times as `rows` says; those that are touched have their pieces' ids and texts."""
    places = np.repeat(np.arange(len(batch)), rows)
    changed = pa.array(touched[places])
    text = batch.schema.get_field_index("text")
    # a long document is not written out once for each of its pieces
    bare = pc.if_else(pa.array(touched), "", batch.column(text))
    taken = batch.set_column(text, batch.schema.field(text), bare).take(pa.array(places))
    for name, values in (("id", [piece.id for piece in pieces]), ("text", [piece.text for piece in pieces])):
        place = taken.schema.get_field_index(name)
        column = pc.replace_with_mask(taken.column(place), changed, pa.array(values, pa.string()))
        taken = taken.set_column(place, taken.schema.field(place), column)
    return taken
