"""Settings of `gptkit dedup`."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

VERSION = 2  # of the stage
MOST_PERMUTATIONS = 10_000
MOST_CHOSEN = 128  # permutations, where bands and rows follow from a threshold
MOST_NGRAM = 1_000
MOST_CHARACTERS = 1_000_000
# what means something with some units only
OF_DOCUMENTS = (
    *("near", "preset", "threshold", "bands", "rows", "ngram", "base_hash", "seed", "verify", "keep", "keep_column"),
    *("prefer", "protect", "against", "index", "save_signatures"),
)
ONLY = dict.fromkeys(OF_DOCUMENTS, ("document",)) | {
    "normalise": ("document", "paragraph", "line"),
    "min_length": ("paragraph", "line"),
    "min_count": ("paragraph", "line"),
    "keep_first": ("paragraph", "line", "substring"),
    "span_characters": ("substring",),
    "span_words": ("substring",),
}


@dataclass(frozen=True)
class DedupSettings:
    """What counts as a duplicate, and which of several stays.

    Exact duplicates go first, then near ones by MinHash LSH: two documents become candidates with
    probability 1 − (1 − J^rows)^bands at Jaccard similarity J of their sets of word n-grams. With
    `verify`, a document goes only where its exact J with the one that stays is at least the threshold.
    """

    unit: Annotated[
        Literal["document", "paragraph", "line", "substring"],
        "What is compared: whole documents; paragraphs or lines by hash, across the corpus; or repeated spans of text.",
    ] = "document"
    normalise: Annotated[bool, "Equal but for case, punctuation and spaces is equal."] = False
    near: Annotated[bool, "Find near duplicates too, not only exact ones."] = True
    preset: Annotated[
        Literal["gpt3"] | None, "gpt3: 10 tables of one hash over the set of words, as Spark's MinHashLSH."
    ] = None
    threshold: Annotated[
        float | None,
        "Least Jaccard similarity of duplicates; bands and rows follow from it where they are not given. "
        "Without it: where the curve of the bands is steepest, (1/bands)^(1/rows).",
        "0 to 1",
    ] = None
    bands: Annotated[int | None, "Bands of the LSH table; without --threshold 14.", "bands"] = None
    rows: Annotated[int | None, "Signature values in a band; without --threshold 8.", "values"] = None
    ngram: Annotated[
        int | None, "Words of a shingle (characters where a script has no spaces); 5, or the preset's.", "words"
    ] = None
    base_hash: Annotated[
        Literal["fast", "sha1"], "Hash of a shingle; sha1: signatures equal datasketch's, bit for bit, and cost more."
    ] = "fast"
    seed: Annotated[int, "Seed of the permutations."] = 1
    verify: Annotated[
        bool,
        "Compare exactly. Without: whatever is joined by a chain of candidates is one cluster (single link), "
        "though its ends may have little in common.",
    ] = True
    keep: Annotated[
        Literal["first", "longest", "newest", "highest"],
        "What stays of a cluster: the first, the longest text, the newest (--keep-column, or date), "
        "or the highest (--keep-column, or quality).",
    ] = "first"
    keep_column: Annotated[str | None, "Column that --keep newest or highest goes by.", "name"] = None
    prefer: Annotated[
        tuple[str, ...], "Sources whose documents stay before all others', the most wanted first.", "names"
    ] = ()
    protect: Annotated[
        tuple[str, ...],
        "Held-out sources: all their documents stay, and what is found near one in another source goes.",
        "names",
    ] = ()
    against: Annotated[
        tuple[str, ...], "Reference documents: what is near one goes; they are not written.", "paths"
    ] = ()
    index: Annotated[
        str | None,
        "Folder of signatures of all that was kept by earlier runs: what is near goes (by estimated similarity), "
        "and what this run keeps is added.",
        "folder",
    ] = None
    save_signatures: Annotated[bool, "Write signatures of what stays, as datasketch's LeanMinHash."] = False
    min_length: Annotated[int, "Shortest paragraph or line that can be a duplicate.", "characters"] = 40
    min_count: Annotated[int, "Occurrences from which a paragraph or line is a duplicate.", "occurrences"] = 2
    keep_first: Annotated[bool, "The first copy of a paragraph, line or span stays."] = True
    span_characters: Annotated[int, "Shortest repeated span, with --unit substring; 0: go by words.", "characters"] = (
        200
    )
    span_words: Annotated[int, "Shortest repeated span where --span-characters is 0.", "words"] = 50
    memory: Annotated[int, "Memory for all workers together; 0: a gigabyte for each, and four at least.", "bytes"] = 0

    # Other documents and signatures count by what is in them: their digests are among the plan's inputs
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"against", "index", "memory"})

    def __post_init__(self) -> None:
        """Raises ValueError for what makes no sense."""
        for option, value in (("--bands", self.bands), ("--rows", self.rows), ("--ngram", self.ngram)):
            if value is not None and value < 1:
                raise ValueError(f"{option} must be at least 1")
        if (self.bands or 14) * (self.rows or 8) > MOST_PERMUTATIONS:
            raise ValueError(f"--bands times --rows is more than {MOST_PERMUTATIONS:,} permutations")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError("--seed must be from 0 to 4294967295")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ValueError(f"--threshold {self.threshold:g} is not above 0 and up to 1")
        if self.keep_column is not None and self.keep not in ("newest", "highest"):
            raise ValueError("--keep-column goes with --keep newest or --keep highest")
        if (self.index is not None or self.save_signatures) and not self.near:
            raise ValueError("--index and --save-signatures need signatures: they do not go with --no-near")
        if self.memory < 0:
            raise ValueError("--memory must be at least 0")
        if min(self.min_length, self.min_count - 1, self.span_characters, self.span_words - 1) < 0:
            raise ValueError(
                "--min-length and --span-characters must be at least 0, --min-count at least 1, --span-words at least 1"
            )
        for option, value, most in (
            ("--ngram", self.ngram, MOST_NGRAM),
            ("--min-length", self.min_length, MOST_CHARACTERS),
            ("--span-characters", self.span_characters, MOST_CHARACTERS),
            ("--span-words", self.span_words, MOST_CHARACTERS),
        ):
            if value is not None and value > most:
                raise ValueError(f"{option} {value:,} is more than {most:,}")
        one = (self.bands is None) != (self.rows is None)
        if self.threshold is not None and one and (self.bands or self.rows or 0) > MOST_CHOSEN:
            raise ValueError(f"--threshold chooses up to {MOST_CHOSEN} permutations; name --bands and --rows both")
        if self.index == "" or "" in self.against:
            raise ValueError("--against and --index name files or folders, and one of them is empty")
        for name, units in ONLY.items():
            if self.unit not in units and getattr(self, name) != getattr(DedupSettings, name):
                raise ValueError(f"--{name.replace('_', '-')} means nothing with --unit {self.unit}")
        if both := set(self.prefer) & set(self.protect):
            raise ValueError(f"--prefer and --protect both name {min(both)}; what is protected stays anyway")

    def for_workers(self, workers: int) -> "DedupSettings":
        """The same with a memory that is a number: what was asked for, or what so many workers should have."""
        return self if self.memory else replace(self, memory=1_000_000_000 * max(4, workers))
