"""Reads token shards with the libraries they are made for; runs among the peers of peers-shards.txt.

    python tests/benchmarks/peer_shards.py LAYOUT FOLDER

Prints JSON: for each split, the documents and the SHA-256 of each one's ids as little-endian uint32, joined and hashed
again. Megatron-core: IndexedDataset. datatrove: DatatroveFolderDataset, whose windows of two tokens are put one
behind the other, with the documents its index says. nanoGPT: the expression of its train.py. llm.c: as its
dev/data readers do, numpy behind a header of 256 int32.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

SPLITS = {"train": "train", "validation": "val"}


def cut(ids: np.ndarray, end: int) -> Iterator[np.ndarray]:
    """The documents of a stream by their end-of-text."""
    first = 0
    for last in np.flatnonzero(ids == end).tolist():
        yield ids[first : last + 1]
        first = last + 1
    if first < len(ids):
        yield ids[first:]


def megatron(folder: Path, split: str, end: int) -> Iterator[np.ndarray]:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    for path in sorted(folder.glob(f"{split}-*.bin")):
        dataset = IndexedDataset(str(path.with_suffix("")), multimodal=False, mmap=True)
        for place in range(len(dataset)):
            yield dataset[place]


def nanogpt(folder: Path, split: str, end: int) -> Iterator[np.ndarray]:
    data = np.memmap(folder / f"{SPLITS[split]}.bin", dtype=np.uint16, mode="r")
    yield from cut(data, end)


def llmc(folder: Path, split: str, end: int) -> Iterator[np.ndarray]:
    for path in sorted(folder.glob(f"*_{SPLITS[split]}_*.bin")):
        header = np.fromfile(path, np.int32, 256)
        dtype = {(20240520, 1): np.uint16, (20240801, 7): np.uint32}[header[0], header[1]]
        ids = np.fromfile(path, dtype, offset=1024)
        assert len(ids) == header[2]
        yield from cut(ids, end)


def datatrove(folder: Path, split: str, end: int) -> Iterator[np.ndarray]:
    from datatrove.utils.dataset import DatatroveFolderDataset

    for path in sorted((folder / split).glob("*.ds")):
        ends = np.fromfile(f"{path}.index", np.uint64).astype(np.int64)
        size = int(path.with_suffix(".ds.metadata").read_text().split("\n")[0].split("|")[1])
        window = 4096
        dataset = DatatroveFolderDataset(
            str(folder / split), window - 1, filename_pattern=path.name, recursive=False, token_size=size, shuffle=False
        )
        ids = [np.asarray(dataset[place]["input_ids"]) for place in range(len(dataset))]
        read = window * len(ids)
        # windows that are not full are not read by it: the rest is taken from the file
        rest = np.fromfile(path, np.uint16 if size == 2 else np.uint32, offset=read * size)
        flat = np.concatenate([*ids, rest])
        assert ends[-1] == len(flat)
        yield from np.split(flat, ends[:-1])


def digest(documents: Iterable[np.ndarray]) -> dict[str, object]:
    found, count = hashlib.sha256(), 0
    for ids in documents:
        found.update(hashlib.sha256(np.ascontiguousarray(ids, "<u4")).digest())
        count += 1
    return {"documents": count, "sha256": found.hexdigest()}


READERS = {"megatron": megatron, "nanogpt": nanogpt, "llmc": llmc, "datatrove": datatrove}

if __name__ == "__main__":
    layout, folder = sys.argv[1], Path(sys.argv[2])
    facts = json.loads((folder / "manifest.json").read_text())["facts"]
    splits = [split for split in SPLITS if facts["documents"][split]]
    print(json.dumps({split: digest(READERS[layout](folder, split, facts["end_of_text"])) for split in splits}))
