"""Components of candidates, resolved: each member's shingles are read again and compared exactly."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gptkit.data.arrays import distinct, load_array, save_array
from gptkit.data.files import beside
from gptkit.data.portions import PortionTask, read
from gptkit.dedup.curve import Scheme, choose
from gptkit.dedup.numbering import Numbering
from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.signatures import shingles
from gptkit.errors import GptkitError
from gptkit.kernels import jaccard, minhash, stars

FINE_RECALL = 0.98  # of the bands that tell who is compared in a large component
SET_BYTES = 32  # of memory for each shingle while sets are read and compared
LARGE_BYTES = 700  # of memory beside this for each member of a large component
MEMBER_BYTES = 120  # of memory for each member while the table is made


@dataclasses.dataclass(frozen=True)
class Members:
    """All members of components, in one table on disk: int64 arrays below `stem`.

    .members.npy: documents by component, the most wanted first; .components.npy: where components
    begin [components + 1]; .ascending.npy: the documents once more, by number, and .by_document.npy:
    the places in members that these have.
    """

    stem: Path

    def save(self, forest: np.ndarray, numbering: Numbering) -> int:
        """Makes the table of a forest (see kernels.clusters.forest); gives the number of components."""
        roots = distinct(forest[:, 1])
        documents = np.concatenate([roots, forest[:, 0]])
        components = np.concatenate([roots, forest[:, 1]])
        order = numbering.order(components, documents)
        _, starts = np.unique(components[order], return_index=True)
        self._save("members", documents[order])
        self._save("components", np.append(starts, len(order)))
        by_document = np.argsort(documents[order], kind="stable")
        self._save("by_document", by_document)
        self._save("ascending", documents[order][by_document])
        return len(starts)

    def _save(self, name: str, array: np.ndarray) -> None:
        save_array(beside(self.stem, f".{name}.npy"), array.astype(np.int64))

    def load(self, name: str) -> np.ndarray:
        """One of the arrays, mapped into memory."""
        return load_array(beside(self.stem, f".{name}.npy"), mapped=True)

    def of_portion(self, first: int, documents: int) -> tuple[np.ndarray, np.ndarray]:
        """Members among the documents [first, first + documents): their numbers, ascending, and their places."""
        ascending = self.load("ascending")
        part = slice(*np.searchsorted(ascending, [first, first + documents]))
        return np.asarray(ascending[part]), np.asarray(self.load("by_document")[part])


@dataclasses.dataclass(frozen=True)
class GatherTask(PortionTask):
    """A portion some of whose documents are members."""

    stem: Path
    first: int
    members: Members
    settings: DedupSettings
    scheme: Scheme


def gather_sets(task: GatherTask) -> dict[str, Any]:
    """Writes the sets of shingles of a portion's members, in the members' order.

    .places.npy: int64 [n] places in the table of members; .starts.npy: int64 [n + 1]; .sets.npy: uint64.
    """
    documents, places = task.members.of_portion(task.first, task.portion.documents)
    wanted = documents - task.first
    sets, lengths, row = [np.empty(0, np.uint64)], [np.zeros(0, np.int64)], 0
    for batch in read(task.portion, pa.schema([("text", pa.string())])):
        low, high = np.searchsorted(wanted, [row, row + len(batch)])
        if high > low:
            text = batch.column("text").take(pa.array(wanted[low:high] - row))
            found, starts = jaccard.distinct(*shingles(text, task.scheme.ngram, task.settings.base_hash))
            sets.append(found)
            lengths.append(np.diff(starts))
        row += len(batch)
    content, starts = np.concatenate(sets), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    order = np.argsort(places)
    content, starts = _reordered(content, starts, order)
    save_array(beside(task.stem, ".places.npy"), places[order])
    save_array(beside(task.stem, ".starts.npy"), starts)
    save_array(beside(task.stem, ".sets.npy"), content)
    return {}


def _reordered(content: np.ndarray, starts: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.diff(starts)[order]
    ends = np.cumsum(lengths)
    takes = np.repeat(starts[:-1][order] - (ends - lengths), lengths) + np.arange(len(content))
    return content[takes], np.concatenate([[0], ends])


@dataclasses.dataclass(frozen=True)
class ResolveTask:
    """Some components, as the places [low, high) of their members in the table."""

    numbering: Numbering
    members: Members
    low: int
    high: int
    portions: tuple[int, ...]  # that have members, those of an index left out
    settings: DedupSettings
    scheme: Scheme
    result: Path

    @property
    def weight(self) -> int:
        """Members."""
        return self.high - self.low


def cut_components(members: Members, numbering: Numbering, share: int, memory: int) -> list[tuple[int, int]]:
    """Ranges of members, each of whole components, whose sets fit in `share` bytes; one component always goes together.

    Raises GptkitError where one takes more than `memory` bytes.
    """
    documents, components = np.asarray(members.load("members")), members.load("components")
    sizes = numbering.values(documents, "shingles", np.int64)
    ends = np.concatenate([[0], np.cumsum(sizes)])[components]
    counts = np.diff(components)
    needed = np.diff(ends) * SET_BYTES + np.where(counts > stars.LARGE, counts * LARGE_BYTES, 0)
    if len(needed) and needed.max() > memory:
        worst = int(needed.argmax())
        raise GptkitError(
            f"{counts[worst]:,} candidates are joined to each other, and to compare them takes "
            f"{needed[worst] / 1e6:,.0f} MB; name at least --memory {needed[worst] // 10**6 + 1}MB, or a higher --threshold"
        )
    ranges, first = [], 0
    while first < len(components) - 1:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + share // SET_BYTES, side="right")) - 1)
        ranges.append((int(components[first]), int(components[last])))
        first = last
    return ranges


def resolve_components(task: ResolveTask) -> dict[str, Any]:
    """Writes a float64 [n, 3]: document that goes, the one that stays for it, their Jaccard similarity."""
    documents = np.asarray(task.members.load("members")[task.low : task.high])
    bounds = task.members.load("components")
    components = np.asarray(bounds[(bounds >= task.low) & (bounds <= task.high)]) - task.low
    sets, starts = _load_sets(task, len(documents))
    indexed, rows = _index_signatures(task, documents)
    pinned = task.numbering.pinned(documents)
    parameters = minhash.permutations(task.scheme.permutations, task.settings.seed)
    threshold = task.scheme.threshold
    kept, similarity = stars.resolve(sets, starts, components, pinned, indexed, rows, *parameters, threshold)
    large = np.flatnonzero(np.diff(components) > stars.LARGE)
    for component in large:
        low, high = components[component], components[component + 1]
        bands, per_band = choose(threshold, recall=FINE_RECALL)
        fine = minhash.permutations(bands * per_band, task.settings.seed)
        if (indexed[low:high] >= 0).any():  # signatures of an index are as they are
            bands, per_band, fine = task.scheme.bands, task.scheme.rows, parameters
        found, similarity[low:high] = stars.resolve_large(
            sets, starts[low : high + 1], pinned[low:high], indexed[low:high], rows, *fine, threshold, bands, per_band
        )
        kept[low:high] = found + low
    goes = np.flatnonzero(kept != np.arange(len(documents)))
    result = np.stack([documents[goes], documents[kept[goes]], similarity[goes].astype(np.float64)], axis=1)
    save_array(task.result, result.astype(np.float64))
    return {"large": [int(components[place + 1] - components[place]) for place in large]}


def _load_sets(task: ResolveTask, members: int) -> tuple[np.ndarray, np.ndarray]:
    """The sets of the task's members, in their order; those of an index are empty."""
    lengths = np.zeros(members, np.int64)
    slices = []
    for portion in task.portions:
        stem = task.numbering.stem(portion)
        places = load_array(beside(stem, ".places.npy"), mapped=True)
        low, high = np.searchsorted(places, [task.low, task.high])
        if high > low:
            starts = np.asarray(load_array(beside(stem, ".starts.npy"), mapped=True)[low : high + 1])
            here = np.asarray(places[low:high]) - task.low
            lengths[here] = np.diff(starts)
            slices.append((stem, here, starts))
    ends = np.concatenate([[0], np.cumsum(lengths)])
    sets = np.empty(int(ends[-1]), np.uint64)
    for stem, here, starts in slices:
        content = load_array(beside(stem, ".sets.npy"), mapped=True)
        part = np.asarray(content[starts[0] : starts[-1]])
        takes = np.repeat(ends[here] - (starts[:-1] - starts[0]), np.diff(starts)) + np.arange(len(part))
        sets[takes] = part
    return sets, ends


