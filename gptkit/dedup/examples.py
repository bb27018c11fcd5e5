"""Examples of what was taken for a near duplicate: pairs of a removed and a kept document, with their differences."""

import dataclasses
import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gptkit.data.manifest import Manifest
from gptkit.data.portions import Corpus, open_corpus, read
from gptkit.dedup.settings import DedupSettings

WORDS = 2_000  # of each text that are compared
CONTEXT = 6  # words shown on each side of a difference
MOST_DIFFERENCES = 6  # shown of a pair
MOST_WORDS = 30  # shown of one difference
TEXT = pa.schema([("id", pa.string()), ("text", pa.string())])


@dataclasses.dataclass(frozen=True)
class Part:
    """A run of words: of both texts, of the removed one alone, or of the kept one alone."""

    kind: str  # both, removed, kept, left out
    text: str


@dataclasses.dataclass(frozen=True)
class Example:
    """A removed document beside the one that stayed."""

    removed: dict[str, Any]  # its row of clusters/
    members: int  # of the cluster
    parts: list[Part] | None  # None where a text is not there to be read


def choose(output: Path, manifest: Manifest, count: int) -> list[dict[str, Any]]:
    """Rows of near duplicates, at most one of a cluster, at even steps from the least to the most similar."""
    by_cluster: dict[int, dict[str, Any]] = {}
    members: dict[int, int] = {}
    for shard in manifest.of_kind("clusters"):
        for row in pq.read_table(output / shard.name).to_pylist():
            cluster = row["cluster"]
            members[cluster] = members.get(cluster, 0) + 1
            if row["reason"] == "near":
                least = by_cluster.get(cluster)
                if least is None or (row["jaccard"] or 0, row["id"]) < (least["jaccard"] or 0, least["id"]):
                    by_cluster[cluster] = row
    rows = sorted(by_cluster.values(), key=lambda row: (row["jaccard"] or 0, row["cluster"]))
    if len(rows) > count:
        rows = [rows[place * (len(rows) - 1) // max(1, count - 1)] for place in range(count)]
    # the kept one has a row of its own only where it is among the inputs
    return [row | {"members": members[row["cluster"]] + (row["kept_in"] != "input")} for row in rows]


def examples(
    inputs: Sequence[str], output: Path, manifest: Manifest, settings: DedupSettings, count: int
) -> Iterator[Example]:
    """Reads the texts of the chosen pairs again and compares them."""
    chosen = choose(output, manifest, count)
    corpus = open_corpus(inputs, manifest.plan.limit)
    wanted = {(row["source"], row["id"]) for row in chosen}
    wanted |= {(row["kept_source"], row["kept_id"]) for row in chosen if row["kept_in"] == "input"}
    texts = {("input", *key): text for key, text in _texts(corpus, wanted).items()}
    of_reference = {(row["kept_source"], row["kept_id"]) for row in chosen if row["kept_in"] == "reference"}
    if of_reference:
        found = _texts(open_corpus(settings.against), of_reference)
        texts |= {("reference", *key): text for key, text in found.items()}
    for row in chosen:
        one = texts.get(("input", row["source"], row["id"]))
        other = texts.get((row["kept_in"], row["kept_source"], row["kept_id"]))
        parts = None if one is None or other is None else differences(one, other)
        yield Example(row, row["members"], parts)


def _texts(corpus: Corpus, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    sources = {source for source, _ in wanted}
    for portion in corpus.portions:
        if portion.source not in sources:
            continue
        for batch in read(portion, TEXT):
            for place, identity in enumerate(batch.column("id").to_pylist()):
                if (portion.source, identity) in wanted:
                    found.setdefault((portion.source, identity), batch.column("text")[place].as_py())
    return found


def differences(removed: str, kept: str) -> list[Part]:
    """The differing words of two texts with a few common ones around them (of the first WORDS words of each)."""
    one, other = (re.findall(r"\S+", text)[:WORDS] for text in (removed, kept))
    opcodes = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    parts: list[Part] = []
    shown = 0
    for place, (tag, low, high, other_low, other_high) in enumerate(opcodes):
        if tag == "equal":
            before = CONTEXT if place + 1 < len(opcodes) else 0
            after = CONTEXT if place else 0
            if high - low <= before + after:
                parts.append(Part("both", " ".join(one[low:high])))
                continue
            if after:
                parts.append(Part("both", " ".join(one[low : low + after])))
            parts.append(Part("left out", f"{high - low - before - after:,} equal words"))
            if before:
                parts.append(Part("both", " ".join(one[high - before : high])))
            continue
        if shown == MOST_DIFFERENCES:
            parts.append(Part("left out", "more differences"))
            break
        shown += 1
        for kind, words in (("removed", one[low:high]), ("kept", other[other_low:other_high])):
            if words:
                rest = f" … ({len(words) - MOST_WORDS:,} words more)" if len(words) > MOST_WORDS else ""
                parts.append(Part(kind, " ".join(words[:MOST_WORDS]) + rest))
    return parts
