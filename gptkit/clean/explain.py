"""What every rule says of one document: of a file, or of a run's output."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gptkit.clean.chain import chain_of
from gptkit.clean.settings import CleanSettings
from gptkit.data import parquet
from gptkit.data.inputs import find_inputs, shown
from gptkit.data.manifest import Manifest, read_manifest
from gptkit.data.pieces import cut, further_columns, read
from gptkit.engine.settings import make_settings
from gptkit.errors import GptkitError

# What a plan knows by its content alone, and the settings that name its files
OUTSIDE = {
    "quality model": ("quality_model",),
    "block lists": ("block_domains", "block_urls", "block_words", "soft_words", "block_substrings"),
}


def explain(batch: pa.RecordBatch, settings: CleanSettings) -> dict[str, Any]:
    """What the chain does with a single document.

    Gives `id`, `url`, `kept`, `reason` (the first broken rule), `rules` (see `Chain.explain`), and
    `text` as it would be written.
    """
    rows, after = chain_of(settings).explain(batch)
    reason = next((row["rule"] for row in rows if row["broken"]), None)
    document = after.to_pylist()[0]
    columns = {name: document[name] for name in ("id", "url", "language", "language_score")}
    return {**columns, "kept": reason is None, "reason": reason, "rules": rows, "text": document["text"]}


def find_in_file(path: str, identity: str | None, index: int, settings: CleanSettings) -> pa.RecordBatch:
    """A document of an input of `gptkit clean`, by id or place. Raises GptkitError where there is none."""
    place = 0
    for batch in _documents(path, settings):
        if identity is not None:
            found = _with_id(batch, identity)
            if found is not None:
                return found
        elif index < place + len(batch):
            return batch[index - place : index - place + 1]
        place += len(batch)
    what = f"no document with id '{identity}'" if identity is not None else f"{place:,} documents; --index starts at 0"
    raise GptkitError(f"{shown(path)}: has {what}")


def _documents(path: str, settings: CleanSettings) -> Iterator[pa.RecordBatch]:
    files = find_inputs([path], settings.text_column).files
    further = list(pa.schema(further_columns(files)))
    for pieces in cut(files):
        for piece in pieces:
            yield from read(piece, further, [], Counter())


def find_in_output(
    folder: Path, identity: str, given: Mapping[str, Any]
) -> tuple[pa.RecordBatch | None, dict[str, Any], CleanSettings]:
    """A document of a finished run by its id: its text if it is there, what was decided, and the settings.

    The settings are the run's but for those `given`. The text is as the run wrote it: of a document
    that was kept, without what rules took out of it.
    What was decided has `kept` and, for a rejected document, `rule`, `value`, `limit` and `detail`.
    Raises GptkitError where the folder is no output of clean, or has no such document.
    """
    manifest = read_manifest(folder)
    if manifest.plan.stage != "clean":
        raise GptkitError(f"{folder}: holds the output of '{manifest.plan.stage}'; documents are explained by clean's")
    for name, options in OUTSIDE.items():
        if any(entry.get("name") == name for entry in manifest.plan.inputs) and not given.keys() & set(options):
            flags = ", ".join(f"--{option.replace('_', '-')}" for option in options)
            raise GptkitError(
                f"{folder}: its plan has a digest of its {name} and not the files; name them with {flags}"
            )
    settings = make_settings(CleanSettings, manifest.plan.settings | dict(given), str(folder))
    found = _look(folder, manifest, "documents", identity)
    if found is not None:
        return found, {"kept": True}, settings
    found = _look(folder, manifest, "rejected", identity)
    if found is None:
        raise GptkitError(f"{folder}: has no document with id '{identity}', neither kept nor rejected")
    decided = {"kept": False} | {name: found.column(name)[0].as_py() for name in ("rule", "value", "limit", "detail")}
    with_text = "text" in found.schema.names and found.column("text")[0].is_valid
    return found if with_text else None, decided, settings


def _look(folder: Path, manifest: Manifest, kind: str, identity: str) -> pa.RecordBatch | None:
    for shard in manifest.of_kind(kind):
        for batch in parquet.open_file(str(folder / shard.name), "id").iter_batches():
            found = _with_id(batch, identity)
            if found is not None:
                return (
                    found if "source" in found.schema.names else found.append_column("source", pa.array([shard.source]))
                )
    return None


def _with_id(batch: pa.RecordBatch, identity: str) -> pa.RecordBatch | None:
    rows = batch.filter(pc.equal(batch.column("id"), identity))
    return rows[:1] if len(rows) else None
