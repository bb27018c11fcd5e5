"""Settings of `gptkit mix`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

Unit = Literal["tokens", "bytes", "documents"]


@dataclass(frozen=True)
class MixSettings:
    """Sources drawn in proportion to weights, without replacement until an epoch boundary, then shuffled together.

    A source of which more is asked than it has is read again, whole, before any document of it is
    read a third time. Without a budget, weights draw as much as repeats no source, and epochs
    alone draw just what they say.
    """

    # a given tokenizer enters the digest by its content, as an input of the stage
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"tokenizer"})

    tokens: Annotated[int | None, "Budget in tokens, end-of-text of each document included.", "tokens"] = None
    bytes: Annotated[int | None, "Budget in bytes of text.", "bytes"] = None
    documents: Annotated[int | None, "Budget in documents.", "documents"] = None
    tokenizer: Annotated[
        str | None,
        "Count in tokens of this tokenizer: tokenizer.json, a .tiktoken file, a folder, or a name on the hub.",
        "file",
    ] = None
    end_of_text: Annotated[
        str | None, "The token that ends every document where tokens are counted; found by its name if not given."
    ] = None
    unit: Annotated[
        Unit | None, "What weights are shares of; by default tokens with --tokenizer, else bytes of text."
    ] = None
    by: Annotated[
        Literal["weights", "epochs"], "What decides where sources have both; the other one that follows is shown."
    ] = "weights"
    weight_by: Annotated[
        str | None, "Draw documents with a larger number in this column sooner (without replacement).", "column"
    ] = None
    temperature: Annotated[
        float, "Of --weight-by: documents weigh number^(1/temperature); large: all alike.", "above 0"
    ] = 1.0
    seed: Annotated[int, "Seed of the draw and of the order."] = 0

    def __post_init__(self) -> None:
        """Raises ValueError for an empty budget, or one that does not go with the unit of the weights."""
        given = [name for name in ("tokens", "bytes", "documents") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one budget: either --{given[0]} or --{given[1]}")
        for name in given:
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1")
            if name != self.counted_in and not (name == "tokens" and self.tokenizer is None):
                raise ValueError(f"--{name}: weights are shares of {self.counted_in} here; add --unit {name}")
        if self.tokenizer is None and (self.tokens is not None or self.unit == "tokens"):
            raise ValueError("to count tokens give --tokenizer")
        if not self.temperature > 0:
            raise ValueError(f"--temperature {self.temperature} must be above 0")

    @property
    def counted_in(self) -> Unit:
        """The unit of sizes, weights and the budget."""
        return self.unit or ("bytes" if self.tokenizer is None else "tokens")

    @property
    def budget(self) -> int | None:
        """The budget in that unit."""
        return next((value for value in (self.tokens, self.bytes, self.documents) if value is not None), None)
