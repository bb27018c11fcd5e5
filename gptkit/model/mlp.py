"""The part of a block that looks at one place alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gptkit.model.config import Activation, ModelConfig

LIMIT, SLOPE = 7.0, 1.702  # of gpt-oss's SwiGLU


def activate(name: Activation, up: Tensor, gate: Tensor | None) -> Tensor:
    """What stands between the products of an MLP. `gate` is what its other product gives, where it is gated."""
    if name == "gelu_tanh":
        return functional.gelu(up, approximate="tanh")
    if name == "gelu":
        return functional.gelu(up)
    if name == "relu2":
        return functional.relu(up).square()
    assert gate is not None
    if name == "swiglu":
        return functional.silu(gate) * up
    gate, up = gate.clamp(max=LIMIT), up.clamp(-LIMIT, LIMIT)
    return gate * torch.sigmoid(SLOPE * gate) * (up + 1)


class MLP(nn.Module):
    """Two products with an activation between them, or three where it is gated."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.up = nn.Linear(config.width, config.mlp_width, config.bias)
        self.gate = nn.Linear(config.width, config.mlp_width, config.bias) if config.gated else None
        self.down = nn.Linear(config.mlp_width, config.width, config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] → [..., width]."""
        gate = self.gate(x) if self.gate is not None else None
        down: Tensor = self.down(activate(self.activation, self.up(x), gate))
        return down
