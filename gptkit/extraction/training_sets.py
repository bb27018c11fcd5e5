"""The sets of labelled pages that training is given."""

import dataclasses
import re
from collections.abc import Sequence

from gptkit.data.inputs import default_name, weight_of
from gptkit.errors import UsageError
from gptkit.extraction.truth import LabelledPage, read_labelled

SET = re.compile(r"(?:([A-Za-z0-9_.-]+)=(?:([^:,/]+):(?!//))?)?([^,]+),([^,]+)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class LabelledSet:
    """Pages from one source, and what each counts beside those of others."""

    name: str
    weight: float
    pages: list[LabelledPage]


def open_sets(arguments: Sequence[str], limit: int | None = None) -> list[LabelledSet]:
    """Reads `[NAME=[WEIGHT:]]PAGES,TRUTH` arguments; of each set the first `limit` pages.

    Raises UsageError for the form, GptkitError for what is not there or cannot be read.
    """
    sets: list[LabelledSet] = []
    for argument in arguments:
        match = SET.fullmatch(argument)
        weight = weight_of(match[2] or "1") if match else None
        if match is None or weight is None:
            example = "wiki=0.5:wiki.warc.gz,wiki.truth.jsonl"
            raise UsageError(
                f"{argument}: write [NAME=[WEIGHT:]]PAGES,TRUTH with a weight above 0, for example {example}"
            )
        name = match[1] or default_name(match[3])
        if name in (known.name for known in sets):
            raise UsageError(f"{argument}: two sets are named '{name}'; write NAME={argument} with a name of its own")
        sets.append(LabelledSet(name, weight, read_labelled([match[3]], [match[4]])[:limit]))
    return sets
