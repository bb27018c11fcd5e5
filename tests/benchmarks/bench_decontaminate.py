"""Decontamination: gptkit against plain Python and datatrove's filter, one core, one run.

    python tests/benchmarks/bench_decontaminate.py [--sample 1000] [--clock wall|cpu]

The documents are those of text/mixed.jsonl.zst of the data folder (GPTKIT_SHARED, or ../shared
beside the repository). Protected are a million 13-grams: random rows of the documents' own words,
which occur nowhere, and passages of 40 words copied from every tenth document. Plain Python and
datatrove, which are slow, look at a sample. What plain Python keeps of it (another algorithm: sets
of tuples of words, a mark for each character) must be what gptkit keeps, byte for byte. datatrove
drops whole documents, and its words are others (spaCy's, digits all 0). Prints Markdown. Needs the
peers' environment (peers.py).
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import best, now, one_core, table

one_core()

import corpora
import peers
import pyarrow as pa

from gptkit.decontamination.contamination import gather
from gptkit.decontamination.references import find_references
from gptkit.decontamination.settings import DecontaminateSettings
from gptkit.kernels import grams
from gptkit.kernels.columns import string_arrays

sys.path.append(str(Path(__file__).parents[1] / "kernels"))
import reference_grams

N = 13
RANDOM_ROWS, RANDOM_WORDS = 1_000, 1_000 + N - 1
PASSAGE, EVERY = 40, 10
BATCH = 500  # documents
TIMES = 5
AIM = 100  # MB/s


def protect(rows: list[dict[str, str]], path: Path) -> Path:
    """Writes what is protected, one text a line."""
    generator = random.Random(1)
    passages, vocabulary = [], set()
    for row in rows[::EVERY]:
        words = row["text"].split()
        vocabulary |= set(words[:200])
        if len(words) > PASSAGE:
            start = generator.randrange(len(words) - PASSAGE)
            passages.append(" ".join(words[start : start + PASSAGE]))
    known = sorted(vocabulary)
    texts = [" ".join(generator.choices(known, k=RANDOM_WORDS)) for _ in range(RANDOM_ROWS)] + passages
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def look_up_seconds(texts: list[str], table: grams.GramTable) -> float:
    """Seconds to find all n-grams of the table, in batches."""
    batches = [string_arrays(pa.array(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)]
    characters = grams.word_characters()
    grams.find_grams(*batches[0], table, characters)  # compiled
    return best(lambda: [grams.find_grams(*batch, table, characters) for batch in batches], TIMES)


def command(documents: Path, protected: Path, output: Path) -> float:
    """Seconds of the whole command with one worker, start-up included."""
    shutil.rmtree(output, ignore_errors=True)
    arguments = ["decontaminate", documents, "--against", protected, "-o", output, "--workers", "1", "--quiet"]
    started = now()
    subprocess.run([sys.executable, "-m", "gptkit", *map(str, arguments)], check=True)
    return now() - started


def kept_by_plain_python(rows: list[dict[str, str]], protected: Path) -> tuple[list[tuple[str, str]], float]:
    """(id, text) of what is kept, and seconds."""
    texts = [json.loads(line)["text"] for line in protected.read_text(encoding="utf-8").splitlines()]
    started = now()
    fates = reference_grams.decontaminate([row["text"] for row in rows], texts)
    seconds = now() - started
    kept = []
    for row, fate in zip(rows, fates, strict=True):
        pieces = [(0, 0, row["text"])] if fate is None else fate
        kept += [(row["id"] if fate is None else f"{row['id']}[{a}:{b}]", text) for a, b, text in pieces]
    return kept, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1_000, help="documents of the slow ones")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    os.environ["GPTKIT_CLOCK"] = options.clock
    rows = list(corpora.rows(corpora.MIXED))
    some = corpora.sample(rows, options.sample)
    megabytes, sampled = (corpora.size(row["text"] for row in part) for part in (rows, some))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, sample = corpora.write(rows, folder / "whole.parquet"), corpora.write(some, folder / "sample.parquet")
        protected = protect(rows, folder / "protected.jsonl")
        settings = DecontaminateSettings(against=(str(protected),))
        contamination = gather(find_references(settings), settings)
        texts = [row["text"] for row in rows]
        alone = contamination.table()
        six = grams.make_table(contamination.keys, contamination.checks, list(range(8, 14)))
        found = {
            "gptkit: look-up of 13-grams": (megabytes, look_up_seconds(texts, alone)),
            "gptkit: look-up of 8- to 13-grams, six sizes at once": (megabytes, look_up_seconds(texts, six)),
        }
        seconds = min(command(whole, protected, folder / "out") for _ in range(3))
        found["gptkit decontaminate, Parquet to Parquet, start-up included"] = (megabytes, seconds)
        command(sample, protected, folder / "sampled")
        ours = [(row["id"], row["text"]) for row in corpora.read(folder / "sampled", ["id", "text"])]
        kept, seconds = kept_by_plain_python(some, protected)
        found["plain Python, the whole method"] = (sampled, seconds)
        theirs = peers.run("peer_decontaminate.py", sample, protected)
        found["datatrove NGramsDecontFilter, look-up"] = (sampled, theirs["seconds"])
        touched = {row["id"] for row in corpora.read(folder / "sampled" / "contaminated", ["id"])}
    rate = found["gptkit: look-up of 13-grams"][0] / found["gptkit: look-up of 13-grams"][1]
    print(f"{len(rows):,} documents, {megabytes:.1f} MB; {len(contamination.keys):,} n-grams; "
          f"the slow ones: {len(some):,} documents, {sampled:.1f} MB; one core, {options.clock} time\n")  # fmt: skip
    head = ("", "MB", "seconds", "MB/s", "gptkit's look-up is times as fast")
    print(table(head, [(what, size, took, size / took, rate / (size / took)) for what, (size, took) in found.items()]))
    print(f"Aim: {AIM} MB/s for the look-up of 13-grams: {'reached' if rate >= AIM else 'MISSED'}.")
    equal = sorted(ours) == sorted(kept)
    print(f"What gptkit keeps of the sample equals what plain Python keeps ({len(kept):,} pieces): {equal}.")
    both = touched & set(theirs["dropped"])
    print(
        f"Documents of the sample with a match: gptkit {len(touched)}, datatrove {len(theirs['dropped'])}, both {len(both)}."
    )
    if not equal or rate < AIM:
        sys.exit(1)


if __name__ == "__main__":
    main()
