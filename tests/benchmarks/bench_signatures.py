"""MinHash signatures from text: gptkit against daft, rensa, datasketch and datatrove, one core, one run.

    python tests/benchmarks/bench_signatures.py [DOCUMENTS.parquet] [--documents 1000] [--clock wall|cpu]

The documents are those of text/mixed.jsonl.zst of the data folder (GPTKIT_SHARED, or ../shared
beside the repository), or of a Parquet file with the columns `id` and `text`. datasketch and
datatrove, which are slow, sign a sample. Each signs the word 5-grams of texts in memory; what each
takes for a word is its own matter. Prints Markdown. Needs the peers' environments (peers.py).
"""

import argparse
import os
import tempfile
from pathlib import Path

from measure import best, one_core, table

one_core()

import corpora
import peers
import pyarrow as pa
import pyarrow.parquet as pq

from gptkit.dedup.signatures import exact_hashes, shingles, sign

NGRAM = 5
PERMUTATIONS = (112, 128)
BATCH = 500  # documents
TIMES = 5
AIMS = {"daft": 2, "rensa": 8, "datatrove": 100}
SAMPLED = ("datasketch", "datatrove")


def gptkit(batches: list[pa.Array], permutations: int) -> dict[str, float]:
    """Seconds of our ways; each is compiled before it is timed."""

    def signing(base_hash: str) -> float:
        sign(batches[0][:1], NGRAM, permutations, 1, base_hash)
        return best(lambda: [sign(batch, NGRAM, permutations, 1, base_hash) for batch in batches], TIMES)

    return {
        "gptkit sign": signing("fast"),
        "gptkit sign, base hash sha1": signing("sha1"),
        "(gptkit's hashed n-grams alone)": best(lambda: [shingles(batch, NGRAM, "fast") for batch in batches], TIMES),
        "(gptkit's exact hashes)": best(lambda: [exact_hashes(batch) for batch in batches], TIMES),
        "(… normalised)": best(lambda: [exact_hashes(batch, normalise=True) for batch in batches], TIMES),
    }


def report(every: list[dict[str, str]], some: list[dict[str, str]], permutations: int, folder: Path) -> None:
    """Prints one table: rates, and how many times as fast `gptkit sign` is."""
    whole, sample = corpora.write(every, folder / "whole.parquet"), corpora.write(some, folder / "sample.parquet")
    megabytes, sampled = corpora.size(row["text"] for row in every), corpora.size(row["text"] for row in some)
    texts = [row["text"] for row in every]
    batches = [pa.array(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    found = {name: (megabytes, seconds) for name, seconds in gptkit(batches, permutations).items()}
    for library in ("daft", "rensa", *SAMPLED):
        path, size = (sample, sampled) if library in SAMPLED else (whole, megabytes)
        environment = "peers-daft" if library == "daft" else "peers"
        theirs = peers.run("peer_signatures.py", library, path, str(permutations), peers=environment)
        found |= {name: (size, seconds) for name, seconds in theirs.items()}
    ours = found["gptkit sign"][0] / found["gptkit sign"][1]
    rows = []
    for name, (size, seconds) in found.items():
        rate = size / seconds
        aim = next((aim for library, aim in AIMS.items() if name.startswith(library)), "")
        rows.append((name, size, rate, "" if name.startswith("(") else ours / rate, aim))
    print(f"## Signatures of {permutations} permutations, word {NGRAM}-grams, one core\n")
    print(f"{len(every):,} documents, {megabytes:.1f} MB; the sample {len(some):,} documents, {sampled:.2f} MB.\n")
    print(table(("work", "MB of text", "MB/s", "gptkit sign is faster by", "aim"), rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="?", help="Parquet with id and text")
    parser.add_argument("--documents", type=int, default=1_000, help="the sample for the slow ones (default: 1,000)")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: CPU seconds, for a machine that does other work"
    )
    arguments = parser.parse_args()
    os.environ["GPTKIT_CLOCK"] = arguments.clock
    if arguments.input:
        every = pq.read_table(arguments.input, columns=["id", "text"]).to_pylist()
    else:
        every = [{"id": row["id"], "text": row["text"]} for row in corpora.rows(corpora.MIXED)]
    with tempfile.TemporaryDirectory() as folder:
        for permutations in PERMUTATIONS:
            report(every, corpora.sample(every, arguments.documents), permutations, Path(folder))


if __name__ == "__main__":
    main()
