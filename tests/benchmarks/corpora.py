"""The real data that `gptkit clean` is measured on, and samples of it."""

import functools
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

MIXED = "text/mixed.jsonl.zst"
PAGES = "web/pages.warc.gz"
PAGE = "web/commoncrawl.warc.gz"  # one
ARTICLES = "web/articles.warc.gz"
FLORES = "languages/flores.jsonl.zst"
CODES = "languages/codes.tsv"
MAIL = "mail/spamassassin.jsonl.zst"


@functools.cache
def data(name: str) -> Path:
    """The path of a file of the data folder: GPTKIT_SHARED/data, or ../shared/data beside the repository."""
    shared = Path(os.environ.get("GPTKIT_SHARED", Path(__file__).parents[3] / "shared"))
    path = shared / "data" / name
    if not path.exists():
        raise SystemExit(f"{path} is not there: set GPTKIT_SHARED to the folder that has data/{name}")
    return path


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The lines of a .jsonl or .jsonl.zst file of the data folder."""
    path = data(name)
    with zstandard.open(path, "rb") if path.suffix == ".zst" else open(path, "rb") as file:
        for line in io.TextIOWrapper(file, encoding="utf-8"):
            yield json.loads(line)


def sample(found: Sequence[dict[str, Any]], documents: int | None) -> list[dict[str, Any]]:
    """That many documents by the hash of their id, in their order; all where `documents` is None.

    A smaller sample is part of every larger one.
    """
    if documents is None:
        return list(found)
    key = {row["id"]: hashlib.blake2b(row["id"].encode(), digest_size=8).digest() for row in found}
    chosen = set(sorted(key, key=key.__getitem__)[:documents])
    return [row for row in found if row["id"] in chosen]


def write(found: Iterable[dict[str, Any]], path: Path) -> Path:
    """Writes documents as Parquet, in row groups of about eight megabytes."""
    pq.write_table(pa.Table.from_pylist(list(found)), path, compression="zstd", row_group_size=1_000)
    return path


def write_copies(rows: Sequence[dict[str, Any]], copies: int, path: Path) -> Path:
    """Writes ids and texts of the documents so many times, each time under other ids."""
    texts = pa.array([row["text"] for row in rows], pa.string())
    with pq.ParquetWriter(path, pa.schema([("id", pa.string()), ("text", pa.string())]), compression="zstd") as writer:
        for copy in range(copies):
            ids = pa.array([f"{row['id']}-{copy}" for row in rows], pa.string())
            writer.write_table(pa.table([ids, texts], ["id", "text"]), row_group_size=1_000)
    return path


def read(folder: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The documents of all shards of a folder; columns that a shard lacks are left out."""
    found = []
    for path in sorted(folder.glob("*.parquet")):
        file = pq.ParquetFile(path)
        found += file.read([name for name in columns if name in file.schema_arrow.names]).to_pylist()
    return found


def size(texts: Iterable[str]) -> float:
    """Megabytes of UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def flores_codes() -> dict[str, str]:
    """ISO 639 code of each FLORES code."""
    lines = data(CODES).read_text().splitlines()[1:]
    return dict(line.split("\t") for line in lines)
