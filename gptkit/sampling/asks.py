"""What the command line asks of a source: `NAME=WEIGHT:PATH`, `NAME=EPOCHSx:PATH`, `NAME=WEIGHT,EPOCHSx:PATH`."""

import dataclasses
import re
from typing import Literal

By = Literal["weights", "epochs"]
LEAST, MOST = 1e-12, 1e12  # of a weight or epochs: what is beyond them is a slip
ARGUMENT = re.compile(r"([A-Za-z0-9_.-]+)=([^:]+):(.+)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Ask:
    """What is asked of a source: a weight (above 0, of any scale), epochs (above 0), or both."""

    name: str
    weight: float | None = None
    epochs: float | None = None

    def amount(self, by: By) -> float | None:
        """The weight, or the epochs."""
        return self.weight if by == "weights" else self.epochs


def read_ask(argument: str) -> tuple[Ask, str] | None:
    """What an argument asks, and its path; None where it has another form or a number that is not above 0."""
    match = ARGUMENT.fullmatch(argument)
    if match is None:
        return None
    asked: dict[bool, float] = {}  # epochs under True
    for part in match[2].split(","):
        number = _above_0(part.removesuffix("x"))
        if number is None or part.endswith("x") in asked:
            return None
        asked[part.endswith("x")] = number
    return Ask(match[1], asked.get(False), asked.get(True)), match[3]


def _above_0(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if LEAST <= number <= MOST else None
