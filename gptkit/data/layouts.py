"""The forms in which token shards lie on disk: what each file is called, what stands before the ids and beside them.

- megatron: `.bin`, the bare ids, and `.idx`, Megatron-core's index (indexed_dataset.py). The bare ids
  are also what nanoGPT and many others map.
- nanogpt: one `train.bin` and one `val.bin` of bare uint16 (nanoGPT, data/openwebtext/prepare.py).
- llmc: `.bin` with a header of 256 int32 (llm.c, dev/data/data_common.py; modded-nanogpt); uint16 in
  version 1, uint32 in version 7.
- datatrove: `.ds`, the bare ids, with `.ds.index` (uint64 ends of the documents, in tokens) and
  `.ds.metadata` (datatrove 0.10, pipeline/tokens/tokenizer.py).

Ids are little-endian everywhere.
"""

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.errors import GptkitError, InputError

# Megatron's codes of dtypes; it has none for uint32: a large vocabulary is written as int32
MEGATRON_CODES = {"uint16": 8, "uint32": 4}
MEGATRON_HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, document indices
MEGATRON_MAGIC = b"MMIDIDX\x00\x00"
LLMC_HEADER = 256  # int32s
LLMC_FORMS = {"uint16": (20240520, 1), "uint32": (20240801, 7)}  # magic and version
LLMC_TOKENS = (1 << 31) - 1  # the header counts them in an int32
DTYPES: dict[str, np.dtype] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


def dtype_for(vocabulary: int) -> str:
    """The narrowest of uint16 and uint32 that holds every id of a vocabulary."""
    return "uint16" if vocabulary <= 1 << 16 else "uint32"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a shard's files say of it."""

    dtype: np.dtype
    offset: int  # bytes before the first id
    ends: np.ndarray | None  # int64 [documents], in tokens; None where only end-of-text tells them


class Layout:
    """The bare ids of one split in one file, and nothing beside it: what nanoGPT maps."""

    name = "nanogpt"
    one_shard = True  # a split is never cut

    def path(self, split: str, number: int) -> str:
        """The name of a shard's file of ids below the output folder; split is "train" or "validation"."""
        return {"train": "train", "validation": "val"}[split] + ".bin"

    def check(self, vocabulary: int, shard_tokens: int) -> None:
        """Raises InputError where the layout cannot hold such a vocabulary, or so large a shard."""
        if dtype_for(vocabulary) != "uint16":
            raise InputError(
                f"--layout nanogpt holds ids below {1 << 16:,}, and the vocabulary has {vocabulary:,}; "
                "take another layout, such as megatron"
            )

    def header(self, tokens: int, dtype: str) -> bytes:
        """What stands before the ids."""
        return b""

    def beside(self, lengths: np.ndarray, dtype: str) -> dict[str, tuple[str, bytes]]:
        """The files beside the ids by their endings: kind and content. `lengths` (int32 [documents]) count the
        tokens of each document, its end-of-text included."""
        return {}

    def read(self, path: Path) -> Found:
        """What the files of a shard say of it. Raises GptkitError where they are damaged."""
        return Found(DTYPES["uint16"], 0, None)


class Megatron(Layout):
    """`.bin` and `.idx`."""

    name = "megatron"
    one_shard = False

    def path(self, split: str, number: int) -> str:
        return f"{split}-{number:05d}.bin"

    def check(self, vocabulary: int, shard_tokens: int) -> None:
        """Holds every vocabulary."""

    def beside(self, lengths: np.ndarray, dtype: str) -> dict[str, tuple[str, bytes]]:
        starts = np.zeros(len(lengths), "<i8")
        np.cumsum(lengths[:-1], out=starts[1:])
        parts = (
            MEGATRON_HEADER.pack(MEGATRON_MAGIC, 1, MEGATRON_CODES[dtype], len(lengths), len(lengths) + 1),
            lengths.astype("<i4").tobytes(),
            (starts * DTYPES[dtype].itemsize).tobytes(),
            np.arange(len(lengths) + 1, dtype="<i8").tobytes(),
        )
        return {".idx": ("index", b"".join(parts))}

    def read(self, path: Path) -> Found:
        index = path.with_suffix(".idx")
        dtypes = {code: DTYPES[name] for name, code in MEGATRON_CODES.items()}
        try:
            raw = index.read_bytes()
            magic, version, code, sequences, documents = MEGATRON_HEADER.unpack_from(raw)
            sound = magic == MEGATRON_MAGIC and version == 1 and code in dtypes
            sound = sound and len(raw) == MEGATRON_HEADER.size + 12 * sequences + 8 * documents
        except (OSError, struct.error):
            sound = False
        if not sound:
            raise GptkitError(f"{index}: is missing or no Megatron index")
        width = dtypes[code].itemsize
        lengths = np.frombuffer(raw, "<i4", sequences, MEGATRON_HEADER.size)
        offsets = np.frombuffer(raw, "<i8", sequences, MEGATRON_HEADER.size + 4 * sequences)
        ends = np.cumsum(lengths, dtype=np.int64)
        if (lengths < 0).any() or not np.array_equal(offsets, (ends - lengths) * width):
            raise GptkitError(f"{index}: is damaged: its documents do not lie one behind the other")
        return Found(dtypes[code], 0, ends)