def _index_signatures(task: ResolveTask, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For members that come from an index, the row of their signature (else -1), and the signatures."""
    numbering = task.numbering
    indexed = np.full(len(documents), -1, np.int64)
    rows = [np.empty((0, task.scheme.permutations), np.uint32)]
    count = 0
    for portion, places in numbering.by_portion(documents):
        if numbering.roles[portion] == "index":
            signatures = load_array(beside(numbering.stem(portion), ".signatures.npy"), mapped=True)
            rows.append(signatures[documents[places] - numbering.firsts[portion]])
            indexed[places] = np.arange(count, count + len(places))
            count += len(places)
    return indexed, np.concatenate(rows)


@dataclasses.dataclass(frozen=True)
class MembersTask:
    """A forest to make the table of members of."""

    forest: Path
    numbering: Numbering
    members: Members
    memory: int


def list_members(task: MembersTask) -> dict[str, Any]:
    """Makes the table. Raises GptkitError where it takes more memory than allowed."""
    forest = load_array(task.forest)
    needed = len(forest) * MEMBER_BYTES
    if needed > task.memory:
        raise GptkitError(
            f"{len(forest):,} documents are candidates, and to list them takes {needed / 1e6:,.0f} MB; "
            f"name at least --memory {needed // 10**6 + 1}MB"
        )
    return {"components": task.members.save(forest, task.numbering), "candidates": len(forest)}


@dataclasses.dataclass(frozen=True)
class SingleLinkTask:
    """Components to resolve without comparing."""

    numbering: Numbering
    members: Members
    result: Path


def join_singly(task: SingleLinkTask) -> dict[str, Any]:
    """Writes what `resolve_components` does: the most wanted of a component stays for all the others (single link)."""
    documents, components = np.asarray(task.members.load("members")), np.asarray(task.members.load("components"))
    stays = np.repeat(documents[components[:-1]], np.diff(components))
    goes = (documents != stays) & ~task.numbering.pinned(documents)
    save_array(task.result, np.stack([documents[goes], stays[goes], np.full(goes.sum(), np.nan)], axis=1))
    return {"large": []}
