"""What weights, epochs and a budget ask of each source: whole epochs, and the rest of one more."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

from gptkit.sampling.asks import Ask, By

TOLERANCE = 0.1  # by how much of itself what was asked may differ from what follows, before it is said to disagree


@dataclasses.dataclass(frozen=True)
class Share:
    """What is wanted of a source, in the unit of its size."""

    wanted: int
    epochs: int  # whole ones
    rest: int  # of one more


def decided_by(asks: Sequence[Ask], by: By) -> By:
    """Whether weights or epochs decide: `by` where every source has it, else epochs where only these were given.

    Raises ValueError where neither was given for every source, or `by` asks for epochs that were not given.
    """
    if by == "weights" and all(ask.weight is None for ask in asks):
        by = "epochs"
    without = next((ask.name for ask in asks if ask.amount(by) is None), None)
    if without is not None:
        lacks, instead = (
            ("a weight", "give every source a weight, or every source epochs")
            if by == "weights"
            else ("epochs", "to decide by epochs give them for every source")
        )
        raise ValueError(f"source '{without}' was not given {lacks}; {instead}")
    return by


def shares(asks: Sequence[Ask], sizes: Sequence[int], budget: int | None, by: By) -> list[Share]:
    """Divides a budget among sources of `sizes` (above 0), to the unit; `by` is what `decided_by` gave.

    By weights: in proportion to them; without a budget as much as repeats no source. By epochs: in
    proportion to epochs times size; without a budget just the epochs asked for.
    """
    given = [Fraction(amount) for ask in asks if (amount := ask.amount(by)) is not None]
    if by == "epochs":
        given = [epochs * size for epochs, size in zip(given, sizes, strict=True)]
    if budget is not None:
        wanted = divide(budget, given)
    elif by == "epochs":
        wanted = [max(1, round(amount)) for amount in given]
    else:
        scale = min(size / weight for size, weight in zip(sizes, given, strict=True))
        wanted = divide(int(scale * sum(given)), given)
    return [Share(amount, *divmod(amount, size)) for amount, size in zip(wanted, sizes, strict=True)]


def divide(budget: int, weights: Sequence[Fraction]) -> list[int]:
    """Whole numbers in proportion to weights that add up to `budget` (the method of largest remainders)."""
    total = sum(weights)
    exact = [budget * weight / total for weight in weights]
    parts = [int(amount) for amount in exact]
    largest = sorted(range(len(parts)), key=lambda place: parts[place] - exact[place])
    for place in largest[: budget - sum(parts)]:
        parts[place] += 1
    return parts


def disagreements(asks: Sequence[Ask], sizes: Sequence[int], taken: Sequence[Share], by: By) -> list[str]:
    """A line for each source of which both were asked and the other one follows otherwise, by more than `TOLERANCE`."""
    total = sum(share.wanted for share in taken)
    weights = sum(ask.weight or 0.0 for ask in asks)
    lines = []
    for ask, size, share in zip(asks, sizes, taken, strict=True):
        if ask.weight is None or ask.epochs is None:
            continue
        asked, follows = ask.epochs, share.wanted / size
        line = f"{ask.name}: {asked:.3g} epochs were asked for and {follows:.3g} follow from the weights"
        if by == "epochs":
            asked, follows = ask.weight / weights, share.wanted / total
            line = f"{ask.name}: a share of {asked:.1%} was asked for and {follows:.1%} follows from the epochs"
        if abs(follows - asked) > TOLERANCE * asked:
            lines.append(line)
    return lines
