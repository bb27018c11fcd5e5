"""The sources of a mixture, and how much of each a budget takes."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from gptkit.data.documents import Documents, open_documents
from gptkit.data.inputs import weight_of
from gptkit.errors import InputError, UsageError

SOURCE = re.compile(r"([A-Za-z0-9_.-]+)=([^:]+):(.+)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Source:
    """One source: its documents and its weight (any positive number; weights are normalised)."""

    name: str
    weight: float
    documents: Documents


@dataclasses.dataclass(frozen=True)
class Share:
    """What a budget takes of a source: whole epochs, and bytes of one more."""

    epochs: int
    rest: int  # bytes


def open_sources(arguments: Sequence[str]) -> list[Source]:
    """Reads `NAME=WEIGHT:PATH` or `NAME=WEIGHT:PATH#SOURCE` arguments.

    PATH is a stage's output or a Parquet file; `#SOURCE` takes only that source of it. Raises
    UsageError for the form, GptkitError for what is not there.
    """
    sources: list[Source] = []
    for argument in arguments:
        match = SOURCE.fullmatch(argument)
        weight = weight_of(match[2]) if match else None
        if match is None or weight is None:
            raise UsageError(f"{argument}: write NAME=WEIGHT:PATH with a weight above 0, for example web=0.6:clean")
        if match[1] in (source.name for source in sources):
            raise UsageError(f"{argument}: two sources are named '{match[1]}'")
        path, _, part = (match[3], "", "") if Path(match[3]).exists() else match[3].partition("#")
        sources.append(Source(match[1], weight, open_documents(path, part)))
    if not sum(source.weight for source in sources) < float("inf"):
        raise UsageError("the weights of the mixture are too large to be added")
    return sources


def shares(weights: Sequence[float], sizes: Sequence[int], budget: int | None) -> tuple[int, list[Share]]:
    """The budget in bytes and each source's share of it.

    Without a budget it is the largest that repeats no source. Raises InputError for an empty source.
    """
    total = sum(weights)
    if min(sizes, default=0) == 0:
        raise InputError("a source of the mixture holds no text")
    if budget is None:
        budget = int(min(size * total / weight for size, weight in zip(sizes, weights, strict=True)))
    asked = [round(budget * weight / total) for weight in weights]
    return budget, [Share(bytes_ // size, bytes_ % size) for bytes_, size in zip(asked, sizes, strict=True)]
