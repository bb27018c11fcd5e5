"""Training sequences from token shards, in an order that depends on the seed and the place alone."""

from collections.abc import Sequence

import numpy as np

from gptkit.data.tokens import TokenShard
from gptkit.errors import GptkitError
from gptkit.sampling.permutation import Permutation
from gptkit.sampling.schedule import Schedule


class TokenStream:
    """All documents of some shards, one after the other, read from the mapped files."""

    def __init__(self, shards: Sequence[TokenShard], vocab_size: int) -> None:
        self.shards = [shard for shard in shards if len(shard.tokens)]
        self.vocab_size = vocab_size
        self._starts = np.cumsum([0, *(len(shard.tokens) for shard in self.shards)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, start: int, count: int) -> np.ndarray:
        """The ids at [start, start + count), int64, cut at the end of the stream.

        Raises GptkitError where an id is not of the vocabulary.
        """
        parts = []
        end = min(start + count, len(self))
        while start < end:
            index = int(np.searchsorted(self._starts, start, side="right")) - 1
            inside = start - int(self._starts[index])
            part = self.shards[index].tokens[inside : inside + end - start]
            if part.max() >= self.vocab_size:
                raise GptkitError(
                    f"{self.shards[index].path}: holds token {part.max()} and the vocabulary has {self.vocab_size:,}; "
                    "the file is damaged, make the tokens again"
                )
            parts.append(part.astype(np.int64))
            start += len(part)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


class Loader:
    """Packed sequences of `context` tokens, shuffled anew in each epoch and none repeated within it.

    The n-th sequence of a run is a function of (seed, n): whoever goes on at step s reads on exactly
    where the first s steps ended. Nothing is kept in memory for it.
    """

    def __init__(self, stream: TokenStream, context: int, seed: int, source: str = "") -> None:
        self.stream = stream
        self.context = context
        self.key = (seed, "order", source) if source else (seed, "order")
        self.per_epoch = (len(stream) - 1) // context  # sequences; each has one more token to be predicted
        self._epoch = -1
        self._order = Permutation(1)

    def batch(self, first: int, count: int) -> np.ndarray:
        """Sequences `first` to `first + count` of the run, int64 [count, context + 1].

        A sequence's last token is the first of the one behind it in the text, where it is input.
        """
        return np.stack([self.sequence(number) for number in range(first, first + count)])

    def sequence(self, number: int) -> np.ndarray:
        """Sequence `number` of the run, int64 [context + 1]."""
        epoch, place = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            self._order, self._epoch = Permutation(self.per_epoch, *self.key, epoch), epoch
        return self.stream.read(self._order[place] * self.context, self.context + 1)


class WeightedLoader:
    """Sequences of several sources in proportion to weights, each source's as its own loader gives them.

    An epoch is as much as repeats no source. The n-th sequence is a function of n, as in Loader.
    """

    def __init__(self, loaders: Sequence[Loader], weights: Sequence[float], seed: int) -> None:
        """Raises ValueError for a weight that is too small beside the others."""
        self.loaders = loaders
        self.schedule = Schedule(weights, seed)
        self.per_epoch = max(
            1,
            min(int(one.per_epoch / weight) for one, weight in zip(loaders, self.schedule.weights, strict=True)),
        )

    def batch(self, first: int, count: int) -> np.ndarray:
        """Sequences `first` to `first + count` of the run, int64 [count, context + 1]."""
        places = [self.schedule.at(number) for number in range(first, first + count)]
        return np.stack([self.loaders[source].sequence(number) for source, number in places])
