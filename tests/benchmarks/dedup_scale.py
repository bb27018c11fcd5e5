"""Are planted clusters found again among millions of documents, how long does it take, and in how much memory?"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dedup_planted
import numpy as np
from measure import best, share, table
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from watching import watch

from gptkit.dedup.buckets import EDGE_BYTES
from gptkit.dedup.components import MEMBER_BYTES
from gptkit.dedup.curve import scheme_of
from gptkit.dedup.records import WORKER_BYTES, parts_for, read_part, write_records
from gptkit.dedup.settings import DedupSettings

WORKERS, MEMORY = 2, 2_000_000_000
PARALLEL = {"copies": "exact_parts", "buckets": "band_parts"}  # phases of many tasks; others have one, or end with one
FAR = (100_000_000, 1_000_000_000)
CORES = (2, 64)


def components(plan: dedup_planted.Plan) -> np.ndarray:
    """The first document of each one's component, where documents are joined that have a band in common; int64 [n].

    Independent of gptkit: values are compared band by band, all in memory, and joined by SciPy.
    """
    scheme = scheme_of(DedupSettings())
    documents = len(plan.clusters)
    clusters, texts = np.asarray(plan.clusters), np.asarray(plan.texts)
    similarity = np.asarray(plan.similarity)[clusters]
    factors = np.random.default_rng(0).integers(0, 1 << 63, scheme.rows, np.uint64) * np.uint64(2) + np.uint64(1)
    ones, others = [], []
    for band in range(scheme.bands):
        key = np.zeros(documents, np.uint64)
        for row in range(scheme.rows):
            place = band * scheme.rows + row
            found = dedup_planted.values(clusters, texts, similarity, place, place + 1)[:, 0]
            key = (key ^ found) * factors[row]
            key ^= key >> np.uint64(29)
        order = np.argsort(key, kind="stable").astype(np.int32)
        equal = np.flatnonzero(key[order[1:]] == key[order[:-1]])
        ones.append(order[equal])
        others.append(order[equal + 1])
    one, other = np.concatenate(ones), np.concatenate(others)
    graph = coo_array((np.ones(len(one), np.bool_), (one, other)), (documents, documents))
    count, labels = connected_components(graph, directed=False)
    first = np.full(count, documents)
    np.minimum.at(first, labels, np.arange(documents))
    return first[labels]


def measure(folder: Path, documents: int) -> dict[str, Any]:
    """Plants, runs and checks; gives what the run counted, and its peak of memory."""
    command = [sys.executable, dedup_planted.__file__]
    subprocess.run([*command, "plant", folder, "--documents", str(documents)], check=True)
    limits = ("--memory", str(MEMORY), "--workers", str(WORKERS))
    watched = watch([*command, "run", folder, *limits], interval=0.1)
    found = json.loads(watched.output)
    plan = dedup_planted.Plan.load(folder)
    stays, expected = np.load(folder / "found.npy"), components(plan)
    if (stays != expected).any():
        raise SystemExit(f"{(stays != expected).sum():,} of {documents:,} documents are in another component")
    clusters = len(plan.similarity)
    removed = stays != np.arange(documents)
    strangers = int((plan.clusters[stays] != plan.clusters).sum())
    return found | {
        "documents": documents,
        "peak": watched.peak,
        "planted": documents - clusters,
        "removed": int(removed.sum()),
        "strangers": strangers,
    }


def report(folder: Path, sizes: list[int]) -> None:
    """Prints what was measured, and what larger corpora would cost."""
    runs = []
    for documents in sizes:
        place = folder / str(documents)
        place.mkdir()
        runs.append(measure(place, documents))
        for path in place.iterdir():
            path.unlink()
    print(f"## Planted duplicates: {WORKERS} workers, --memory {MEMORY / 1e9:g}GB, --no-verify\n")
    print(
        f"{dedup_planted.UNIQUE:.0%} of the documents are unique; the others are in clusters whose sizes have the tail "
        f"s^-{dedup_planted.EXPONENT:g}, up to {dedup_planted.LARGEST:.1%} of all; in a cluster signature values agree "
        f"with a probability from {dedup_planted.LEAST} to {dedup_planted.MOST}; {dedup_planted.COPIES:.0%} are exact "
        "copies. The document that stays is, for every document of each run, the first of its component as SciPy finds "
        "it from the planted signatures in memory.\n"
    )
    names = list(dict.fromkeys(name for run in runs for name in run["phases"]))
    rows: list[tuple[object, ...]] = [
        (f"seconds: {'signatures made (not part of the time)' if name == 'sign' else name}", *_phase(runs, name))
        for name in names
    ]
    rows += [
        ("**seconds without signatures**", *(run["seconds"] - run["phases"]["sign"] for run in runs)),
        ("peak of memory, all processes, GB", *(run["peak"] / 1e9 for run in runs)),
        ("scratch files, GB", *(run["disk"] / 1e9 for run in runs)),
        ("parts of the band records", *(run["band_parts"] for run in runs)),
        ("documents to remove, as planted", *(run["planted"] for run in runs)),
        ("removed", *(run["removed"] for run in runs)),
        ("recall", *(share(run["removed"] - run["strangers"], run["planted"]) for run in runs)),
        ("removed for one of another cluster", *(run["strangers"] for run in runs)),
        ("documents in another component than SciPy's", *(0 for _ in runs)),
    ]
    print(table(("documents", *(f"{run['documents']:,}" for run in runs)), rows))
    if len(runs) > 1:
        _report_far(folder, runs)


def _phase(runs: list[dict[str, Any]], name: str) -> list[float | str]:
    return [run["phases"].get(name, "-") for run in runs]


def _report_far(folder: Path, runs: list[dict[str, Any]]) -> None:
    """Prints what more documents would cost, from the slope of these runs."""
    last = runs[-1]
    documents = np.array([run["documents"] for run in runs], np.float64)
    shared, alone = (float(np.polyfit(documents, [work(run) for run in runs], 1)[0]) for work in (_shared, _alone))
    slice_seconds = seconds_of_slice(folder)
    edges = last["candidates"] / last["documents"]
    rows = []
    for far in FAR:
        joining = far * edges * max(MEMBER_BYTES, 2 * EDGE_BYTES)
        for cores in CORES:
            memory = max(MEMORY // WORKERS * cores, int(joining))
            parts = parts_for(far * scheme_of(DedupSettings()).bands, memory // cores - WORKER_BYTES)
            slices = parts * far // dedup_planted.PORTION * slice_seconds / cores
            together = shared * far / cores
            minutes = (together + slices + alone * far) / 60
            disk = last["disk"] / last["documents"] * far / 1e9
            rows.append((far, cores, together, slices, alone * far, minutes, disk, memory / 1e9))
    print("### Worked out from the slope\n")
    print(
        f"Least squares through these runs: {shared * 1e6:.2f} core-seconds per million documents in {' and '.join(PARALLEL)}, "
        f"which share out among the cores, and {alone * 1e6:.2f} s per million in the rest, which is counted as serial "
        "(the first rounds of join are not, in truth). Beside this, a slice of each portion's file is read for each part "
        f"of the band records: {slice_seconds * 1e6:.0f} µs each where files are cached, measured. Assumed: the same share of "
        f"candidates ({edges:.0%}), disks that keep up with the cores, and portions of {dedup_planted.PORTION:,} documents; "
        "signatures, verification and writing, which read text and share out by portions, are left out. Memory: "
        f"{MEMORY / WORKERS / 1e9:g} GB a core, or what the last join ({2 * EDGE_BYTES} bytes a candidate) and the table of "
        f"members ({MEMBER_BYTES}) take, where that is more; they do not fit in less.\n"
    )
    head = (
        "documents",
        "cores",
        "shared out, s",
        "slices, s",
        "serial, s",
        "minutes",
        "scratch files, GB",
        "memory, GB",
    )
    print(table(head, rows))


def _shared(run: dict[str, Any]) -> float:
    """Core-seconds of the phases that share out."""
    return float(sum(run["phases"][name] * min(WORKERS, run[parts]) for name, parts in PARALLEL.items()))


def _alone(run: dict[str, Any]) -> float:
    """Seconds of the other phases, and of what lies between phases."""
    return float(run["seconds"] - run["phases"]["sign"] - sum(run["phases"][name] for name in PARALLEL))


def seconds_of_slice(folder: Path) -> float:
    """Seconds that `read_part` takes for each file, whatever it holds."""
    files, parts = 1_000, 1_024
    paths = [folder / f"{number}.bands" for number in range(files)]
    for path in paths:
        write_records(path, np.empty(0, np.uint64), np.empty(0, np.uint32), parts)
    return best(lambda: read_part(paths, range(files), 1)) / files
