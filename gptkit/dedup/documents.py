"""Duplicates among documents, from signatures to shards, in phases that each fit in a memory the user names.

sign: hashes and band keys of every document. copies: equal hashes. buckets, join: documents that
share a band. gather, resolve: their shingles, compared exactly. write: what stays.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import distinct
from gptkit.data.files import beside, check_free_space, read_json, write_json
from gptkit.data.manifest import Manifest, Shard
from gptkit.dedup import copies, fates, index
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
from gptkit.dedup.fates import Fates, FatesTask
from gptkit.dedup.records import parts_for, share_of
from gptkit.dedup.sets import Sets
from gptkit.dedup.settings import VERSION, DedupSettings
from gptkit.dedup.sign import SignTask, sign_portion
from gptkit.dedup.signatures import warm_up as warm_up_signatures
from gptkit.dedup.write import SignatureForm, WriteTask, write_portion
from gptkit.engine.stage import Runtime, Stage
from gptkit.kernels import clusters, jaccard, stars
from gptkit.kernels.jit import compile_kernels
from gptkit.kernels.sorting import sort_records


def run(inputs: Sequence[str], output: Path, settings: DedupSettings, runtime: Runtime) -> Manifest | None:
    """Removes duplicate documents. None with --dry-run."""
    settings = settings.for_workers(runtime.pool.workers)
    share = share_of(settings.memory, runtime.pool.workers)
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
        if found.index is not None:
            found.index.folder.mkdir(parents=True, exist_ok=True)  # where it cannot be made is said before the work
        check_free_space(output, found.corpus.bytes + found.documents * (80 + 12 * scheme.bands))
        compile_kernels(runtime.progress.say, _warm_up, "dedup")
        manifest = DocumentRun(stage, found, settings, share).all_phases()
        found.publish(output, manifest)
        return manifest


class DocumentRun:
    """The phases of a run, each with what the one before it left."""

    def __init__(self, stage: Stage, found: Sets, settings: DedupSettings, share: int) -> None:
        self.stage = stage
        self.found = found
        self.settings = settings
        self.scheme = found.scheme
        self.numbering = found.numbering(stage.scratch / "sign")
        self.share = self._first_share(share)
        documents = self.numbering.documents
        self.exact_parts = parts_for(documents, self.share)
        self.band_parts = parts_for(documents * self.scheme.bands, self.share)
        self.keep_signatures = settings.near and (settings.save_signatures or settings.index is not None)

    def _first_share(self, share: int) -> int:
        """Memory of one task: what the run that began had, for what it has done is cut by it."""
        path = self.stage.scratch / "share.json"
        if not path.exists():
            write_json(path, share)
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
        (counts,) = self.stage.phase(
            "decide", fates.decide_fates, [FatesTask(self.numbering, parts, near, table, self.settings.memory)]
        )
        return self._write(table, counts, large, candidates)

    def _sign(self) -> None:
        common = (self.settings, self.scheme, self.exact_parts, self.band_parts)
        portions = self.found.portions
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
        signed = self.stage.phase("sign", sign_portion, tasks)
        if unknown := sum(result.get("unknown", 0) for result in signed):
            self.stage.runtime.progress.say(
                f"--keep {self.settings.keep}: {unknown:,} documents have no value to go by, and come behind all others"
            )

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
            beside(stem, ".bands").unlink(missing_ok=True)  # the largest scratch files; a later run needs them no more
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
        ranges = cut_components(members, self.numbering, self.share, self.settings.memory)
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
        with_members = distinct(self.numbering.portions(documents)).tolist()
        portions = self.found.portions
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
    sets, starts = jaccard.distinct(np.array([3, 1, 1, 3], np.uint64), np.array([0, 2, 4]))
    parameters = np.ones(4, np.uint32), np.ones(4, np.uint32)
    common = np.zeros(2, bool), np.full(2, -1), np.empty((0, 4), np.uint32), *parameters, 0.5
    stars.resolve(sets, starts, np.array([0, 2]), *common)
    stars.resolve_large(sets, starts, *common, 2, 2)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
