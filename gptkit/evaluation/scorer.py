"""Log-likelihoods of requests, in batches of about equal length."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from gptkit.evaluation.requests import Request
from gptkit.model.transformer import GPT

HEAD_ROWS = 2048  # positions whose logits are held at a time


@dataclasses.dataclass(frozen=True)
class Score:
    """The answer to a request."""

    logprob: float  # nats, summed over the continuation's tokens
    greedy: bool  # whether each token of the continuation is the model's first choice


@dataclasses.dataclass
class Row:
    """A sequence the model reads, with all requests that are answered by it."""

    tokens: tuple[int, ...]
    requests: list[Request]


class Scorer:
    """Scores requests with one model; a request is scored once and remembered until `forget`."""

    def __init__(self, model: GPT, batch_tokens: int, device: str = "cpu") -> None:
        self.model = model
        self.batch_tokens = batch_tokens
        self.device = device
        self._scores: dict[Request, Score] = {}

    def rows(self, requests: Iterable[Request]) -> list[Row]:
        """What the model has to read for requests that have not been scored, from the longest to the shortest."""
        rows = shared_rows(request for request in dict.fromkeys(requests) if request not in self._scores)
        return sorted(rows, key=lambda row: (-len(row.tokens), row.tokens))

    def score(self, rows: Sequence[Row], advance: Callable[[int, str], None] = lambda amount, note: None) -> None:
        """Answers the requests of `rows`; `advance` is told of every token read.

        Sequences are filled up on the right, where a causal model does not look. So a score is the
        same in any batch, up to the rounding of float32.
        """
        start = 0
        while start < len(rows):
            count = max(1, self.batch_tokens // len(rows[start].tokens))
            batch = rows[start : start + count]
            self._score(batch)
            start += count
            advance(sum(len(row.tokens) for row in batch), "")

    def __getitem__(self, request: Request) -> Score:
        """The score of a request that has been scored."""
        return self._scores[request]

    def forget(self) -> None:
        """Frees the memory of earlier scores."""
        self._scores.clear()

    @torch.inference_mode()
    def _score(self, batch: Sequence[Row]) -> None:
        longest = len(batch[0].tokens)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        places: list[int] = []  # in the flattened batch: what predicts each scored token
        targets: list[int] = []
        requests: list[Request] = []
        for number, row in enumerate(batch):
            ids[number, : len(row.tokens)] = torch.tensor(row.tokens)
            for request in row.requests:
                first = number * longest + len(request.context) - 1
                places += range(first, first + len(request.continuation))
                targets += request.continuation
                requests.append(request)
        hidden = self.model.hidden(ids.to(self.device)).flatten(0, 1)
        values, best = self._token_scores(hidden, places, targets)
        end = 0
        for request in requests:
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


def shared_rows(requests: Iterable[Request]) -> list[Row]:
    """The sequences that answer all requests: one that another one begins with is not read by itself.

    So the choices of an item that are one token long take one sequence together.
    """
    rows: list[Row] = []
    # in reverse lexicographic order a sequence comes right behind those that begin with it
    for request in sorted(requests, key=lambda request: request.read, reverse=True):
        read = request.read
        if rows and rows[-1].tokens[: len(read)] == read:
            rows[-1].requests.append(request)
        else:
            rows.append(Row(read, [request]))
    return rows
