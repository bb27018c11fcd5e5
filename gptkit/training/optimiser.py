"""Muon for the matrices of the blocks, AdamW for all else; or AdamW for everything."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gptkit.model.transformer import Transformer
from gptkit.training.settings import TrainSettings

EPSILON = 1e-8
BESIDE_MUON = 2  # validation after 0.5M tokens of a model of 2.6M: 2.437 bits per byte, with 1 it was 2.467
# what each optimiser remembers of a parameter, by torch's names; the step count is the caller's
MEMORY = {"momentum_buffer": torch.optim.Muon, "exp_avg": torch.optim.AdamW, "exp_avg_sq": torch.optim.AdamW}


def is_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is one matrix: not a stack of them, nor the biases of experts side by side."""
    return parameter.dim() == 2 and not name.endswith("bias")


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay is for a parameter: matrices, stacks of them, embeddings."""
    return parameter.dim() >= 2 and not name.endswith("bias")


class Optimiser:
    """The optimiser of a model's parameters, with its memory by parameter name.

    Muon (Jordan et al. 2024) makes the update of a matrix orthogonal; here it is scaled to the length
    of AdamW's (Liu et al. 2025, section 2.2), so that one learning rate serves both: beside Muon, AdamW
    has twice the rate. Embeddings, biases and norms always have AdamW (Loshchilov and Hutter 2019). Only
    matrices and embeddings decay.
    """

    def __init__(self, model: Transformer, settings: TrainSettings, highest_rate: float) -> None:
        self._names = {parameter: name for name, parameter in model.named_parameters()}
        self._rates: dict[type[torch.optim.Optimizer], float] = {
            torch.optim.Muon: highest_rate,
            torch.optim.AdamW: highest_rate * (BESIDE_MUON if settings.optimiser == "muon" else 1),
        }
        by_muon = {
            parameter
            for parameter, name in self._names.items()
            if settings.optimiser == "muon" and is_matrix(name, parameter) and name.startswith("blocks.")
        }
        others = [parameter for parameter in self._names if parameter not in by_muon]
        groups = [
            {"params": [p for p in others if decays(self._names[p], p)], "weight_decay": settings.weight_decay},
            {"params": [p for p in others if not decays(self._names[p], p)], "weight_decay": 0.0},
        ]
        betas = (settings.beta1, settings.beta2)
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=highest_rate, betas=betas, eps=EPSILON)
        ]
        if by_muon:
            matrices = [parameter for parameter in self._names if parameter in by_muon]
            muon = torch.optim.Muon(
                matrices, lr=highest_rate, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
            self._parts.append(muon)

    def step(self, share: float) -> None:
        """Updates the parameters at this share of the highest learning rate."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = share * self._rates[type(part)]
            part.step()

    def zero_grad(self) -> None:
        """Drops the gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """All that is remembered, float32, named `memory.parameter`."""
        return {f"{memory}.{name}": part.state[parameter][memory] for memory, name, part, parameter in self._memories()}

    def restore(self, state: Mapping[str, Tensor], step: int) -> None:
        """Puts back the state after `step` steps. Raises KeyError or ValueError where it is another model's."""
        for memory, name, part, parameter in self._memories():
            value = state[f"{memory}.{name}"]
            if value.shape != parameter.shape:
                raise ValueError(f"{memory}.{name} has shape {list(value.shape)}, not {list(parameter.shape)}")
            part.state[parameter][memory] = torch.empty_like(parameter).copy_(value)
            if isinstance(part, torch.optim.AdamW):
                part.state[parameter]["step"] = torch.tensor(float(step))

    def _memories(self) -> list[tuple[str, str, torch.optim.Optimizer, Tensor]]:
        return [
            (memory, self._names[parameter], part, parameter)
            for part in self._parts
            for group in part.param_groups
            for parameter in group["params"]
            for memory, kind in MEMORY.items()
            if isinstance(part, kind)
        ]
