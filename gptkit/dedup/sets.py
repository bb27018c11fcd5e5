"""All that a run of `gptkit dedup` over documents reads, found and checked before it begins."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gptkit.data.files import sha256_json
from gptkit.data.manifest import Manifest, Plan
from gptkit.data.portions import Corpus, Portion, open_corpus
from gptkit.dedup.curve import Scheme, scheme_of
from gptkit.dedup.index import Index, open_index
from gptkit.dedup.numbering import Lot, Numbering
from gptkit.dedup.settings import VERSION, DedupSettings
from gptkit.dedup.sign import COLUMN_OF
from gptkit.engine.settings import digest_values
from gptkit.errors import GptkitError, UsageError


@dataclasses.dataclass(frozen=True)
class Sets:
    """All that a run reads: what is to be deduplicated, and what else is there already."""

    corpus: Corpus
    reference: Corpus | None
    index: Index | None
    scheme: Scheme
    column: pa.Field | None  # that the keep rule goes by
    settings: DedupSettings

    @staticmethod
    def open(inputs: Sequence[str], settings: DedupSettings, limit: int | None) -> "Sets":
        """Finds everything. Raises GptkitError or UsageError where a file, source or column is not there."""
        found = open_corpus(inputs, limit)
        reference = open_corpus(settings.against) if settings.against else None
        for option, names in (("--prefer", settings.prefer), ("--protect", settings.protect)):
            if unknown := set(names) - set(found.sources):
                raise UsageError(f"{option}: no source is named '{min(unknown)}'; there are {', '.join(found.sources)}")
        column = None
        if settings.keep in COLUMN_OF:
            name = settings.keep_column or COLUMN_OF[settings.keep]
            if name not in found.schema.names:
                raise GptkitError(f"--keep {settings.keep}: no document has the column '{name}'; name another one")
            if name in ("id", "text"):
                raise GptkitError(f"--keep {settings.keep}: goes by no '{name}'; name another column")
            column = found.schema.field(name)
            number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
            if settings.keep == "highest" and not number:
                raise GptkitError(f"--keep highest: the column '{name}' is {column.type}, not a number")
        sets = Sets(found, reference, None, scheme_of(settings), column, settings)
        if settings.index is None:
            return sets
        opened = open_index(Path(settings.index))
        earlier = opened.before(lambda earlier: dataclasses.replace(sets, index=earlier).plan(limit))
        earlier.check_new(sets.input_digest(limit))
        return dataclasses.replace(sets, index=earlier)

    def as_inputs(self) -> list[dict[str, Any]]:
        """The inputs as a plan names them."""
        entries = list(self.corpus.digests)
        if self.reference is not None:
            entries += [entry | {"name": f"against {entry['name']}"} for entry in self.reference.digests]
        if self.index is not None:
            entries.append(self.index.as_input)
        return entries

    def plan(self, limit: int | None) -> str:
        """The digest of the plan of a run."""
        return Plan("dedup", VERSION, digest_values(self.settings), limit, _without_paths(self.as_inputs())).digest()

    def input_digest(self, limit: int | None) -> str:
        """The digest of what is to be deduplicated, whatever the settings."""
        return sha256_json([limit, _without_paths(self.corpus.digests)])

    @property
    def portions(self) -> list[Portion]:
        """All that is read as text, in the order of its numbers: the input, then the reference."""
        return [*self.corpus.portions, *(self.reference.portions if self.reference else [])]

    @property
    def documents(self) -> int:
        """Documents in all."""
        of_index = sum(entry.documents for entry in self.index.entries) if self.index else 0
        return self.corpus.documents + (self.reference.documents if self.reference else 0) + of_index

    def publish(self, output: Path, manifest: Manifest) -> None:
        """Adds what was kept to the index."""
        if self.index is not None:
            names = [shard.name for shard in manifest.of_kind("signatures")]
            self.index.publish(output, names, manifest.plan.digest(), self.input_digest(manifest.plan.limit))

    def numbering(self, folder: Path) -> Numbering:
        """Numbers all documents."""
        settings = self.settings
        tiers = {source: place for place, source in enumerate(settings.prefer)} | dict.fromkeys(settings.protect, -1)
        others = len(settings.prefer)
        lots = [
            Lot(portion.documents, "input", portion.source, tiers.get(portion.source, others))
            for portion in self.corpus.portions
        ]
        for portion in self.reference.portions if self.reference else []:
            lots.append(Lot(portion.documents, "reference", portion.source, -3))
        for entry in self.index.entries if self.index else []:
            lots.append(Lot(entry.documents, "index", entry.source, -2))
        return Numbering.make(folder, lots, settings.keep != "first")


def _without_paths(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "path"} for entry in entries]
