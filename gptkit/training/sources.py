"""The token folders of a run and their weights: `TOKENS`, or `NAME=WEIGHT:TOKENS` for each of several."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.tokens import TokenFolder, open_tokens
from gptkit.errors import GptkitError, UsageError
from gptkit.sampling.asks import Ask, read_ask
from gptkit.sampling.shares import divide, shares
from gptkit.training.loader import Loader, TokenStream, WeightedLoader

FORM = "write NAME=WEIGHT:TOKENS for each of several token folders, for example web=0.6:tokens/web"


@dataclasses.dataclass(frozen=True)
class TokenSource:
    """A token folder and the share of the sequences that come from it. The name is empty where it is the only one."""

    ask: Ask
    path: str
    folder: TokenFolder

    def plan(self) -> dict[str, Any]:
        """The input as a plan names it."""
        entry = {"name": "tokens", "digest": self.folder.manifest.digest, "path": self.path}
        return entry | ({"source": self.ask.name, "weight": self.ask.weight} if self.ask.name else {})

    def stream(self, split: str, needed: int) -> TokenStream:
        """The documents of a split. Raises GptkitError where they have fewer than `needed` tokens."""
        stream = TokenStream(self.folder.shards(split), self.folder.manifest.facts["vocab_size"])
        if len(stream) >= needed:
            return stream
        instead = ", or add --validate-tokens 0" if split == "validation" else ""
        raise GptkitError(
            f"{self.folder.folder}: the {split} split has {len(stream):,} tokens and one sequence needs {needed:,}; "
            f"give it more text or name a shorter --context{instead}"
        )


def open_sources(arguments: Sequence[str]) -> list[TokenSource]:
    """Opens the folders, ordered by name: how they were written on the command line does not matter.

    Raises UsageError for the form, GptkitError for what is no token folder or has another tokenizer.
    """
    sources: list[TokenSource] = []
    for argument in arguments:
        asked = None if Path(argument).exists() else read_ask(argument)
        if asked is None and len(arguments) > 1:
            raise UsageError(f"{argument}: {FORM}")
        ask, path = asked or (Ask("", 1.0), argument)
        if ask.weight is None or ask.epochs is not None:
            raise UsageError(f"{argument}: {FORM}")
        if ask.name in (source.ask.name for source in sources):
            raise UsageError(f"{argument}: two token folders are named '{ask.name}'")
        sources.append(TokenSource(ask, path, open_tokens(Path(path))))
    first = sources[0]
    for other in sources[1:]:
        if other.folder.manifest.facts["tokenizer"] != first.folder.manifest.facts["tokenizer"]:
            raise GptkitError(
                f"{other.path}: its tokens were made with another tokenizer than those of {first.path}; "
                "make both with one --tokenizer"
            )
    return sorted(sources, key=lambda source: source.ask.name)


def open_loader(sources: Sequence[TokenSource], context: int, seed: int) -> Loader | WeightedLoader:
    """The sequences of the training splits. Raises GptkitError where one is too short, UsageError for a tiny weight."""
    loaders = [Loader(source.stream("train", context + 1), context, seed, source.ask.name) for source in sources]
    if len(loaders) == 1:
        return loaders[0]
    try:
        return WeightedLoader(loaders, _weights(sources), seed)
    except ValueError as error:
        raise UsageError(str(error)) from None


def held_out_ids(sources: Sequence[TokenSource], tokens: int, context: int) -> list[np.ndarray]:
    """The first held-out ids of each source, int64: together at most `tokens`, in proportion to the weights.

    There are fewer where a source has not enough. Raises GptkitError where one has less than a sequence.
    """
    streams = [source.stream("validation", context) for source in sources]
    sizes = [len(stream) for stream in streams]
    asks = [source.ask for source in sources]
    most = sum(share.wanted for share in shares(asks, sizes, None, "weights"))
    taken = shares(asks, sizes, min(tokens, most), "weights")
    return [stream.read(0, share.wanted) for stream, share in zip(streams, taken, strict=True)]


def training_ids(sources: Sequence[TokenSource], tokens: int) -> list[np.ndarray]:
    """The first ids of each source's training split, int64: `tokens` in proportion to the weights, or what is there."""
    counts = divide(tokens, [Fraction(weight) for weight in _weights(sources)])
    return [source.stream("train", 0).read(0, count) for source, count in zip(sources, counts, strict=True)]


def _weights(sources: Sequence[TokenSource]) -> list[float]:
    return [source.ask.weight or 0.0 for source in sources]
