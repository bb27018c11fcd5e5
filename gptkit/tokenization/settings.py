"""Settings of `gptkit tokenize`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar


@dataclass(frozen=True)
class TokenizeSettings:
    """Byte-level BPE with GPT-2's split pattern, learned from the training documents or given."""

    # a given tokenizer enters the digest by its content, as an input of the stage
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"tokenizer"})

    vocab_size: Annotated[int | None, "Learn a vocabulary of this size, end-of-text included.", "tokens"] = None
    tokenizer: Annotated[str | None, "Take this tokenizer.json instead of learning one.", "file"] = None
    learn_bytes: Annotated[int, "Training text to learn the vocabulary from.", "bytes"] = 100_000_000
    validation: Annotated[float, "Share of the documents that is held out.", "0 to 1"] = 0.01
    seed: Annotated[int, "Seed of the draw of held-out documents."] = 0

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that make no tokenizer or no split."""
        if (self.vocab_size is None) == (self.tokenizer is None):
            raise ValueError("give either --vocab-size N (to learn a vocabulary) or --tokenizer FILE")
        if self.vocab_size is not None and not 257 <= self.vocab_size <= 1 << 31:
            raise ValueError(
                f"--vocab-size {self.vocab_size}: a byte-level vocabulary has 256 bytes and end-of-text, so at least 257"
            )
        if not 0 <= self.validation < 1:
            raise ValueError(f"--validation {self.validation} is not in [0, 1)")
        if self.learn_bytes < 1:
            raise ValueError("--learn-bytes must be at least 1")
