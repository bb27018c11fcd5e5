"""Kills in the middle of one large file: by name, `pytest -m slow tests/clean/test_clean_kill.py -s`."""

import gzip
import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from gptkit.data.manifest import read_manifest

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
TEXT = SHARED / "text" / "mixed.jsonl.zst"
PAGES = SHARED / "web" / "pages.warc.gz"
KILLS = 10
BYTES = 200_000_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not TEXT.is_file(), reason="GPTKIT_SHARED names no folder with data/text"),
]


def documents(size):
    """About `size` bytes of text, every document with an id of its own."""
    lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(TEXT.read_bytes()), encoding="utf-8")
    rows, seen, turn = [json.loads(line) for line in lines], 0, 0
    while seen < size:
        for row in rows:
            yield {"id": f"{turn}/{row['id']}", "text": row["text"]}
            seen += len(row["text"])
            if seen >= size:
                return
        turn += 1


def parquet(folder):
    """One row group, as most libraries write it."""
    pq.write_table(pa.Table.from_pylist(list(documents(BYTES))), folder / "in.parquet", row_group_size=1 << 30)
    return folder / "in.parquet"


def packed_lines(folder):
    """One gzip member."""
    with gzip.open(folder / "in.jsonl.gz", "wt", compresslevel=1) as file:
        for row in documents(BYTES):
            file.write(json.dumps(row) + "\n")
    return folder / "in.jsonl.gz"


def archive(folder):
    """Many gzip members: the pages, ten times over."""
    with open(folder / "in.warc.gz", "wb") as file:
        for _ in range(BYTES // PAGES.stat().st_size):
            file.write(PAGES.read_bytes())
    return folder / "in.warc.gz"


def command(source, output):
    options = ["--rules", "gopher", "--language", "any", "--workers", "2", "--quiet"]
    return [sys.executable, "-m", "gptkit", "clean", str(source), "-o", str(output), *options]


@pytest.mark.parametrize("make", [parquet, packed_lines, archive])
def test_ten_kills_end_in_the_same_digest(tmp_path, make):
    source = make(tmp_path)
    started = time.monotonic()
    subprocess.run(command(source, tmp_path / "whole"), check=True)
    whole = time.monotonic() - started
    random.seed(7)
    together = 0.0
    kills = 0
    while kills < KILLS:
        started = time.monotonic()
        process = subprocess.Popen(command(source, tmp_path / "killed"), start_new_session=True)
        try:
            process.wait(random.uniform(0.3, 1.0) * max(8.0, whole / 4))
            break  # it was done before
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            kills += 1
        together += time.monotonic() - started
    started = time.monotonic()
    subprocess.run(command(source, tmp_path / "killed"), check=True)
    together += time.monotonic() - started
    print(
        f"\n{make.__name__}: {source.stat().st_size / 1e6:.0f} MB; undisturbed {whole:.1f} s; "
        f"with {kills} kills {together:.1f} s, {(together - whole) / max(1, kills):.1f} s a kill (start included)"
    )
    assert read_manifest(tmp_path / "killed").digest == read_manifest(tmp_path / "whole").digest
    assert kills >= 3
