"""Requests: a context and its continuation as token ids, fitted to the model's context."""

import dataclasses
from collections.abc import Sequence

from gptkit.errors import GptkitError
from gptkit.model.text import Codec
from gptkit.tasks.items import Item
from gptkit.tasks.prompts import demonstration, requests
from gptkit.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class Request:
    """What the model is asked: the probability of the continuation's tokens behind the context's.

    Equal requests have equal answers. Neither part is empty.
    """

    context: tuple[int, ...]
    continuation: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """The tokens the model has to read; the last one is only predicted."""
        return self.context + self.continuation[:-1]


@dataclasses.dataclass(frozen=True)
class Fitted:
    """An item's requests with as many demonstrations as the model's context holds."""

    requests: tuple[Request, ...]  # one a choice
    demonstrations: int  # that are shown
    apart: int  # requests of which the two parts had to be encoded apart
    cut: bool  # even without demonstrations the item was too long and lost its beginning


class Encoder:
    """Turns items into requests for a model that reads at most `context` tokens."""

    def __init__(self, codec: Codec, context: int) -> None:
        self.codec = codec
        self.context = context
        self._lengths: dict[tuple[str, int], int] = {}  # (task, demonstration) → tokens

    def pair(self, context: str, continuation: str) -> tuple[Request, bool]:
        """A request, and whether its two parts were encoded apart.

        Spaces at the end of the context go to the continuation, since vocabularies join them to
        the word behind. The tokens are those of the whole text, cut where the context ends; where
        no token ends there, the two parts are encoded apart, so that the context is what the other
        choices of the item have too. (lm-eval cuts the whole at the context's number of tokens
        even then.) Behind an empty context stands end-of-text.
        """
        bare = context.rstrip()
        continuation = context[len(bare) :] + continuation
        before = self.codec.encode(bare)
        if not before:
            return Request((self._start(),), tuple(self.codec.encode(continuation))), False
        whole = self.codec.encode(bare + continuation)
        if whole[: len(before)] == before and len(whole) > len(before):
            return Request(tuple(before), tuple(whole[len(before) :])), False
        return Request(tuple(before), tuple(self.codec.encode(continuation))), True

    def fit(self, task: Task, item: Item, shown: Sequence[Item]) -> Fitted:
        """The item's requests behind the first of `shown` that fit the context together.

        Whole demonstrations are left out from the end, so that what is left is the prompt of fewer
        shots. Where not even the item fits, its beginning is cut, never the description. Raises
        GptkitError where the continuation itself does not fit.
        """
        count = self._guess(task, item, shown)
        best = self._encode(task, item, shown[:count])
        if self._too_long(best):
            while count > 0 and self._too_long(best):
                count -= 1
                best = self._encode(task, item, shown[:count])
        else:
            while count < len(shown) and not self._too_long(more := self._encode(task, item, shown[: count + 1])):
                count += 1
                best = more
        fitted = [request for request, _ in best]
        cut = self._too_long(best)
        if cut:
            fitted = self._cut(task, item, fitted)
        return Fitted(tuple(fitted), count, sum(apart for _, apart in best), cut)

    def _encode(self, task: Task, item: Item, shown: Sequence[Item]) -> list[tuple[Request, bool]]:
        return [self.pair(context, continuation) for context, continuation in requests(task, item, shown)]

    def _too_long(self, pairs: Sequence[tuple[Request, bool]]) -> bool:
        return any(len(request.context) + len(request.continuation) - 1 > self.context for request, _ in pairs)

    def _guess(self, task: Task, item: Item, shown: Sequence[Item]) -> int:
        """About how many demonstrations fit, by their lengths alone; at most all."""
        if not shown:
            return 0
        left = self.context - max(len(request.read) for request, _ in self._encode(task, item, []))
        count = 0
        for example in shown:
            key = (task.name, example.index)
            if key not in self._lengths:
                self._lengths[key] = len(self.codec.encode(demonstration(task, example)))
            left -= self._lengths[key]
            if left < 0:
                break
            count += 1
        return count

    def _cut(self, task: Task, item: Item, requests: Sequence[Request]) -> list[Request]:
        """Requests whose contexts are the description and as much of the text's end as all of them have room for."""
        kept = self.codec.encode(item.description.rstrip())
        longest = max(len(request.continuation) for request in requests)
        room = self.context - len(kept) - (longest - 1)
        if room < 1:
            raise GptkitError(
                f"{task.path}: item {item.index}: the description and the continuation ({longest} tokens) leave no room "
                f"for a text in the model's context of {self.context} tokens"
            )
        return [
            request
            if len(request.context) <= len(kept) + room
            else Request((*kept, *request.context[-room:]), request.continuation)
            for request in requests
        ]

    def _start(self) -> int:
        if self.codec.end_of_text is None:
            raise GptkitError("the tokenizer has no <|endoftext|> to put before a text that nothing stands before")
        return self.codec.end_of_text
