"""The shape of a transformer: which of the published choices it makes, and their sizes."""

import dataclasses
from typing import Literal, get_args

from gptkit.model.patterns import Pattern, parse_pattern

Positions = Literal["learned", "rope"]
Norm = Literal["layer", "rms"]
Activation = Literal["gelu", "gelu_tanh", "swiglu", "clamped_swiglu", "relu2"]
GATED = ("swiglu", "clamped_swiglu")
CHOICES = {"positions": Positions, "norm": Norm, "activation": Activation}


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How rotary positions are stretched beyond the context a model was first trained on.

    "llama3" (Llama 3.1): wave lengths over `original` / `low` are stretched by `factor`, those under `original` /
    `high` stay, between them it goes over evenly. "yarn" (Peng et al. 2023): the same between `low` and `high` turns
    within the original context, by pairs of dimensions, and attention is sharpened by 0.1 ln `factor` + 1.
    """

    kind: Literal["llama3", "yarn"]
    factor: float
    low: float  # llama3: 1; yarn's beta_slow: 1
    high: float  # llama3: 4; yarn's beta_fast: 32
    original: int  # context before it was stretched, tokens
    truncate: bool = True  # yarn: whether the dimensions between which it goes over are whole numbers

    def __post_init__(self) -> None:
        if self.kind not in ("llama3", "yarn"):
            raise ValueError(f"rotary positions can be scaled as llama3 or yarn, not as {self.kind!r}")
        if not (self.factor >= 1 and 0 < self.low < self.high and self.original >= 1):
            raise ValueError(f"rotary positions cannot be scaled by {self}")


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A mixture of experts in place of each MLP (Shazeer et al. 2017; Fedus et al. 2021; Jiang et al. 2024).

    A token goes to its `active` likeliest experts, whose outputs are weighted by a softmax over these. Without
    `capacity` no token is dropped; with it an expert takes at most capacity · tokens · active / experts of a batch
    while training. (Without that, what stands beside a token would decide what becomes of it.)
    """

    experts: int
    active: int = 2
    capacity: float | None = None
    balance: float = 0.01  # weight of the load-balancing loss
    router_z: float = 0.001  # weight of the router's z-loss (Zoph et al. 2022)

    def __post_init__(self) -> None:
        if not all(type(number) is int for number in (self.experts, self.active)):
            raise ValueError(f"{self.active!r} of {self.experts!r} experts: these are no whole numbers")
        if not 1 <= self.active <= self.experts:
            raise ValueError(f"{self.active} of {self.experts} experts cannot be active")
        if self.capacity is not None and not self.capacity > 0:
            raise ValueError(f"a capacity of {self.capacity} leaves no room for a token")
        if not (self.balance >= 0 and self.router_z >= 0):
            raise ValueError("the weights of the router's losses must not be below 0")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A decoder-only transformer. What is not said is as in GPT-2: learned positions, LayerNorm before each part,
    GELU (tanh), biases, an MLP four times as wide, a tied head, dense attention.

    Raises ValueError for a shape that cannot be built.
    """

    vocab_size: int  # tokens
    context: int  # tokens that attention can look back over, the current one included
    layers: int
    heads: int
    width: int  # of the residual stream
    kv_heads: int = 0  # heads of keys and values, each shared by heads / kv_heads queries; 0: as many as heads
    head_width: int = 0  # of one head; 0: width / heads
    mlp_width: int = 0  # inside an MLP, or one expert; 0: 4 · width
    positions: Positions = "learned"
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    norm: Norm = "layer"
    norm_first: bool = True  # before attention and MLP, and a last one before the head; else behind their sums (GPT-1)
    norm_epsilon: float = 1e-5
    activation: Activation = "gelu_tanh"
    bias: bool = True  # in all products but the head's, and in LayerNorm
    qk_norm: bool = False  # RMSNorm of each head's queries and keys
    tied: bool = True  # the token embedding is the head
    attention: tuple[str, ...] = ("dense",)  # the pattern of each layer, over and over (see patterns)
    sinks: bool = False  # a learned logit a head that takes attention away (gpt-oss)
    mixture: Mixture | None = None
    logit_softcap: float = 0.0  # c: logits become c · tanh(logits / c); 0: they stay
    dropout: float = 0.0  # after embeddings, attention weights and both projections, while training

    def __post_init__(self) -> None:
        for name, value in (("kv_heads", self.heads), ("mlp_width", 4 * self.width)):
            if getattr(self, name) == 0:
                object.__setattr__(self, name, value)
        for name in ("vocab_size", "context", "layers", "heads", "width", "kv_heads", "mlp_width"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is {value!r} and must be a positive whole number")
        if self.head_width == 0:
            if self.width % self.heads:
                raise ValueError(f"a width of {self.width} cannot be divided among {self.heads} heads")
            object.__setattr__(self, "head_width", self.width // self.heads)
        if not isinstance(self.head_width, int) or self.head_width < 1:
            raise ValueError(f"head_width is {self.head_width!r} and must be a positive whole number")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} heads of keys and values evenly")
        if self.rope_scaling is not None and (self.positions != "rope" or self.rope_theta <= 1):
            raise ValueError("only rotary positions with a rope_theta above 1 can be scaled")
        if self.positions == "rope" and self.head_width % 2:
            raise ValueError(f"a head of width {self.head_width} cannot be turned in pairs, as rotary positions need")
        for name, choice in CHOICES.items():
            if getattr(self, name) not in get_args(choice):
                raise ValueError(f"{name} is {getattr(self, name)!r} and must be one of {', '.join(get_args(choice))}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout} and must be at least 0 and below 1")
        if not (self.norm_epsilon > 0 and self.rope_theta > 0 and self.logit_softcap >= 0):
            raise ValueError("norm_epsilon and rope_theta must be above 0, and logit_softcap not below it")
        if not self.attention:
            raise ValueError("attention names no pattern")
        for text in self.attention:
            parse_pattern(text)

    def pattern(self, layer: int) -> Pattern:
        """The attention pattern of a layer."""
        return parse_pattern(self.attention[layer % len(self.attention)])

    @property
    def gated(self) -> bool:
        """Whether the MLP has a second product that its first is multiplied by."""
        return self.activation in GATED
