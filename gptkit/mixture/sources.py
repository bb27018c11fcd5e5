"""The sources of a mixture: what the command line names, and the documents that are there."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gptkit.data.documents import schema_of
from gptkit.data.portions import Portion, open_corpus
from gptkit.errors import GptkitError, InputError, UsageError
from gptkit.sampling.asks import Ask, read_ask

FORM = "write NAME=WEIGHT:PATH or NAME=EPOCHSx:PATH with a number above 0, for example web=0.6:clean or web=1.9x:clean"


@dataclasses.dataclass(frozen=True)
class Source:
    """One source: what is asked of it, and its documents in one order."""

    ask: Ask
    portions: tuple[Portion, ...]
    schema: pa.Schema  # of all documents at its path
    plan: dict[str, Any]  # the input as a plan names it

    @property
    def name(self) -> str:
        """Its name in the mixture."""
        return self.ask.name

    @property
    def weight(self) -> int:
        """Bytes unpacked, roughly."""
        return sum(portion.weight for portion in self.portions)


def open_sources(arguments: Sequence[str], limit: int | None = None) -> list[Source]:
    """Reads `NAME=ASK:PATH[#SOURCE]` arguments, ordered by name; ASK is a weight, epochs (`1.9x`), or both (`.08,1.9x`).

    PATH is a stage's output or Parquet; `#SOURCE` takes only that source of it. At most the first
    `limit` documents of each are taken. Raises UsageError for the form, GptkitError for what is not
    there, InputError for a source without documents.
    """
    sources: list[Source] = []
    for argument in arguments:
        asked = read_ask(argument)
        if asked is None:
            raise UsageError(f"{argument}: {FORM}")
        ask, path = asked
        if ask.name in (source.name for source in sources):
            raise UsageError(f"{argument}: two sources are named '{ask.name}'")
        path, _, part = (path, "", "") if Path(path).exists() else path.partition("#")
        sources.append(_open(ask, path, part, limit))
    return sorted(sources, key=lambda source: source.name)


def _open(ask: Ask, path: str, part: str, limit: int | None) -> Source:
    corpus = open_corpus([path])
    if part and part not in corpus.sources:
        raise GptkitError(f"{path}: has no source '{part}'; it has {', '.join(corpus.sources)}")
    portions = _limited([portion for portion in corpus.portions if part in ("", portion.source)], limit)
    if not sum(portion.documents for portion in portions):
        raise InputError(f"{path}: holds no documents for source '{ask.name}'; leave it out")
    (entry,) = corpus.digests
    plan = {**entry, "source": part, "name": ask.name, "weight": ask.weight, "epochs": ask.epochs}
    return Source(ask, portions, corpus.schema, plan)


def _limited(portions: Sequence[Portion], limit: int | None) -> tuple[Portion, ...]:
    """The portions with the first `limit` documents."""
    if limit is None:
        return tuple(portions)
    left, kept = limit, []
    for portion in portions:
        rows = []
        for count in portion.rows:
            rows.append(min(count, left))
            left -= rows[-1]
        if any(rows):
            kept.append(dataclasses.replace(portion, rows=tuple(rows)))
    return tuple(kept)


def common_schema(sources: Sequence[Source], without: Sequence[str]) -> pa.Schema:
    """id, text, url, source and the further columns of all sources, but for those that a mixture itself adds."""
    files = {piece.file: None for source in sources for portion in source.portions for piece in portion.pieces}
    return pa.schema([field for field in schema_of(list(files)) if field.name not in without])


def weight_field(source: Source, name: str) -> pa.Field:
    """The column of numbers to weight documents by. Raises GptkitError where the source has none."""
    if name not in source.schema.names:
        there = ", ".join(source.schema.names)
        raise GptkitError(f"source '{source.name}': has no column '{name}' to weight by; it has {there}")
    field = source.schema.field(name)
    if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)):
        raise GptkitError(f"source '{source.name}': its column '{name}' is {field.type}, not numbers to weight by")
    return field
