"""A mixture of experts: each token goes through a few of many MLPs, which a router chooses."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gptkit.model.config import Mixture, ModelConfig
from gptkit.model.mlp import activate

GROUPED = hasattr(functional, "grouped_mm")  # torch 2.10 and later


class Routes(NamedTuple):
    """Where the tokens of a batch go. N tokens, k active experts of E."""

    experts: Tensor  # int64 [N, k], the likeliest first
    weights: Tensor  # float32 [N, k], of each expert's output; they add up to 1 unless one is full while training
    balance: Tensor  # float32 []: 1 where all experts are used alike (Fedus et al. 2021, eq. 4)
    router_z: Tensor  # float32 []: the mean square of log Σ exp(logits) (Zoph et al. 2022, eq. 5)


class Experts(nn.Module):
    """Gated or plain MLPs side by side, [E, in, out] matrices each, of which a token sees `active`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.mixture is not None
        self.mixture: Mixture = config.mixture
        self.activation = config.activation
        count, width, inner = self.mixture.experts, config.width, config.mlp_width
        self.router = nn.Linear(width, count, config.bias)
        self.up = nn.Parameter(torch.empty(count, width, inner))
        self.gate = nn.Parameter(torch.empty(count, width, inner)) if config.gated else None
        self.down = nn.Parameter(torch.empty(count, inner, width))
        self.up_bias = nn.Parameter(torch.empty(count, inner)) if config.bias else None
        self.gate_bias = nn.Parameter(torch.empty(count, inner)) if config.bias and config.gated else None
        self.down_bias = nn.Parameter(torch.empty(count, width)) if config.bias else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., width] → [..., width], and the router's losses with their weights, float32 []."""
        tokens = x.flatten(0, -2)
        routes = self.route(tokens)
        mixed = self._mix(tokens, routes).view_as(x)
        return mixed, self.mixture.balance * routes.balance + self.mixture.router_z * routes.router_z

    def route(self, tokens: Tensor) -> Routes:
        """Chooses the experts of tokens [N, width]. The router computes in float32."""
        with torch.autocast(tokens.device.type, enabled=False):
            bias = self.router.bias.float() if self.router.bias is not None else None
            logits = functional.linear(tokens.float(), self.router.weight.float(), bias)
        chosen, experts = logits.topk(self.mixture.active, dim=-1)
        weights = chosen.softmax(dim=-1)
        if self.training and self.mixture.capacity is not None:
            weights = weights * self._fitting(experts)
        count = self.mixture.experts
        shares = (
            torch.zeros(count, device=logits.device).index_add_(
                0, experts.flatten(), torch.ones(experts.numel(), device=logits.device)
            )
            / experts.numel()
        )
        balance = count * (shares * logits.softmax(dim=-1).mean(dim=0)).sum()
        return Routes(experts, weights, balance, logits.logsumexp(dim=-1).square().mean())

    def _fitting(self, experts: Tensor) -> Tensor:
        """Which of the choices [N, k] find room: first choices before second ones, then in the order of the tokens."""
        assert self.mixture.capacity is not None
        room = max(1, int(self.mixture.capacity * experts.numel() / self.mixture.experts))
        in_order = functional.one_hot(experts.t().flatten(), self.mixture.experts)  # [k · N, E]
        place = (in_order.cumsum(dim=0) * in_order).sum(dim=-1)
        return (place <= room).view(experts.shape[1], -1).t()

    def _mix(self, tokens: Tensor, routes: Routes) -> Tensor:
        """Σ weight · expert(token): the tokens of each expert are brought together, computed, and added up."""
        active = routes.experts.shape[1]
        order = routes.experts.flatten().argsort(stable=True)  # choices by expert
        rows = order // active
        counts = torch.bincount(routes.experts.flatten(), minlength=self.mixture.experts)
        ends = counts.cumsum(0)
        chosen = routes.experts.flatten()[order]

        def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            out = _grouped_product(x, weight, ends)
            return out if bias is None else out + bias[chosen].to(out.dtype)

        gathered = tokens[rows]
        up = product(gathered, self.up, self.up_bias)
        gate = product(gathered, self.gate, self.gate_bias) if self.gate is not None else None
        out = product(activate(self.activation, up, gate), self.down, self.down_bias)
        out = out * routes.weights.flatten()[order, None].to(out.dtype)
        return torch.zeros_like(tokens, dtype=out.dtype).index_add(0, rows, out)


def _grouped_product(x: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Rows of x [N, in], those of one expert together and the last ending at ends[expert], each times its matrix of
    weights [E, in, out]."""
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weights = x.to(dtype), weights.to(dtype)
    if x.device.type == "cuda" and GROUPED and x.dtype == torch.bfloat16:
        return functional.grouped_mm(x, weights, offs=ends.to(torch.int32))
    parts, start = [], 0
    for expert, end in enumerate(ends.tolist()):
        parts.append(x[start:end] @ weights[expert])
        start = end
    return torch.cat(parts)
