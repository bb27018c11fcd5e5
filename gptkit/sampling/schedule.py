"""Which source the n-th sequence of a training run comes from, as a function of n alone."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from gptkit.sampling.draws import draw64

BLOCK = 256  # sequences; more where a weight is so small that some blocks would have none
LEAST = Fraction(1, 1 << 20)  # a block of more sequences than that is not kept in memory


class Schedule:
    """Sequences of several sources in proportion to weights, shuffled within blocks.

    At the end of every block of `block` sequences, the n so far hold less than one more or less than
    n × weight of each source: source i gets the places between n·W(i-1) and n·W(i), rounded, where W
    are the weights added up. Any n can be asked for: there is no state to be kept or restored.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        """Weights are above 0, of any scale. Raises ValueError for one below a millionth of them all."""
        exact = [Fraction(weight) for weight in weights]
        total = sum(exact)
        self.weights = [weight / total for weight in exact]
        least = min(self.weights)
        if least < LEAST:
            raise ValueError(f"a weight of {float(least):.2g} of all is too small; the least is {float(LEAST):.2g}")
        # no source has fewer at a block's end than at its start: 1 / weight makes up for the rounding of both ends
        self.block = max(BLOCK, 1 << (int(1 / least)).bit_length())
        self.seed = seed
        self._number = -1
        self._sources = np.empty(0, np.int64)
        self._places = np.empty(0, np.int64)

    def at(self, n: int) -> tuple[int, int]:
        """The source of the n-th sequence, and how many of that source come before it."""
        number, place = divmod(n, self.block)
        if number != self._number:
            self._shuffle(number)
        return int(self._sources[place]), int(self._places[place])

    def counts(self, n: int) -> np.ndarray:
        """How many of the first n sequences come from each source, int64 [sources]."""
        number, place = divmod(n, self.block)
        if number != self._number:
            self._shuffle(number)
        return self._before(number) + np.bincount(self._sources[:place], minlength=len(self.weights))

    def _before(self, number: int) -> np.ndarray:
        """How many sequences of each source come before a block."""
        ends, total = [0], Fraction(0)
        for weight in self.weights:
            total += weight
            ends.append(int(number * self.block * total + Fraction(1, 2)))
        return np.diff(np.array(ends, np.int64))

    def _shuffle(self, number: int) -> None:
        before = self._before(number)
        counts = self._before(number + 1) - before
        # raw bits, because numpy promises that only these stay the same in later versions
        bits = np.random.PCG64(draw64(self.seed, "block", number)).random_raw(self.block)
        order = np.argsort(bits, kind="stable")
        sources = np.repeat(np.arange(len(counts)), counts)
        places = np.concatenate([first + np.arange(count) for first, count in zip(before, counts, strict=True)])
        self._sources = sources[order]
        # a source's own sequences stay in their order, whichever places the block gives them
        by_source = np.argsort(self._sources, kind="stable")
        self._places = np.empty_like(places)
        self._places[by_source] = places
        self._number = number
