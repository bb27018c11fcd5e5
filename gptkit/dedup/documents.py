"""Duplicates among documents, from signatures to shards, in phases that each fit in a memory the user names.

sign: hashes and band keys of every document. copies: equal hashes. buckets, join: documents that
share a band. gather, resolve: their shingles, compared exactly. write: what stays.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data.files import check_free_space, read_json, sha256_json, write_json
from gptkit.data.manifest import Manifest, Plan, Shard
from gptkit.dedup import copies, corpus, fates, index
from gptkit.dedup.buckets import BucketTask, join_all, join_buckets
from gptkit.dedup.components import (
    GatherTask,
    Members,
    MembersTask,
    ResolveTask,
    SingleLinkTask,
    cut_components,
    gather_sets,
    join_singly,
    list_members,
    resolve_components,
)
from gptkit.dedup.corpus import Corpus
from gptkit.dedup.curve import Scheme, scheme_of
from gptkit.dedup.fates import Fates, FatesTask
from gptkit.dedup.numbering import Numbering, Role
from gptkit.dedup.records import parts_for, share_of
from gptkit.dedup.settings import VERSION, DedupSettings
from gptkit.dedup.sign import COLUMN_OF, SignTask, sign_portion
from gptkit.dedup.signatures import warm_up as warm_up_signatures
from gptkit.dedup.write import SignatureForm, WriteTask, write_portion
from gptkit.engine.settings import digest_values
from gptkit.engine.stage import Runtime, Stage
from gptkit.errors import GptkitError, UsageError
from gptkit.kernels import clusters, stars
from gptkit.kernels.jit import compile_kernels
from gptkit.kernels.sorting import sort_records


def run(inputs: Sequence[str], output: Path, settings: DedupSettings, runtime: Runtime) -> Manifest | None:
    """Removes duplicate documents. None with --dry-run."""
    found = Sets.open(inputs, settings, runtime.limit)
    with Stage("dedup", VERSION, settings, found.as_inputs(), output, runtime) as stage:
        scheme = found.scheme
        what = (
            f"{found.corpus.documents:,} documents in {len(found.corpus.portions)} portions, "
            f"{found.corpus.bytes / 1e6:,.1f} MB, on {runtime.pool.workers} workers"
        )
        if stage.finished:
            if not runtime.dry_run:
                found.publish(output, stage.finished)
            return stage.finished
        if settings.near:
            runtime.progress.say(scheme.curve())
        if not stage.begin(what):
            return None
        check_free_space(output, found.corpus.bytes + found.documents * (80 + 12 * scheme.bands))
        compile_kernels(runtime.progress.say, _warm_up, "dedup")
        manifest = _Run(stage, found, settings).all_phases()
        found.publish(output, manifest)
        return manifest


@dataclasses.dataclass(frozen=True)
class Sets:
    """All that a run reads: what is to be deduplicated, and what else is there already."""

    corpus: Corpus
    reference: Corpus | None
    index: index.Index | None
    scheme: Scheme
    column: pa.Field | None  # that the keep rule goes by
    settings: DedupSettings

    @staticmethod
    def open(inputs: Sequence[str], settings: DedupSettings, limit: int | None) -> "Sets":
        """Finds everything. Raises GptkitError or UsageError where a file, source or column is not there."""
        found = corpus.open_corpus(inputs, limit)
        reference = corpus.open_corpus(settings.against) if settings.against else None
        for option, names in (("--prefer", settings.prefer), ("--protect", settings.protect)):
            if unknown := set(names) - set(found.sources):
                raise UsageError(f"{option}: no source is named '{min(unknown)}'; there are {', '.join(found.sources)}")
        column = None
        if settings.keep in COLUMN_OF:
            name = settings.keep_column or COLUMN_OF[settings.keep]
            if name not in found.schema.names:
                raise GptkitError(f"--keep {settings.keep}: no document has the column '{name}'; name another one")
            if name in ("id", "text"):
                raise GptkitError(f"--keep {settings.keep}: goes by no '{name}'; name another column")
            column = found.schema.field(name)
            number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
            if settings.keep == "highest" and not number:
                raise GptkitError(f"--keep highest: the column '{name}' is {column.type}, not a number")
        sets = Sets(found, reference, None, scheme_of(settings), column, settings)
        if settings.index is None:
            return sets
        opened = index.open_index(Path(settings.index))
        earlier = opened.before(lambda earlier: dataclasses.replace(sets, index=earlier).plan(limit))
        earlier.check_new(sets.input_digest(limit))
        return dataclasses.replace(sets, index=earlier)

    def as_inputs(self) -> list[dict[str, Any]]:
        """The inputs as a plan names them."""
        entries = list(self.corpus.digests)
        if self.reference is not None:
            entries += [entry | {"name": f"against {entry['name']}"} for entry in self.reference.digests]
        if self.index is not None:
            entries.append(self.index.as_input)
        return entries

    def plan(self, limit: int | None) -> str:
        """The digest of the plan of a run."""
        return Plan("dedup", VERSION, digest_values(self.settings), limit, _without_paths(self.as_inputs())).digest()

    def input_digest(self, limit: int | None) -> str:
        """The digest of what is to be deduplicated, whatever the settings."""
        return sha256_json([limit, _without_paths(self.corpus.digests)])

    @property
    def documents(self) -> int:
        """Documents in all."""
        of_index = sum(entry.documents for entry in self.index.entries) if self.index else 0
        return self.corpus.documents + (self.reference.documents if self.reference else 0) + of_index

    def publish(self, output: Path, manifest: Manifest) -> None:
        """Adds what was kept to the index."""
        if self.index is not None:
            names = [shard.name for shard in manifest.of_kind("signatures")]
            self.index.publish(output, names, manifest.plan.digest(), self.input_digest(manifest.plan.limit))

    def numbering(self, folder: Path) -> Numbering:
        """Numbers all documents."""
        lots: list[tuple[int, Role, str, int]] = []
        settings = self.settings
        tiers = {source: place for place, source in enumerate(settings.prefer)} | dict.fromkeys(settings.protect, -1)
        for portion in self.corpus.portions:
            tier = tiers.get(portion.source, len(settings.prefer))
            lots.append((portion.documents, "input", portion.source, tier))
        for portion in self.reference.portions if self.reference else []:
            lots.append((portion.documents, "reference", portion.source, -3))
        for entry in self.index.entries if self.index else []:
            lots.append((entry.documents, "index", entry.source, -2))
        counts, roles, sources, wanted = zip(*lots, strict=True) if lots else ((), (), (), ())
        firsts = tuple(np.cumsum([0, *counts]).tolist())
        return Numbering(folder, firsts, roles, sources, wanted, settings.keep != "first")


def _without_paths(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "path"} for entry in entries]


class _Run:
    """The phases of a run, each with what the one before it left."""

    def __init__(self, stage: Stage, found: Sets, settings: DedupSettings) -> None:
        self.stage = stage
        self.found = found
        self.settings = settings
        self.scheme = found.scheme
        self.numbering = found.numbering(stage.scratch / "sign")
        self.share = self._share()
        documents = self.numbering.documents
        self.exact_parts = parts_for(documents, self.share)
        self.band_parts = parts_for(documents * self.scheme.bands, self.share)
        self.keep_signatures = settings.near and (settings.save_signatures or settings.index is not None)

    def _share(self) -> int:
        """Memory of one task: what the run that began had, for what it has done is cut by it."""
        path = self.stage.scratch / "share.json"
        if not path.exists():
            write_json(path, share_of(self.settings.memory, self.stage.runtime.pool.workers))
        return int(read_json(path))

    def all_phases(self) -> Manifest:
        """Does everything and closes the stage."""
        self._sign()
        gone = self._copies()
        near: tuple[Path, ...] = ()
        large: list[int] = []
        candidates = 0
        if self.settings.near:
            near, large, candidates = self._near(gone)
        table = Fates(self.stage.scratch / "fates")
        parts = tuple(self._copies_of(part) for part in range(self.exact_parts))
        (counts,) = self.stage.phase("decide", fates.decide_fates, [FatesTask(self.numbering, parts, near, table)])
        return self._write(table, counts, large, candidates)

    def _sign(self) -> None:
        common = (self.settings, self.scheme, self.exact_parts, self.band_parts)
        portions = [*self.found.corpus.portions, *(self.found.reference.portions if self.found.reference else [])]
        column = self.found.column
        tasks = [
            SignTask(
                portion,
                self.numbering.stem(number),
                *common,
                column,
                self.keep_signatures and self.numbering.roles[number] == "input",
            )
            for number, portion in enumerate(portions)
        ]
        entries = self.found.index.entries if self.found.index else []
        files = [
            index.IndexTask(entry.path, self.numbering.stem(number), *common)
            for number, entry in enumerate(entries, len(portions))
        ]
        if files:  # first, for it fails where the index was made with other settings
            self.stage.phase("index", index.sign_entry, files)
        self.stage.phase("sign", sign_portion, tasks)

    def _copies_of(self, part: int) -> Path:
        return self.stage.scratch / f"copies-{part:06d}.npy"

    def _copies(self) -> Path:
        """Finds exact copies; gives the file that says which documents are some that go."""
        parts = range(self.exact_parts)
        tasks = [copies.CopiesTask(self.numbering, part, self._copies_of(part)) for part in parts]
        self.stage.phase("copies", copies.find_copies, tasks)
        gone = self.stage.scratch / "gone.npy"
        if not gone.exists():
            copies.mark_copies([task.result for task in tasks], self.numbering.documents, gone)
        return gone

    def _near(self, gone: Path) -> tuple[tuple[Path, ...], list[int], int]:
        """Finds near duplicates; gives the files that name them, sizes of large components, and how many were candidates."""
        scratch = self.stage.scratch
        buckets = [
            BucketTask(self.numbering, part, gone, scratch / f"bucket-{part:06d}.npy")
            for part in range(self.band_parts)
        ]
        results = self.stage.phase("buckets", join_buckets, buckets)
        edges = [result["edges"] for result in results]
        forest = join_all(self.stage, [task.result for task in buckets], edges, scratch, self.share)
        for stem in self.numbering.stems:
            stem.with_suffix(".bands").unlink(
                missing_ok=True
            )  # the largest scratch files; a later run needs them no more
        members = Members(scratch / "table")
        (listed,) = self.stage.phase(
            "members", list_members, [MembersTask(forest, self.numbering, members, self.settings.memory)]
        )
        if not listed["components"]:
            return (), [], 0
        count = listed["candidates"] + listed["components"]
        if not self.settings.verify:
            task = SingleLinkTask(self.numbering, members, scratch / "resolved.npy")
            self.stage.phase("resolve", join_singly, [task])
            return (task.result,), [], count
        portions = self._gather(members)
        ranges = cut_components(members, self.numbering, self.share)
        tasks = [
            ResolveTask(
                self.numbering,
                members,
                low,
                high,
                portions,
                self.settings,
                self.scheme,
                scratch / f"resolved-{number:06d}.npy",
            )
            for number, (low, high) in enumerate(ranges)
        ]
        resolved = self.stage.phase("resolve", resolve_components, tasks)
        large = sorted((size for result in resolved for size in result["large"]), reverse=True)
        return tuple(task.result for task in tasks), large, count

    def _gather(self, members: Members) -> tuple[int, ...]:
        """Reads the shingles of members; gives the portions that have some."""
        documents = np.asarray(members.load("members"))
        with_members = np.unique(self.numbering.portions(documents)).tolist()
        reference = self.found.reference
        portions = [*self.found.corpus.portions, *(reference.portions if reference else [])]
        tasks = [
            GatherTask(
                portions[number],
                self.numbering.stem(number),
                self.numbering.firsts[number],
                members,
                self.settings,
                self.scheme,
            )
            for number in with_members
            if number < len(portions)
        ]
        self.stage.phase("gather", gather_sets, tasks)
        return tuple(number for number in with_members if number < len(portions))

    def _write(self, table: Fates, found: dict[str, Any], large: list[int], candidates: int) -> Manifest:
        stage, out = self.stage, self.stage.out
        form = SignatureForm(self.settings.seed, index.metadata(self.scheme, self.settings))
        signatures = form if self.keep_signatures else None
        portions = self.found.corpus.portions
        tasks = [
            WriteTask(portion, number, self.numbering, table, out, self.found.corpus.schema, signatures)
            for number, portion in enumerate(portions)
        ]
        results = stage.phase("write", write_portion, tasks)
        shards = []
        for portion, result in zip(portions, results, strict=True):
            kinds = [("", "documents", result["documents_out"]), ("clusters/", "clusters", result["clustered"])]
            if signatures is not None:
                kinds.append(("signatures/", "signatures", result["documents_out"]))
            for folder, kind, rows in kinds:
                path = out / f"{folder}{portion.name}.parquet"
                shards.append(Shard.describe(out, path, rows, portion.source, kind))
        sums = ("documents_in", "documents_out", "bytes_in", "bytes_out")
        counts = {
            **{name: sum(result[name] for result in results) for name in sums},
            "rejected": {"exact": found["exact"], "near": found["near"]},
            "for_reference_or_index": found["for_others"],
            "candidates": candidates,
            "clusters": found["clusters"],
            "cluster_sizes": found["sizes"],
            "large_components": large,
            "sources": found["sources"],
        }
        if large:
            stage.runtime.progress.say(
                f"{len(large)} components have over {stars.LARGE:,} members (up to {large[0]:,}): in these each "
                "document was compared only with kept ones that share a band with it"
            )
        return stage.close(shards, counts)


def _warm_up() -> None:
    """Compiles the kernels."""
    warm_up_signatures()
    keys, places = clusters.band_records(np.zeros((2, 4), np.uint32), np.ones(2, bool), 2, 2)
    keys, documents = sort_records(keys, places.astype(np.int64))
    sort_records(keys.copy(), places.copy())
    clusters.forest(clusters.join_equal(keys, documents, _read_only(np.zeros(2, bool))))
    sets, starts = stars.distinct(np.array([3, 1, 1, 3], np.uint64), np.array([0, 2, 4]))
    parameters = np.ones(4, np.uint32), np.ones(4, np.uint32)
    common = np.zeros(2, bool), np.full(2, -1), np.empty((0, 4), np.uint32), *parameters, 0.5
    stars.resolve(sets, starts, np.array([0, 2]), *common)
    stars.resolve_large(sets, starts, *common, 2, 2)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
