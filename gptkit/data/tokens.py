"""Reads token shards of every layout (see layouts): their ids, and which belong to which document.

End-of-text follows every document and belongs to it.
"""

import dataclasses
import errno
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from gptkit.data.files import atomic_path, sha256_file
from gptkit.data.layouts import DTYPES, LAYOUTS, Layout, layout_of
from gptkit.data.manifest import Manifest, Shard, read_manifest
from gptkit.errors import GptkitError

STAGES = ("tokenize", "tokens export")  # whose outputs are token shards
SCANNED = 1 << 24  # ids looked at together


@dataclasses.dataclass(frozen=True)
class TokenShard:
    """One memory-mapped shard."""

    path: Path
    tokens: np.ndarray  # uint16 or uint32 [tokens]
    indexed: np.ndarray | None  # int64 [documents], ends in tokens, where the layout has an index
    end_of_text: int | None  # the id that ends every document, where it is known

    def __len__(self) -> int:
        return len(self.ends)

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """Where each document ends, in tokens, int64 [documents]: from the index, else behind each end-of-text.

        Raises GptkitError where neither tells.
        """
        if self.indexed is not None:
            return self.indexed
        if self.end_of_text is None:
            raise GptkitError(f"{self.path}: has no index, and nothing beside it says which id ends a document")
        found = [
            first + 1 + np.flatnonzero(self.tokens[first : first + SCANNED] == self.end_of_text)
            for first in range(0, len(self.tokens), SCANNED)
        ]
        ends = np.concatenate([np.empty(0, np.int64), *found])
        if len(self.tokens) and not (len(ends) and ends[-1] == len(self.tokens)):
            ends = np.append(ends, len(self.tokens))  # a file of others may break off within a document
        return ends

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, its end-of-text included, int64 [documents]."""
        return np.diff(self.ends, prepend=0)

    def document(self, index: int) -> np.ndarray:
        """The ids of one document, its end-of-text included."""
        return self.tokens[int(self.ends[index - 1]) if index else 0 : int(self.ends[index])]


@dataclasses.dataclass(frozen=True)
class TokenFolder:
    """The output of `gptkit tokenize` or `gptkit tokens export`.

    Facts: `layout`, `dtype`, `vocab_size`, `end_of_text` (id), `tokenizer` (SHA-256 of
    tokenizer.json), and `tokens`, `documents`, `bytes`, each by split ("train", "validation").
    """

    folder: Path
    manifest: Manifest

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer the ids were made with."""
        return self.folder / "tokenizer.json"

    @property
    def layout(self) -> Layout:
        """How the shards lie on disk."""
        return LAYOUTS[self.manifest.facts.get("layout", "megatron")]

    def shards(self, split: str) -> list[TokenShard]:
        """The shards of "train" or "validation", in order, memory-mapped."""
        end = self.manifest.facts["end_of_text"]
        return [read_shard(self.folder / shard.name, self.layout, end) for shard in self.manifest.of_kind(split)]


def open_tokens(folder: Path) -> TokenFolder:
    """Opens a folder of token shards. Raises GptkitError where it is none or is damaged."""
    manifest = read_manifest(folder)
    if manifest.plan.stage not in STAGES:
        raise GptkitError(
            f"{folder}: holds the output of '{manifest.plan.stage}', not token shards (see gptkit tokenize)"
        )
    if manifest.facts.get("layout", "megatron") not in LAYOUTS:
        raise GptkitError(f"{folder}: was made by another version of gptkit; make the stage again")
    if sha256_file(folder / "tokenizer.json") != manifest.facts["tokenizer"]:
        raise GptkitError(f"{folder}: the tokenizer there does not belong to the tokens; make the stage again")
    return TokenFolder(folder, manifest)


def read_shard(path: Path, layout: Layout | None = None, end_of_text: int | None = None) -> TokenShard:
    """Memory-maps a shard's file of ids; what lies beside it is found by its name.

    Without a layout the files tell it. Raises GptkitError where they are missing or damaged.
    """
    if not path.is_file():
        raise GptkitError(f"{path}: no such file")
    if layout is None and path.suffix not in (".bin", ".ds"):
        raise GptkitError(f"{path}: is no file of ids; those of token shards end in .bin or .ds")
    found = (layout or layout_of(path)).read(path)
    count, rest = divmod(path.stat().st_size - found.offset, found.dtype.itemsize)
    if rest or (found.ends is not None and count != (int(found.ends[-1]) if len(found.ends) else 0)):
        raise GptkitError(f"{path}: has another size than its index says, or its ids are cut off")
    # an empty file cannot be mapped
    tokens = np.memmap(path, found.dtype, "r", found.offset, (count,)) if count else np.empty(0, found.dtype)
    return TokenShard(path, tokens, found.ends, end_of_text)


def write_shard(
    folder: Path,
    layout: Layout,
    split: str,
    number: int,
    lengths: np.ndarray,
    chunks: Iterable[np.ndarray],
    dtype: str,
) -> list[Shard]:
    """Writes the files of shard `number` of a split below `folder` and gives them with their checksums.

    `lengths` (int32 [documents]) count each document's tokens, end-of-text included; `chunks` are the
    ids of all documents one after the other, in the dtype of the layout. Raises ValueError where the
    two do not fit, and GptkitError as `Layout.header` does.
    """
    tokens = int(lengths.sum(dtype=np.int64))
    name = layout.path(split, number)

    def ids() -> Iterator[bytes | memoryview]:
        yield layout.header(tokens, dtype)
        left = tokens
        for chunk in chunks:
            if chunk.dtype != DTYPES[dtype]:
                raise ValueError(f"ids of {chunk.dtype} for a shard of {dtype}")
            left -= len(chunk)
            yield chunk.data
        if left:
            raise ValueError(f"{tokens - left} ids, but the lengths add up to {tokens}")

    shards = [_write(folder, name, len(lengths), split, ids())]
    for ending, (kind, content) in layout.beside(lengths, dtype).items():
        beside = Path(name).with_suffix(ending).as_posix()
        shards.append(_write(folder, beside, len(lengths), kind, [content]))
    return shards


def _write(folder: Path, name: str, rows: int, kind: str, chunks: Iterable[bytes | memoryview]) -> Shard:
    digest, size = hashlib.sha256(), 0
    with atomic_path(folder / name) as temporary, open(temporary, "wb", buffering=0) as file:
        for chunk in chunks:
            if file.write(chunk) != (length := memoryview(chunk).nbytes):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / name))
            digest.update(chunk)
            size += length
    return Shard(name, rows, size, digest.hexdigest(), kind=kind)
