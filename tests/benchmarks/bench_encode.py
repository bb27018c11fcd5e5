"""Ids equal to those of tokenizers and tiktoken, on all texts; and how fast they come.

    python tests/benchmarks/bench_encode.py [--ranks cl100k_base.tiktoken …] [--no-gpt2]

Texts: all of text/mixed and FLORES, and an adversarial set (each code point that text can have in several places,
lone combining marks, 1 MB without a space, special tokens written out). Tokenizers: GPT-2's of the data folder, and
OpenAI's rank files by --ranks, which are named as published (p50k_base, cl100k_base, o200k_base) and come from
https://openaipublic.blob.core.windows.net/encodings/NAME.tiktoken; the wheel of litellm on PyPI holds copies,
named by SHA-1 of those addresses. MB/s: one thread, in memory, texts in and ids out; the best of several runs; a
tokenizer that was just loaded has an empty cache. tokenizers and tiktoken on a sample.

Prints Markdown. Needs the data folder (GPTKIT_SHARED, or ../shared beside the repository) and the peers'
environment (peers.py). Linux.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import one_core

one_core()

import corpora
import numpy as np
import peers
import pyarrow as pa
import pyarrow.parquet as pq
from measure import best, now, table

from gptkit.bpe.encoder import Encoder
from gptkit.bpe.probe import MIXED
from gptkit.bpe.take import take_tokenizer

GPT2 = "bpe"
BATCH = 8_000_000  # bytes, as gptkit reads them
SAMPLE = 500  # texts, for the slow libraries
LARGE = 200  # MB in one document


def adversarial() -> list[str]:
    """Texts on which splitters differ if they differ at all."""
    draw = random.Random(11)
    codes = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    special = ("<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>", "<|im_start|>", "<s>", "</s>", "<unk>")
    marks = [code for code in codes[:0x3000] if not code.isprintable() or not code.isalnum()]
    return [
        *(f"a{c}b{c} {c}1{c}{c}\n{c}{c} {c}{c}x" for c in codes),
        *("".join(draw.choices((*MIXED, *special), k=draw.randint(1, 60))) for _ in range(50_000)),
        *("".join(draw.choices(codes, k=50)) for _ in range(10_000)),
        *("".join(draw.choices(marks, k=50)) for _ in range(10_000)),
        *(" ".join([token] * 3) + token + "x" + token for token in special),
        *("\u0301", "\u0301 \u0302", " \u0301", "\n\u0301", "", " ", "\n", "\0"),
        *("x" * 1_000_000, "".join(draw.choices("abcdefghij", k=1_000_000)), "日本語" * 333_333, "!?" * 500_000),
        *(" " * 100_000, "\n" * 100_000, " \n" * 50_000, "1" * 100_000),
    ]


def texts_of(name: str) -> list[str]:
    return adversarial() if name == "adversarial" else [row["text"] for row in corpora.rows(name)]


def batches(column: pa.Array) -> list[pa.Array]:
    """Rows of about BATCH bytes."""
    starts = np.concatenate([[0], np.cumsum(pa.compute.binary_length(column).to_numpy())])
    found, begin = [], 0
    while begin < len(column):
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + BATCH, "right")) - 1)
        found.append(column[begin:end])
        begin = end
    return found


def encode(encoder: Encoder, parts: list[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    rows = [encoder.encode(part) for part in parts]
    lengths = np.concatenate([np.diff(starts) for _, starts in rows])
    return np.concatenate([ids for ids, _ in rows]), np.concatenate([[0], np.cumsum(lengths)])


def compare(ranks: Path, folder: Path) -> None:
    """The tables of one tokenizer."""
    title = "gpt2" if ranks.is_dir() else ranks.stem
    tokenizer = folder / f"{title}.json"
    tokenizer.write_bytes(take_tokenizer(str(ranks)))
    started = now()
    encoder = Encoder(tokenizer)
    print(f"\n## {title}: {encoder.vocab_size:,} ids, loaded in {now() - started:.1f} s, gigatoken {encoder.fast}\n")
    lines: list[list[Any]] = []
    for name in (corpora.MIXED, corpora.FLORES, "adversarial"):
        texts = texts_of(name)
        path = folder / "texts.parquet"
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), path, compression="zstd")
        parts = batches(pa.array(texts, pa.string()))
        ids, starts = encode(encoder, parts)
        np.savez(folder / "ids.npz", ids=ids, starts=starts)
        unspelled = sum(encoder.mismatch(*encoder.encode(part), part) is not None for part in parts)
        found = peers.run("peer_encode.py", "agree", path, tokenizer, ranks, folder / "ids.npz")
        other = {library: f"{counts['different']:,}" for library, counts in found.items()}
        lines.append([name, len(texts), corpora.size(texts), len(ids), *other.values(), unspelled])
        for library, counts in found.items():
            for end in counts["ends"]:
                print(f"{title}, {name}: {library} has other ids for a text that ends in {end!r}", file=sys.stderr)
        if name == corpora.MIXED:
            shown = rates(encoder, parts, path, tokenizer, ranks)
    head = [
        "texts",
        "number",
        "MB",
        "ids",
        *(f"differ from {library}" for library in other),
        "batches that do not decode",
    ]
    print(table(head, lines))
    print(table(["text/mixed, one thread", "MB/s"], shown))


def rates(encoder: Encoder, parts: list[pa.Array], path: Path, tokenizer: Path, ranks: Path) -> list[list[Any]]:
    size = sum(part.nbytes for part in parts) / 1e6
    times = []
    for _ in range(3):
        fresh = Encoder(tokenizer)
        times.append(best(lambda fresh=fresh: [fresh.encode(part) for part in parts], 1))
    rows = [fresh.encode(part) for part in parts]
    check = best(lambda: [encoder.mismatch(*row, part) for row, part in zip(rows, parts, strict=True)])
    text = "".join(part.as_py() for part in parts[0])
    one = pa.array([(text * (LARGE * 1_000_000 // len(text.encode()) + 1))[: LARGE * 1_000_000]], pa.large_string())
    large = best(lambda: encoder.mismatch(*encoder.encode(one), one), 1)
    found = peers.run("peer_encode.py", "rates", path, tokenizer, ranks, str(SAMPLE))
    return [
        ["gptkit, batches of 8 MB", size / min(times)],
        ["gigatoken, all at once", found.pop("gigatoken")],
        *found.items(),
        ["gptkit, every id checked against its text: that alone", size / check],
        [f"gptkit, a document of {LARGE} MB, and the check", one.nbytes / 1e6 / large],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=Path, nargs="*", default=[], help="published rank files of tiktoken")
    parser.add_argument("--no-gpt2", action="store_true", help="only the rank files")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for ranks in [*([] if given.no_gpt2 else [corpora.data(GPT2)]), *given.ranks]:
            compare(ranks.resolve(), Path(folder))


if __name__ == "__main__":
    main()
