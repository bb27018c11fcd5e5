"""Going on with texts, one token at a time."""

import dataclasses
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gptkit.model.batch import Batch
from gptkit.model.sampling_rules import SamplingRule, choose
from gptkit.model.transformer import Transformer


@dataclasses.dataclass
class Speed:
    """What one or more generations took. The first token of a text comes with the reading of its prompt."""

    read: int = 0  # tokens of prompts that had to be read
    read_seconds: float = 0.0
    written: int = 0  # new tokens
    later: int = 0  # those of them that are not the first of their text, and those that end one
    later_seconds: float = 0.0

    def __str__(self) -> str:
        read = f"prompt: {self.read:,} tokens, {self.read / max(self.read_seconds, 1e-9):,.0f} tokens/s"
        return f"{read}; new: {self.written:,} tokens, {self.later / max(self.later_seconds, 1e-9):,.1f} tokens/s"


class Generation:
    """The tokens that follow each text of a batch, as they come: (row, id), in the order of the rows, step by step.

    A row has up to `max_tokens`, and ends early before `stop_id`, or where it is told to `end`; it leaves the batch
    then. Each row draws with a seed of its own (64 bits), so that its tokens are those it would have alone. `rows` maps
    the rows to texts of the batch, where several go on from one; it is read once then.
    """

    def __init__(
        self,
        batch: Batch,
        max_tokens: int,
        rule: SamplingRule,
        seeds: Sequence[int],
        stop_id: int | None = None,
        rows: Sequence[int] | None = None,
        speed: Speed | None = None,
    ) -> None:
        self.batch = batch
        self.max_tokens = max_tokens
        self.rule = rule
        self.stop_id = stop_id
        self.rows = list(range(len(batch.windows))) if rows is None else list(rows)
        self.speed = Speed() if speed is None else speed  # is added to
        self.stopped: set[int] = set()  # rows that came to `stop_id`
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._going = list(range(len(self.rows)))

    def end(self, row: int) -> None:
        """Ends a row: it has no more tokens."""
        if row in self._going:
            self._going.remove(row)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for step in range(self.max_tokens):
            going = list(self._going)  # the rows of the batch
            tokens = self._step() if step else self._first_step()
            for row, token in zip(going, tokens, strict=True):
                if token == self.stop_id:
                    self.stopped.add(row)
                    self.end(row)
                else:
                    self.speed.written += 1
                    yield row, token
            if not self._going:
                return
            self.batch.select([place for place, row in enumerate(going) if row in self._going])

    def _first_step(self) -> list[int]:
        started = time.perf_counter()
        already = self.batch.read
        logits = self.batch.logits()
        self.speed.read += sum(map(len, self.batch.windows)) - already
        self.batch.select(self.rows)
        tokens = self._choose(logits[self.rows])
        self.speed.read_seconds += time.perf_counter() - started
        return tokens

    def _step(self) -> list[int]:
        started = time.perf_counter()
        tokens = self._choose(self.batch.logits())
        self.speed.later += len(tokens)
        self.speed.later_seconds += time.perf_counter() - started
        return tokens

    def _choose(self, logits: Tensor) -> list[int]:
        tokens = choose(logits, self.rule, [self._generators[row] for row in self._going])
        self.batch.append(tokens)
        return tokens


def generate(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    rule: SamplingRule,
    seeds: Sequence[int],
    stop_id: int | None = None,
    use_cache: bool = True,
) -> list[list[int]]:
    """The ids that follow each prompt: see `Generation`, and `Batch` for what happens beyond the context.

    A prompt that is there several times is read once. Raises ValueError for an empty prompt.
    """
    generation = start(model, prompts, max_tokens, rule, seeds, stop_id, use_cache)
    found: list[list[int]] = [[] for _ in prompts]
    for row, token in generation:
        found[row].append(token)
    return found


def start(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    rule: SamplingRule,
    seeds: Sequence[int],
    stop_id: int | None = None,
    use_cache: bool = True,
    speed: Speed | None = None,
) -> Generation:
    """As `generate`, to be listened to as it goes."""
    different = {tuple(prompt): None for prompt in prompts}
    place = {prompt: number for number, prompt in enumerate(different)}
    batch = Batch(model, list(different), use_cache)
    return Generation(batch, max_tokens, rule, seeds, stop_id, [place[tuple(prompt)] for prompt in prompts], speed)
