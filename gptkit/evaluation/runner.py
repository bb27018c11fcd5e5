"""Evaluates one task with one number of shots."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gptkit.engine.progress import Progress
from gptkit.evaluation.metrics import Answer, measure
from gptkit.evaluation.requests import Encoder, Fitted
from gptkit.evaluation.scorer import Score, Scorer
from gptkit.tasks.items import Item, read_demonstrations, read_items
from gptkit.tasks.prompts import draw_demonstrations
from gptkit.tasks.task import Task


class Runner:
    """A task whose items are read once for all numbers of shots."""

    def __init__(
        self,
        task: Task,
        encoder: Encoder,
        scorer: Scorer,
        seed: int,
        limit: int | None,
        dirty: Mapping[int, bool] | None = None,
    ) -> None:
        self.task = task
        self.encoder = encoder
        self.scorer = scorer
        self.seed = seed
        self.limit = limit  # items
        self.dirty = dirty  # whether each item shares an n-gram with the training data, where that is known
        self._items: list[Item] = []
        self._pool: list[Item] = []

    def run(self, shots: int, progress: Progress) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The result over all items, and a log of each item. Raises GptkitError naming task file and field."""
        items, drawn, fitted = self._prepare(shots)
        groups = self.scorer.groups(one.requests for one in fitted)
        with progress.bar(f"{self.task.name} {shots}", sum(group.tokens for group in groups)) as advance:
            self.scorer.score(groups, advance)
        answers = [self._answer(item, one) for item, one in zip(items, fitted, strict=True)]
        logs = [self._log(shots, *one) for one in zip(answers, drawn, fitted, strict=True)]
        return self._result(shots, answers, fitted), logs

    def recall(self, shots: int, logs: Sequence[dict[str, Any]]) -> None:
        """Takes over the scores of an earlier run, so that those still to come are batched as they were to be."""
        _, _, fitted = self._prepare(shots)
        for one, log in zip(fitted, logs, strict=True):
            for request, logprob, greedy in zip(one.requests, log["logprobs"], log["greedy"], strict=True):
                self.scorer.remember(request, Score(logprob, greedy))

    def _prepare(self, shots: int) -> tuple[list[Item], list[list[Item]], list[Fitted]]:
        """The items, the demonstrations drawn for each, and its requests with as many of them as fit."""
        items = self._items = self._items or read_items(self.task, self.task.split, self.limit)
        drawn = [self._demonstrations(item, shots) for item in items]
        fitted = [self.encoder.fit(self.task, item, shown) for item, shown in zip(items, drawn, strict=True)]
        return items, drawn, fitted

    def _demonstrations(self, item: Item, shots: int) -> list[Item]:
        if shots == 0:
            return []
        self._pool = self._pool or read_demonstrations(self.task)
        return draw_demonstrations(self.task, item, self._pool, shots, self.seed)

    def _answer(self, item: Item, fitted: Fitted) -> Answer:
        scores = [self.scorer[request] for request in fitted.requests]
        lengths = tuple(len(request.continuation) for request in fitted.requests)
        return Answer(item, tuple(score.logprob for score in scores), lengths, tuple(score.greedy for score in scores))

    def _result(self, shots: int, answers: Sequence[Answer], fitted: Sequence[Fitted]) -> dict[str, Any]:
        counts = [one.demonstrations for one in fitted]
        return {
            "task": self.task.name,
            "version": self.task.metadata.get("version"),
            "split": self.task.split,
            "output_type": self.task.output_type,
            "shots": shots,
            "demonstrations_mean": sum(counts) / len(counts),
            "demonstrations_min": min(counts),
            "items": len(answers),
            "items_cut": sum(one.cut for one in fitted),
            "requests": sum(len(one.requests) for one in fitted),
            "requests_encoded_apart": sum(one.apart for one in fitted),
            "metrics": self._metrics(answers),
            **self._parts(answers),
        }

    def _metrics(self, answers: Sequence[Answer]) -> dict[str, Any]:
        return {name: dataclasses.asdict(measure(name, answers)) for name in self.task.metrics}

    def _parts(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """The metrics of clean and of dirty items, where it is known which is which."""
        if self.dirty is None:
            return {}
        parts = {
            name: [answer for answer in answers if self.dirty[answer.item.index] == wanted]
            for name, wanted in (("clean", False), ("dirty", True))
        }
        return {
            name: {"items": len(part), "metrics": self._metrics(part) if part else {}} for name, part in parts.items()
        }

    def _log(self, shots: int, answer: Answer, drawn: Sequence[Item], fitted: Fitted) -> dict[str, Any]:
        item = answer.item
        accuracies = [name for name in self.task.metrics if name.startswith("acc")]
        row = {
            "task": self.task.name,
            "shots": shots,
            "item": item.index,
            "demonstrations": [example.index for example in drawn[: fitted.demonstrations]],
            "target": item.target,
            "logprobs": list(answer.logprobs),
            "tokens": list(answer.tokens),
            "greedy": list(answer.greedy),
            "right": {name: answer.right(name) for name in accuracies},
        }
        if item.choices:
            row |= {"gold": item.gold, "chosen": {name: answer.chosen(name) for name in accuracies}}
        return row
