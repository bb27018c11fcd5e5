"""Log-likelihoods of requests: what the choices of an item begin with is read once, and nothing is read twice."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from gptkit.errors import GptkitError
from gptkit.evaluation.requests import Request
from gptkit.model.cache import Cache
from gptkit.model.transformer import Transformer

HEAD_ROWS = 2048  # positions whose logits are held at a time


@dataclasses.dataclass(frozen=True)
class Score:
    """The answer to a request."""

    logprob: float  # nats, summed over the continuation's tokens
    greedy: bool  # whether each token of the continuation is the model's first choice


@dataclasses.dataclass(frozen=True)
class Row:
    """A sequence the model reads, with all requests that are answered by it."""

    tokens: tuple[int, ...]
    requests: list[Request]


@dataclasses.dataclass(frozen=True)
class Group:
    """The rows of one item."""

    rows: list[Row]
    shared: int  # tokens that all rows begin with and behind which everything scored lies

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(len(row.tokens) for row in self.rows)

    @property
    def tokens(self) -> int:
        """Tokens of all rows, as if each were read by itself."""
        return sum(len(row.tokens) for row in self.rows)


class Scorer:
    """Scores requests with one model; a request is scored once and remembered until `forget`."""

    def __init__(self, model: Transformer, batch_tokens: int, device: str = "cpu") -> None:
        self.model = model
        self.batch_tokens = batch_tokens
        self.device = device
        self._scores: dict[Request, Score] = {}

    def groups(self, items: Iterable[Sequence[Request]]) -> list[Group]:
        """What the model has to read for the requests of items, without those that have been scored."""
        planned = set(self._scores)
        groups = []
        for requests in items:
            new = [request for request in dict.fromkeys(requests) if request not in planned]
            planned.update(new)
            if new:
                groups.append(group_of(new))
        return groups

    def score(self, groups: Iterable[Group], advance: Callable[[int, str], None] = lambda amount, note: None) -> None:
        """Answers the requests of groups; `advance` is told of every token.

        Items of like length are read together, filled up on the right, where a causal model does
        not look. So a score is the same in any batch, up to the rounding of float32.
        """
        order = sorted(groups, key=lambda group: (len(group.rows), group.shared, group.longest), reverse=True)
        batch: list[Group] = []
        longest = 0
        for group in order:
            like = not batch or len(group.rows) == len(batch[0].rows)
            if batch and (not like or (len(batch) + 1) * max(longest, group.longest) > self.batch_tokens):
                self._read(batch, advance)
                batch, longest = [], 0
            batch.append(group)
            longest = max(longest, group.longest)
        if batch:
            self._read(batch, advance)

    def __getitem__(self, request: Request) -> Score:
        """The score of a request that has been scored."""
        return self._scores[request]

    def remember(self, request: Request, score: Score) -> None:
        """Takes over a score that is known."""
        self._scores[request] = score

    def forget(self) -> None:
        """Frees the memory of earlier scores."""
        self._scores.clear()

    @torch.inference_mode()
    def _read(self, batch: Sequence[Group], advance: Callable[[int, str], None]) -> None:
        """Reads groups of equally many rows: what each group's rows share once, then row after row of all groups."""
        shared = min(group.shared for group in batch)
        cache = None
        if shared:
            longest = max(group.longest for group in batch)
            cache = Cache(
                dataclasses.replace(self.model.config, context=longest), forget=False
            )  # no more memory than is used
            self.model.hidden(self._ids([group.rows[0].tokens[:shared] for group in batch]), cache)
        for rows in zip(*(group.rows for group in batch), strict=True):
            if cache is not None:
                cache.rewind(shared)
            hidden = self.model.hidden(self._ids([row.tokens[shared:] for row in rows]), cache)
            self._answer(rows, hidden, shared)
        advance(sum(group.tokens for group in batch), "")

    def _ids(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """Ids, int64 [sequences, longest], with zeros on the right."""
        ids = torch.zeros(len(sequences), max(map(len, sequences)), dtype=torch.long)
        for number, sequence in enumerate(sequences):
            ids[number, : len(sequence)] = torch.tensor(sequence)
        return ids.to(self.device)

    def _answer(self, rows: Sequence[Row], hidden: Tensor, skipped: int) -> None:
        """Scores the requests of rows from their hidden states [rows, T, width], which begin behind `skipped` tokens."""
        places: list[int] = []  # in the flattened batch: what predicts each scored token
        targets: list[int] = []
        for number, row in enumerate(rows):
            for request in row.requests:
                first = number * hidden.shape[1] + len(request.context) - 1 - skipped
                places += range(first, first + len(request.continuation))
                targets += request.continuation
        values, best = self._token_scores(hidden.flatten(0, 1), places, targets)
        if not values.isfinite().all():
            raise GptkitError(
                "the model gives no finite probabilities; its weights are damaged or its training diverged"
            )
        end = 0
        for request in (request for row in rows for request in row.requests):
            start, end = end, end + len(request.continuation)
            self._scores[request] = Score(float(values[start:end].sum()), bool(best[start:end].all()))

    def _token_scores(self, hidden: Tensor, places: Sequence[int], targets: Sequence[int]) -> tuple[Tensor, Tensor]:
        """For each scored token its log-probability, float64 [tokens], and whether it is the likeliest, bool [tokens].

        Among equal logits the first is the likeliest, as argmax has it.
        """
        values, best = [], []
        for start in range(0, len(places), HEAD_ROWS):
            chosen = torch.tensor(places[start : start + HEAD_ROWS], device=self.device)
            wanted = torch.tensor(targets[start : start + HEAD_ROWS], device=self.device)
            logits = self.model.head(hidden[chosen]).float()
            values.append(logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0].cpu())
            best.append((logits.argmax(-1) == wanted).cpu())
        return torch.cat(values).double(), torch.cat(best)


def group_of(requests: Sequence[Request]) -> Group:
    """The rows that answer the requests of an item: a sequence that another one begins with is not read by itself.

    So choices that are one token long take one row together.
    """
    rows: list[Row] = []
    # in reverse lexicographic order a sequence comes right behind those that begin with it
    for request in sorted(requests, key=lambda request: request.read, reverse=True):
        read = request.read
        if rows and rows[-1].tokens[: len(read)] == read:
            rows[-1].requests.append(request)
        else:
            rows.append(Row(read, [request]))
    if len(rows) == 1:
        return Group(rows, 0)
    # all rows share what the first and the last in order share; what predicts the first scored token stays with each
    common = next(i for i, pair in enumerate(zip(rows[0].tokens, rows[-1].tokens, strict=False)) if pair[0] != pair[1])
    return Group(rows, min(common, min(len(request.context) for request in requests) - 1))
