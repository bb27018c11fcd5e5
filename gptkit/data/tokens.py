"""Token shards: `.bin` (raw little-endian ids) beside `.idx` (Megatron's index), and their manifest.

End-of-text follows every document and belongs to it. nanoGPT reads a `.bin` as it is, Megatron
reads the pair.
"""

import dataclasses
import struct
from pathlib import Path

import numpy as np

from gptkit.data.files import atomic_path, sha256_file
from gptkit.data.manifest import Manifest, read_manifest
from gptkit.errors import GptkitError

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, document indices
# Megatron has no code for uint32: a large vocabulary is written as int32
CODES = {"uint16": 8, "uint32": 4}
DTYPES: dict[int, np.dtype] = {8: np.dtype("<u2"), 4: np.dtype("<u4")}


def dtype_for(vocabulary: int) -> str:
    """The narrowest of uint16 and uint32 that holds every id of a vocabulary."""
    return "uint16" if vocabulary <= 1 << 16 else "uint32"


@dataclasses.dataclass(frozen=True)
class TokenShard:
    """One memory-mapped shard."""

    path: Path
    tokens: np.ndarray  # uint16 or uint32 [tokens]
    lengths: np.ndarray  # int32 [documents], end-of-text included
    starts: np.ndarray  # int64 [documents], in tokens

    def __len__(self) -> int:
        return len(self.lengths)

    def document(self, index: int) -> np.ndarray:
        """The ids of one document, its end-of-text included."""
        start = int(self.starts[index])
        return self.tokens[start : start + int(self.lengths[index])]


@dataclasses.dataclass(frozen=True)
class TokenFolder:
    """The output of `gptkit tokenize`.

    Facts: `dtype`, `vocab_size`, `end_of_text` (id), `tokenizer` (SHA-256 of tokenizer.json), and
    `tokens`, `documents`, `bytes`, each by split ("train", "validation").
    """

    folder: Path
    manifest: Manifest

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer the ids were made with."""
        return self.folder / "tokenizer.json"

    def shards(self, split: str) -> list[TokenShard]:
        """The shards of "train" or "validation", in order, memory-mapped."""
        return [read_shard(self.folder / shard.name) for shard in self.manifest.of_kind(split)]


def open_tokens(folder: Path) -> TokenFolder:
    """Opens a folder of token shards. Raises GptkitError where it is none or is damaged."""
    manifest = read_manifest(folder)
    if manifest.plan.stage != "tokenize":
        raise GptkitError(
            f"{folder}: holds the output of '{manifest.plan.stage}', not token shards (see gptkit tokenize)"
        )
    if sha256_file(folder / "tokenizer.json") != manifest.facts["tokenizer"]:
        raise GptkitError(f"{folder}: the tokenizer there does not belong to the tokens; make the stage again")
    return TokenFolder(folder, manifest)


def write_shard(stem: Path, ids: np.ndarray, lengths: np.ndarray, dtype: str) -> None:
    """Writes `stem`.bin and `stem`.idx.

    `ids` are all documents' ids one after the other, `lengths` the int32 count of each document.
    """
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    if starts[-1] != len(ids):
        raise ValueError(f"{len(ids)} ids, but the lengths add up to {starts[-1]}")
    if len(ids) and ids.max() > np.iinfo(dtype).max:
        raise ValueError(f"id {ids.max()} does not fit in {dtype}")
    width = DTYPES[CODES[dtype]].itemsize
    with atomic_path(stem.with_name(stem.name + ".bin")) as path:
        ids.astype(DTYPES[CODES[dtype]]).tofile(path)
    with atomic_path(stem.with_name(stem.name + ".idx")) as path, open(path, "wb") as file:
        file.write(HEADER.pack(MAGIC, 1, CODES[dtype], len(lengths), len(lengths) + 1))
        file.write(lengths.astype("<i4").tobytes())
        file.write((starts[:-1] * width).astype("<i8").tobytes())
        file.write(np.arange(len(lengths) + 1, dtype="<i8").tobytes())


def read_shard(path: Path) -> TokenShard:
    """Memory-maps the shard of a `.bin` file with the `.idx` beside it. Raises GptkitError if damaged."""
    index_path = path.with_suffix(".idx")
    try:
        raw = index_path.read_bytes()
        magic, version, code, sequences, documents = HEADER.unpack_from(raw)
        sound = magic == MAGIC and version == 1 and code in DTYPES
        sound = sound and len(raw) == HEADER.size + 12 * sequences + 8 * documents
    except (OSError, struct.error):
        sound = False
    if not sound:
        raise GptkitError(f"{index_path}: is missing or no Megatron index")
    dtype = DTYPES[code]
    lengths = np.frombuffer(raw, "<i4", sequences, HEADER.size)
    offsets = np.frombuffer(raw, "<i8", sequences, HEADER.size + 4 * sequences)
    ends = np.cumsum(lengths, dtype=np.int64) * dtype.itemsize
    if (lengths < 0).any() or not np.array_equal(offsets, ends - lengths.astype(np.int64) * dtype.itemsize):
        raise GptkitError(f"{index_path}: is damaged: its documents do not lie one behind the other")
    size = path.stat().st_size if path.is_file() else None
    if size != (int(ends[-1]) if sequences else 0):
        raise GptkitError(f"{path}: is missing or has another size than its index says")
    # an empty file cannot be mapped
    tokens = np.memmap(path, dtype, mode="r") if size else np.empty(0, dtype)
    return TokenShard(path, tokens, lengths, offsets // dtype.itemsize)
