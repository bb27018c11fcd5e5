"""Does `gptkit dedup` find what it should? Against exact Jaccard similarities of all pairs, and its own promise."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import corpora
from dedup_command import Result, dedup
from dedup_edits import Pair, pairs
from dedup_jaccard import all_pairs, hashed, jaccard, shingles
from measure import share, table

from gptkit.dedup.curve import Scheme, scheme_of
from gptkit.dedup.settings import DedupSettings

CLOUGH = "duplicates/clough.jsonl"
BBC = "duplicates/bbc.jsonl.zst"
THRESHOLDS = (None, 0.5, 0.8)


def report(folder: Path, each: int) -> None:
    """Prints the S-curve, recall and precision, and the promise."""
    made = list(pairs(each))
    edits = [row for pair in made for row in pair.rows]
    report_curve(folder, made, edits)
    sets = {
        CLOUGH: list(corpora.rows(CLOUGH)),
        BBC: list(corpora.rows(BBC)),
        corpora.MIXED: list(corpora.rows(corpora.MIXED)),
        f"{len(made):,} edited pairs": edits,
    }
    report_sets(folder, sets)


def report_curve(folder: Path, made: Sequence[Pair], edits: Sequence[dict[str, str]]) -> None:
    """The share of isolated pairs that become candidates, beside what is expected."""
    path = corpora.write(edits, folder / "edits.parquet")
    scheme = scheme_of(DedupSettings())
    for seed in (1, 2):
        result = dedup(path, folder / f"curve-{seed}", "--no-verify", "--seed", str(seed))
        found = {row["id"][:-2] for row in result.removed()}
        print(f"## The S-curve: pairs found, {scheme.bands} bands of {scheme.rows}, --no-verify, seed {seed}\n")
        print(
            table(
                ("Jaccard", "pairs", "found", "expected", "standard error", "standard errors apart"),
                _curve(made, found, scheme),
            )
        )


def _curve(made: Sequence[Pair], found: set[str], scheme: Scheme) -> list[tuple[object, ...]]:
    """Rows by target; expected is the mean of each pair's own probability."""
    by_target: dict[float, list[Pair]] = defaultdict(list)
    for pair in made:
        by_target[pair.target].append(pair)
    rows: list[tuple[object, ...]] = []
    for some in by_target.values():
        chances = [scheme.probability(pair.similarity) for pair in some]
        expected = sum(chances) / len(some)
        error = math.sqrt(sum(chance * (1 - chance) for chance in chances)) / len(some)
        share_found = sum(pair.name in found for pair in some) / len(some)
        mean = sum(pair.similarity for pair in some) / len(some)
        rows.append(
            (
                f"{mean:.3f}",
                len(some),
                f"{share_found:.4f}",
                f"{expected:.4f}",
                f"{error:.4f}",
                f"{(share_found - expected) / error:+.1f}",
            )
        )
    return rows


def report_sets(folder: Path, sets: dict[str, list[dict[str, str]]]) -> None:
    """Recall and precision by brute force, and the promise for each removed document."""
    rows = []
    checked = 0
    for number, (name, documents) in enumerate(sets.items()):
        path = corpora.write(
            [{"id": row["id"], "text": row["text"]} for row in documents], folder / f"{number}.parquet"
        )
        texts = [row["text"] for row in documents]
        least = min(scheme_of(DedupSettings(threshold=each)).threshold for each in THRESHOLDS)
        every = all_pairs(hashed(texts), least)
        place_of = {row["id"]: place for place, row in enumerate(documents)}
        for threshold in THRESHOLDS:
            settings = DedupSettings(threshold=threshold)
            scheme = scheme_of(settings)
            options = () if threshold is None else ("--threshold", str(threshold))
            joined = dedup(path, folder / f"{number}-{threshold}-joined", "--no-verify", *options)
            verified = dedup(path, folder / f"{number}-{threshold}-verified", *options)
            true = {pair: value for pair, value in every.items() if value >= scheme.threshold}
            checked += check_promise(verified, texts, place_of, scheme.threshold)
            rows.append(_row(name, scheme, true, joined, verified, place_of, len(documents)))
    print("## Recall and precision against all pairs by brute force\n")
    print(
        table(
            (
                "documents",
                "threshold (bands × rows)",
                "pairs at or above it",
                "candidates (expected)",
                "pairs of which one or both go",
                "documents removed",
                "by the same rule from all pairs",
                "of these we remove",
                "precision",
                "--no-verify: documents removed",
                "of pairs joined, at or above it",
            ),
            rows,
        )
    )
    print(
        f"The promise: of {checked:,} documents removed in these runs every one has, by sets of words in plain Python, at "
        "least the threshold's Jaccard similarity with the document named as kept, which was kept, and the similarity "
        "named beside it is right to 1e-6. Precision is that share.\n"
    )


def check_promise(result: Result, texts: Sequence[str], place_of: dict[str, int], threshold: float) -> int:
    """Compares every removed document with the one that stayed for it; gives how many. Raises SystemExit where one fails."""
    kept = set(result.kept_ids())
    removed = result.removed()
    for row in removed:
        one, other = (texts[place_of[row[name]]] for name in ("id", "kept_id"))
        found = 1.0 if one == other else jaccard(shingles(one), shingles(other))
        if row["kept_id"] not in kept or row["id"] in kept or found < threshold or abs(found - row["jaccard"]) > 1e-6:
            raise SystemExit(f"{row['id']} went for {row['kept_id']}: Jaccard {found}, said to be {row['jaccard']}")
    if len(removed) + len(kept) != len(texts):
        raise SystemExit(f"{len(removed)} removed and {len(kept)} kept of {len(texts)}")
    return len(removed)


def _row(
    name: str,
    scheme: Scheme,
    true: dict[tuple[int, int], float],
    joined: Result,
    verified: Result,
    place_of: dict[str, int],
    documents: int,
) -> tuple[object, ...]:
    together = {place_of[row["id"]]: row["cluster"] for row in joined.clusters()}
    candidates = sum(one in together and together[one] == together.get(other) for one, other in true)
    expected = sum(map(scheme.probability, true.values()))
    removed = {place_of[row["id"]] for row in verified.removed()}
    touched = sum(one in removed or other in removed for one, other in true)
    stars = greedy(true, documents)
    singly = {place_of[row["id"]] for row in joined.removed()}
    sizes: dict[int, int] = defaultdict(int)
    for cluster in together.values():
        sizes[cluster] += 1
    pairs_joined = sum(size * (size - 1) // 2 for size in sizes.values())
    return (
        name,
        f"{scheme.threshold} ({scheme.bands} × {scheme.rows})",
        len(true),
        f"{share(candidates, len(true))} ({expected / max(1, len(true)):.1%})",
        share(touched, len(true)),
        len(removed),
        len(stars),
        share(len(stars & removed), len(stars)),
        "100 %",
        len(singly),
        share(candidates, pairs_joined),
    )


def greedy(true: dict[tuple[int, int], float], documents: int) -> set[int]:
    """What goes if each document is compared with all kept ones before it."""
    before: dict[int, list[int]] = defaultdict(list)
    for one, other in true:
        before[other].append(one)
    removed: set[int] = set()
    for place in range(documents):
        if any(other not in removed for other in before[place]):
            removed.add(place)
    return removed
