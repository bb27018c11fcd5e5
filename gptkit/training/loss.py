"""Cross-entropy of a large vocabulary without ever holding all logits.

Logits are made, turned into their own gradient and dropped, a few rows at a time: at 50,257 tokens
the logits of 16 sequences of 1,024 would take 3 GB.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gptkit.model.transformer import capped
from gptkit.training.activations import rows_at_once


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, softcap: float = 0.0
) -> Tensor:
    """Mean −ln softmax(hidden · weightᵀ)[target], float32, with gradients for `hidden` and `weight`.

    hidden [N, d] and weight [V, d] are float32, targets int64 [N]; products are computed in `dtype`.
    With a softcap c the logits z are c · tanh(z / c) (Gemma Team 2024, section 2).
    """
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, dtype, softcap)
    return loss


@torch.no_grad()
def token_nats(hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, softcap: float = 0.0) -> Tensor:
    """−ln softmax(hidden · weightᵀ)[target] of each row, float32 [N]; shapes as above."""
    cast = weight.to(dtype)
    rows = rows_at_once(len(weight), weight.device.type)
    parts = [
        functional.cross_entropy(capped((part.to(dtype) @ cast.t()).float(), softcap), target, reduction="none")
        for part, target in zip(hidden.split(rows), targets.split(rows), strict=True)
    ]
    return torch.cat(parts)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, softcap: float
    ) -> Tensor:
        cast = weight.to(dtype)
        total = torch.zeros((), device=hidden.device)
        hidden_gradient = torch.empty_like(hidden, dtype=torch.float32)
        weight_gradient = torch.zeros_like(weight)
        rows = rows_at_once(len(weight), weight.device.type)
        for start in range(0, len(hidden), rows):
            part = hidden[start : start + rows].to(dtype)
            target = targets[start : start + rows, None]
            logits = capped(part @ cast.t(), softcap)
            logs = logits.log_softmax(dim=-1, dtype=torch.float32)
            total -= logs.gather(1, target).sum()
            gradient = logs.exp_()  # of the summed loss by the logits: softmax, less 1 at the target
            gradient.scatter_add_(1, target, -torch.ones_like(target, dtype=torch.float32))
            if softcap:
                gradient *= 1 - (logits / softcap).square()  # the slope of tanh
            gradient = gradient.to(dtype)
            hidden_gradient[start : start + rows] = gradient @ cast
            weight_gradient += gradient.t() @ part
            del logits, logs, gradient  # before the next ones are made
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return total / len(hidden)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        scale = gradient / len(hidden_gradient)
        return hidden_gradient * scale, weight_gradient * scale, None, None, None
