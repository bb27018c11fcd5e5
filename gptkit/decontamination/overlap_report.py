"""Writes what the training data have of each evaluation item (see gptkit.tasks.overlap)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.files import atomic_path, write_json
from gptkit.decontamination.contamination import Contamination
from gptkit.tasks.overlap import ITEMS, TOTALS


def write_overlap(
    folder: Path, contamination: Contamination, counts: np.ndarray, most: int, training: dict[str, Any]
) -> list[dict[str, Any]]:
    """Writes overlap.jsonl and overlap.json below `folder`; gives the totals of each set.

    counts: int64 [grams], the training documents that have each n-gram; those of more than `most`
    are ignored. training: what the report says of the training data.
    """
    items, ids = contamination.item_grams[:, 0], contamination.item_grams[:, 1]
    total = sum(len(one.evaluated) for one in contamination.sets)
    grams = np.bincount(items, minlength=total)
    ignored = np.bincount(items[counts[ids] > most], minlength=total)
    found = np.bincount(items[(counts[ids] > 0) & (counts[ids] <= most)], minlength=total)
    totals = []
    place = 0
    with atomic_path(folder / ITEMS) as path, open(path, "w", encoding="utf-8") as file:
        for one in contamination.sets:
            part = slice(place, place + len(one.evaluated))
            place = part.stop
            rows = zip(one.evaluated, grams[part].tolist(), found[part].tolist(), ignored[part].tolist(), strict=True)
            for (split, index), has, hits, common in rows:
                line = {
                    "task": one.name,
                    "split": split,
                    "item": index,
                    "n": one.n,
                    "grams": has,
                    "found": hits,
                    "ignored": common,
                    "overlap": round(hits / has, 6) if has else 0.0,
                    "dirty": hits > 0,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            dirty = int((found[part] > 0).sum())
            totals.append(
                {
                    "name": one.name,
                    "digest": one.digest,
                    "n": one.n,
                    "items": len(one.evaluated),
                    "dirty": dirty,
                    "clean": len(one.evaluated) - dirty,
                    "without_grams": int((grams[part] == 0).sum()),
                }
            )
    write_json(folder / TOTALS, {"sets": totals, "training": training, "max_documents": most})
    return totals
