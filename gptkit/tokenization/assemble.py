"""The phase that makes the shards: parts are cut between documents and copied into the files of a layout.

The cuts follow from the parts' lengths alone, so they are the same for any number of workers.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.arrays import load_array
from gptkit.data.layouts import DTYPES, LAYOUTS, Layout
from gptkit.data.manifest import Shard
from gptkit.data.tokens import write_shard
from gptkit.engine.stage import Stage
from gptkit.tokenization.encode import Part

CHUNK = 1 << 19  # ids copied at a time: they stay in the processor's cache between reading, checksum and writing


@dataclasses.dataclass(frozen=True)
class Span:
    """Consecutive documents of a part."""

    part: Part
    first: int  # document
    last: int  # the one behind the last
    start: int  # of the first document, in tokens
    tokens: int


@dataclasses.dataclass(frozen=True)
class AssembleTask:
    """A shard to write."""

    spans: tuple[Span, ...]
    out: Path
    layout: str
    split: str
    number: int
    dtype: str

    @property
    def weight(self) -> int:
        """Tokens."""
        return sum(span.tokens for span in self.spans)

    @property
    def label(self) -> str:
        """What a message calls it."""
        return LAYOUTS[self.layout].path(self.split, self.number)


def assemble(stage: Stage, parts: dict[str, list[Part]], layout: Layout, shard_tokens: int, dtype: str) -> list[Shard]:
    """Runs the phase: the documents of each split in the order of its parts, as shards of at most `shard_tokens`
    tokens (more only where one document has more). A split without documents has none."""
    most = None if layout.one_shard else shard_tokens
    tasks = [
        AssembleTask(tuple(spans), stage.out, layout.name, split, number, dtype)
        for split, those in parts.items()
        for number, spans in enumerate(cut(those, most))
    ]
    results = stage.phase("assemble", write, tasks)
    return [Shard(**shard) for result in results for shard in result["shards"]]


def cut(parts: Sequence[Part], most: int | None) -> Iterator[list[Span]]:
    """The spans of each shard; one part's lengths are in memory at a time."""
    spans: list[Span] = []
    filled = 0
    for part in parts:
        ends = np.cumsum(load_array(part.lengths), dtype=np.int64)
        first = start = 0
        while first < len(ends):
            last = len(ends) if most is None else int(np.searchsorted(ends, start + most - filled, "right"))
            if last == first and not spans:
                last += 1  # one document that is larger than a shard
            if last > first:
                tokens = int(ends[last - 1]) - start
                spans.append(Span(part, first, last, start, tokens))
                first, start, filled = last, start + tokens, filled + tokens
            if first < len(ends):
                yield spans
                spans, filled = [], 0
    if spans:
        yield spans


def write(task: AssembleTask) -> dict[str, Any]:
    """Writes the files of one shard, and gives their sizes and checksums."""
    lengths = [load_array(span.part.lengths, mapped=True)[span.first : span.last] for span in task.spans]
    shards = write_shard(
        task.out, LAYOUTS[task.layout], task.split, task.number, np.concatenate(lengths), _ids(task), task.dtype
    )
    return {"shards": [dataclasses.asdict(shard) for shard in shards]}


def _ids(task: AssembleTask) -> Iterator[np.ndarray]:
    """The ids of a shard in chunks that share one buffer."""
    buffer = np.empty(CHUNK, DTYPES[task.dtype])
    for span in task.spans:
        with open(span.part.ids, "rb", buffering=0) as file:
            file.seek(span.part.skip + span.start * buffer.itemsize)
            left = span.tokens
            while left:
                chunk = buffer[: min(CHUNK, left)]
                read = file.readinto(chunk.data.cast("B"))
                if not read or read % buffer.itemsize:
                    raise OSError(f"{span.part.ids}: is cut off")
                yield chunk[: read // buffer.itemsize]
                left -= read // buffer.itemsize
