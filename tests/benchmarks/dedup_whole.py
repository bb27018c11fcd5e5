"""The whole of `gptkit dedup` against datatrove's four MinHash stages: Parquet in, Parquet out, one core."""

from pathlib import Path
from typing import Any

import corpora
import numpy as np
import peers
from dedup_command import dedup
from dedup_jaccard import hashed
from measure import table

TIMES = 3
OFTEN, SELDOM = 0.02, 0.5  # seconds between two looks at memory: where memory is measured, and where time is
PERCENTILES = (0, 10, 50, 90, 100)


class Overlaps:
    """Exact Jaccard similarity of one document with each of all others, by an inverted index."""

    def __init__(self, texts: list[str]) -> None:
        self.sets = hashed(texts)
        self.sizes = np.array([len(each) for each in self.sets])
        numbers = np.repeat(np.arange(len(texts)), self.sizes)
        shingles = np.concatenate(self.sets)
        order = np.argsort(shingles, kind="stable")
        self.shingles, self.numbers = shingles[order], numbers[order]

    def of(self, number: int) -> np.ndarray:
        """float64 [documents]; 0 for the document itself."""
        low = np.searchsorted(self.shingles, self.sets[number], "left")
        high = np.searchsorted(self.shingles, self.sets[number], "right")
        hits = [self.numbers[start:stop] for start, stop in zip(low, high, strict=True)]
        common = np.bincount(np.concatenate([*hits, np.empty(0, np.int64)]), minlength=len(self.sizes))
        common[number] = 0
        found: np.ndarray = common / np.maximum(1, self.sizes + self.sizes[number] - common)
        return found


def report(folder: Path, documents: int | None) -> None:
    """Prints seconds, memory, what verification costs, and how far both agree."""
    rows = corpora.sample(list(corpora.rows(corpora.MIXED)), documents)
    path = corpora.write([{"id": row["id"], "text": row["text"]} for row in rows], folder / "documents.parquet")
    megabytes = corpora.size(row["text"] for row in rows)
    dedup(path, folder / "compiled", workers=0, interval=SELDOM)
    watched = dedup(path, folder / "watched", workers=0, interval=OFTEN)
    ours, plain = (
        min(
            (
                dedup(path, folder / f"ours{''.join(options)}-{turn}", *options, workers=0, interval=SELDOM)
                for turn in range(TIMES)
            ),
            key=lambda run: run.seconds,
        )
        for options in ((), ("--no-verify",))
    )
    (folder / "theirs").mkdir()
    theirs = peers.run("peer_dedup.py", path, folder / "theirs")
    seconds = sum(theirs["seconds"].values())
    verify = sum(ours.phases.get(name, 0.0) for name in ("gather", "resolve"))
    print(f"## The whole of dedup: {corpora.MIXED}, Parquet in, Parquet out, one core\n")
    print(
        f"{len(rows):,} documents, {megabytes:.1f} MB of text. gptkit: the command in one process, start-up "
        f"included, best of {TIMES}; datatrove: once, imports and the loading of its word splitter left out.\n"
    )
    print(
        table(
            ("", "seconds", "MB/s", "documents removed", "peak of memory, MB", "times as fast as datatrove"),
            [
                _row("gptkit dedup", megabytes, ours.seconds, len(ours.removed()), watched.peak, seconds),
                _row("gptkit dedup --no-verify", megabytes, plain.seconds, len(plain.removed()), None, seconds),
                _row("datatrove's four stages", megabytes, seconds, len(theirs["removed"]), theirs["peak"], seconds),
            ],
        )
    )
    print("gptkit's phases, seconds: " + ", ".join(f"{name} {each:.2f}" for name, each in ours.phases.items()))
    print(
        f"\nVerification (gather and resolve): {verify:.2f} s, {verify / ours.seconds:.1%} of the command, "
        f"{verify / sum(ours.phases.values()):.1%} of its phases.\n"
    )
    print(
        "datatrove's stages, seconds: "
        + ", ".join(f"{name} {each:.1f}" for name, each in theirs["seconds"].items())
        + "\n"
    )
    _agreement(rows, ours.clusters(), theirs)


def _row(
    name: str, megabytes: float, seconds: float, removed: int, peak: int | None, theirs: float
) -> tuple[object, ...]:
    return name, seconds, megabytes / seconds, removed, "" if peak is None else round(peak / 1e6), theirs / seconds


def _agreement(rows: list[dict[str, str]], clusters: list[dict[str, Any]], theirs: dict[str, Any]) -> None:
    """Which documents only one of the two removes, and how similar these are to others."""
    place_of = {row["id"]: place for place, row in enumerate(rows)}
    ours = {place_of[row["id"]]: row for row in clusters}
    removed = {place for place, row in ours.items() if not row["kept"]}
    their_removed, their_clustered = set(theirs["removed"]), {place for place, _ in theirs["clusters"]}
    only_ours, only_theirs = removed - their_removed, their_removed - removed
    overlaps = Overlaps([row["text"] for row in rows])
    kept = np.array([place not in removed for place in range(len(rows))])
    found = {
        "only gptkit removes; datatrove keeps it for others": [
            overlaps.of(each).max() for each in only_ours & their_clustered
        ],
        "only gptkit removes; alone for datatrove": [overlaps.of(each).max() for each in only_ours - their_clustered],
        "only datatrove removes; gptkit keeps it for others": [
            overlaps.of(each).max() for each in only_theirs if each in ours
        ],
        "only datatrove removes; alone for gptkit": [
            overlaps.of(each)[kept].max() for each in only_theirs if each not in ours
        ],
    }
    print(
        f"Both remove {len(removed & their_removed):,} documents, only gptkit {len(only_ours):,}, only datatrove "
        f"{len(only_theirs):,}. Of these the largest exact Jaccard similarity of word 5-grams (gptkit's words, counted in "
        "plain Python) with any other document, in the last row with any that gptkit keeps:\n"
    )
    head = ("document", "number", *(f"{each} %" for each in PERCENTILES))
    print(
        table(
            head,
            [
                (
                    name,
                    len(each),
                    *([f"{value:.3f}" for value in np.percentile(each, PERCENTILES)] if each else "-" * 5),
                )
                for name, each in found.items()
            ],
        )
    )
