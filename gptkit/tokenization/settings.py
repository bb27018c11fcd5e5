"""Settings of `gptkit tokenize`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

Pattern = Literal["gpt2", "cl100k", "o200k", "llama3", "gpt1"]
Layout = Literal["megatron", "nanogpt", "llmc", "datatrove"]


@dataclass(frozen=True)
class TokenizeSettings:
    """BPE learned from the training documents, or a tokenizer that is given; token shards of both splits."""

    # a given tokenizer enters the digest by its content, as an input of the stage
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"tokenizer"})

    vocab_size: Annotated[int | None, "Learn a vocabulary of this size, special tokens included.", "tokens"] = None
    tokenizer: Annotated[
        str | None,
        "Take this tokenizer instead of learning one: tokenizer.json, a .tiktoken file, a folder, or a name on the hub.",
        "file",
    ] = None
    pattern: Annotated[
        Pattern | None,
        "How text is split: where BPE is learned (gpt2 if not given; gpt1: lower case, words, characters instead of "
        "bytes), and where a given file does not say.",
    ] = None
    special: Annotated[tuple[str, ...], "Special tokens of a learned vocabulary, beside end-of-text."] = ()
    end_of_text: Annotated[str | None, "The token that ends every document; found by its name if not given."] = None
    min_frequency: Annotated[int, "Pairs seen fewer times than this are not merged."] = 0
    learn_bytes: Annotated[
        int, "Training text to learn the vocabulary from, drawn from all of it; 0 for all.", "bytes"
    ] = 1_000_000_000
    learn_memory: Annotated[
        int, "Memory to learn in; the rarest words are left out where they do not fit.", "bytes"
    ] = 4_000_000_000
    validation: Annotated[float, "Share of the documents that is held out.", "0 to 1"] = 0.01
    seed: Annotated[int, "Seed of the draw of held-out documents, and of those to learn from."] = 0
    shard_tokens: Annotated[int, "Tokens in a shard, at most (more only where one document has more).", "tokens"] = (
        100_000_000
    )
    layout: Annotated[
        Layout, "Files to write: .bin + .idx; one .bin a split; .bin with llm.c's header; .ds + .ds.index."
    ] = "megatron"

    @property
    def learned_pattern(self) -> Pattern:
        """How text is split before BPE is learned."""
        return self.pattern or "gpt2"

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that make no tokenizer or no split."""
        if (self.vocab_size is None) == (self.tokenizer is None):
            raise ValueError("give either --vocab-size N (to learn a vocabulary) or --tokenizer FILE")
        least = 1 if self.learned_pattern == "gpt1" else 257 + len(self.special)
        if self.vocab_size is not None and not least <= self.vocab_size <= 1 << 24:
            raise ValueError(
                f"--vocab-size {self.vocab_size}: a byte-level vocabulary has 256 bytes and its special tokens, "
                f"so at least {least}, and at most {1 << 24:,}"
            )
        if self.end_of_text == "" or "" in self.special:
            raise ValueError("--special and --end-of-text name tokens, and one of them is empty")
        if not 0 <= self.validation < 1:
            raise ValueError(f"--validation {self.validation} is not in [0, 1)")
        for name in ("learn_bytes", "min_frequency"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)} must not be below 0")
        for name in ("learn_memory", "shard_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1")


@dataclass(frozen=True)
class ExportSettings:
    """Token shards in another layout, or of another size."""

    layout: Annotated[
        Layout, "Files to write: .bin + .idx; one .bin a split; .bin with llm.c's header; .ds + .ds.index."
    ] = "megatron"
    shard_tokens: Annotated[int, "Tokens in a shard, at most (more only where one document has more).", "tokens"] = (
        100_000_000
    )

    def __post_init__(self) -> None:
        """Raises ValueError for a shard that holds nothing."""
        if self.shard_tokens < 1:
            raise ValueError("--shard-tokens must be at least 1")
