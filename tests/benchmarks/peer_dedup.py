"""datatrove's four stages of MinHash deduplication, with its defaults. Runs in the environment of the peers (see peers.py).

    peer_dedup.py DOCUMENTS.parquet FOLDER

Prints one JSON object: seconds of each stage (imports left out), the peak of memory in bytes, and what
was removed, as row numbers by cluster; it writes the kept documents to FOLDER/kept.
"""

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

os.environ["DATATROVE_COLORIZE_LOGS"] = "0"

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.text import split_into_words
from loguru import logger
from measure import now


def stages(source: str, folder: Path) -> dict[str, tuple[list[Any], int]]:
    """The steps of each stage, and into how many tasks it is cut: one, but one a bucket for the second."""
    parent, name = os.path.split(os.path.abspath(source))
    reader = ParquetReader(parent, glob_pattern=name)
    signatures, buckets, clusters = (str(folder / name) for name in ("signatures", "buckets", "clusters"))
    cluster = MinhashDedupCluster(buckets, clusters, save_cluster_id=True)
    return {
        "signature": ([reader, MinhashDedupSignature(signatures)], 1),
        "buckets": ([MinhashDedupBuckets(signatures, buckets)], 14),
        "cluster": ([cluster], 1),
        "filter": ([reader, MinhashDedupFilter(clusters), ParquetWriter(str(folder / "kept"))], 1),
    }


def peak() -> int:
    """The most memory this process has held, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="Parquet with id and text")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    logger.remove()
    split_into_words("Load the splitter.", "en")
    seconds = {}
    for name, (steps, tasks) in stages(arguments.input, arguments.folder).items():
        started = now()
        LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=str(arguments.folder / "logs" / name)).run()
        seconds[name] = now() - started
    clusters = np.fromfile(arguments.folder / "clusters" / "000000.clusters", np.uint32).reshape(-1, 2).tolist()
    removed = np.fromfile(arguments.folder / "clusters" / "000000.remove", np.uint32).tolist()
    print(json.dumps({"seconds": seconds, "peak": peak(), "clusters": clusters, "removed": removed}))


if __name__ == "__main__":
    main()
