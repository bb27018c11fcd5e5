"""The shape of a GPT-2 model."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A GPT-2 architecture: pre-norm, learned positions, GELU (tanh), biases, tied head, 4x MLP.

    Raises ValueError for a shape that cannot be built.
    """

    vocab_size: int  # tokens
    context: int  # tokens that attention can look back over, the current one included
    layers: int
    heads: int
    width: int  # of the residual stream; each head has width / heads of it
    dropout: float = 0.0  # after embeddings, attention weights and both projections, while training

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "layers", "heads", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is {value!r} and must be a positive whole number")
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be divided among {self.heads} heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout} and must be at least 0 and below 1")

    @property
    def head_width(self) -> int:
        """The width of one attention head."""
        return self.width // self.heads


def parameter_count(config: ModelConfig) -> int:
    """The number of trained numbers, embeddings included; the head is the token embedding and counts once.

    A block has 4d² + 4d in its attention, 8d² + 5d in its MLP and 4d in its two norms.
    """
    d = config.width
    return (config.vocab_size + config.context) * d + config.layers * (12 * d * d + 13 * d) + 2 * d