class LlmC(Layout):
    """`.bin` with a header; the names are those of llm.c's FineWeb, whose first shard is the validation split."""

    name = "llmc"
    one_shard = False

    def path(self, split: str, number: int) -> str:
        return f"tokens_train_{number + 1:06d}.bin" if split == "train" else f"tokens_val_{number:06d}.bin"

    def check(self, vocabulary: int, shard_tokens: int) -> None:
        if shard_tokens > LLMC_TOKENS:
            raise InputError(f"--layout llmc holds up to {LLMC_TOKENS:,} tokens in a shard; lower --shard-tokens")

    def header(self, tokens: int, dtype: str) -> bytes:
        if tokens > LLMC_TOKENS:
            raise GptkitError(f"--layout llmc holds up to {LLMC_TOKENS:,} tokens in a shard, and a document has more")
        words = np.zeros(LLMC_HEADER, "<i4")
        words[:3] = (*LLMC_FORMS[dtype], tokens)
        return words.tobytes()

    def read(self, path: Path) -> Found:
        with open(path, "rb") as file:
            raw = file.read(4 * LLMC_HEADER)
        head = np.frombuffer(raw[: len(raw) // 4 * 4], "<i4")
        forms = {form: DTYPES[dtype] for dtype, form in LLMC_FORMS.items()}
        form = tuple(head[:2].tolist())
        if len(head) < LLMC_HEADER or form not in forms:
            raise GptkitError(f"{path}: its header is not llm.c's")
        if path.stat().st_size != 4 * LLMC_HEADER + int(head[2]) * forms[form].itemsize:
            raise GptkitError(f"{path}: has another size than its header says")
        return Found(forms[form], 4 * LLMC_HEADER, None)


class Datatrove(Layout):
    """`.ds`, `.ds.index` and `.ds.metadata`, a folder a split: its dataset class reads all files of a folder."""

    name = "datatrove"
    one_shard = False

    def path(self, split: str, number: int) -> str:
        return f"{split}/{number:05d}_tokens.ds"

    def check(self, vocabulary: int, shard_tokens: int) -> None:
        """Holds every vocabulary."""

    def beside(self, lengths: np.ndarray, dtype: str) -> dict[str, tuple[str, bytes]]:
        ends = np.cumsum(lengths, dtype="<u8")
        tokens = int(ends[-1]) if len(ends) else 0
        about = f"tokenizer.json|{DTYPES[dtype].itemsize}\n{tokens}\n{_metric(tokens)}"
        return {".ds.index": ("index", ends.tobytes()), ".ds.metadata": ("metadata", about.encode())}

    def read(self, path: Path) -> Found:
        try:
            raw = path.with_suffix(".ds.index").read_bytes()
            size = path.stat().st_size
        except OSError:
            raise GptkitError(f"{path}: it or its .ds.index is missing") from None
        ends = np.frombuffer(raw[: len(raw) // 8 * 8], "<u8").astype(np.int64)
        tokens = int(ends[-1]) if len(ends) else 0
        widths = {dtype.itemsize: dtype for dtype in DTYPES.values()}
        width = size // tokens if tokens > 0 else 2
        if len(raw) % 8 or (np.diff(ends, prepend=0) < 0).any() or width not in widths or size != width * tokens:
            raise GptkitError(f"{path}: has another size than its .ds.index says, or one of them is damaged")
        return Found(widths[width], 0, ends)


LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (Megatron(), Layout(), LlmC(), Datatrove())}


def layout_of(path: Path) -> Layout:
    """The layout of a file of ids, by its ending, what lies beside it and its first bytes."""
    if path.suffix == ".ds":
        return LAYOUTS["datatrove"]
    if path.with_suffix(".idx").exists():
        return LAYOUTS["megatron"]
    try:
        with open(path, "rb") as file:
            first = file.read(8)
    except OSError as error:
        raise GptkitError(f"{path}: cannot be read ({error.strerror})") from None
    known: set[Any] = {struct.pack("<ii", *form) for form in LLMC_FORMS.values()}
    return LAYOUTS["llmc" if first in known else "nanogpt"]


def _metric(tokens: int) -> str:
    """A count with three digits and a metric prefix, as datatrove's metadata has it: 53.6 MT."""
    thousands = int(math.log10(tokens)) // 3 if tokens else 0
    digits = 2 - (int(math.log10(tokens)) % 3 if tokens else 0)
    return f"{tokens / 1000**thousands:.{digits}f} {' kMGTPE'[thousands].strip()}T"
