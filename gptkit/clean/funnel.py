"""What came into each step of the cleaning, what left it, and by which rule."""

import dataclasses
from collections.abc import Iterable
from typing import Any


def _add(table: dict[str, list[int]], name: str, values: Iterable[int]) -> None:
    row = table.setdefault(name, [])
    values = list(values)
    row[:] = [old + new for old, new in zip(row or [0] * len(values), values, strict=True)]


@dataclasses.dataclass
class Funnel:
    """Counts by step and by rule, in the order in which they are met; bytes are of text (of HTML before extraction)."""

    steps: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # documents in, bytes in, documents, bytes
    rules: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # documents, bytes
    skipped: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # documents a rule has no data for
    edits: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # lines taken, addresses replaced
    languages: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # documents

    def step(self, name: str, documents_in: int, bytes_in: int, documents: int, bytes_out: int) -> None:
        """Counts a batch that went through a step."""
        _add(self.steps, name, (documents_in, bytes_in, documents, bytes_out))

    def rule(self, name: str, documents: int, bytes_: int) -> None:
        """Counts what a rule took."""
        _add(self.rules, name, (documents, bytes_))

    def skip(self, name: str, documents: int) -> None:
        """Counts documents of a language for which a rule has no data."""
        _add(self.skipped, name, (documents,))

    def edit(self, name: str, number: int) -> None:
        """Counts what a rule took out of documents that stay: lines, or addresses."""
        _add(self.edits, name, (number,))

    def language(self, code: str, documents: int) -> None:
        """Counts documents of a language."""
        _add(self.languages, code, (documents,))

    def merge(self, other: "Funnel") -> None:
        """Adds another funnel's counts."""
        for field in dataclasses.fields(self):
            for name, values in getattr(other, field.name).items():
                _add(getattr(self, field.name), name, values)

    def as_json(self) -> dict[str, Any]:
        """As a task returns it and `from_json` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Funnel":
        """A funnel as `as_json` gave it; JSON's keys may come in another order."""
        return cls(**value)

    def counts(self, step_order: Iterable[str], rule_order: Iterable[str]) -> dict[str, Any]:
        """The funnel for a manifest: one row a step, in order, each with its rules."""
        rank = {name: place for place, name in enumerate([*rule_order])}
        order = [name for name in step_order if name in self.steps]
        names = ("documents_in", "bytes_in", "documents_out", "bytes_out")
        return {
            "steps": [{"step": name} | dict(zip(names, self.steps[name], strict=True)) for name in order],
            "rules": {
                name: {"documents": self.rules[name][0], "bytes": self.rules[name][1]}
                for name in sorted(self.rules, key=lambda name: (rank.get(name, -1), name))
            },
            "skipped": {name: count for name, (count,) in sorted(self.skipped.items()) if count},
            "edits": {name: count for name, (count,) in sorted(self.edits.items()) if count},
            "languages": {
                name: count for name, (count,) in sorted(self.languages.items(), key=lambda item: (-item[1][0], item))
            },
        }
