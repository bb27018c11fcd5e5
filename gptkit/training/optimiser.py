"""AdamW (Loshchilov and Hutter 2019), and its state by parameter name."""

import torch
from torch import Tensor

from gptkit.model.transformer import GPT
from gptkit.training.settings import TrainSettings

EPSILON = 1e-8
MOMENTS = ("exp_avg", "exp_avg_sq")  # torch's names


def make_optimiser(model: GPT, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW that decays matrices and embeddings, and neither biases nor norms."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.beta1, settings.beta2), eps=EPSILON)


def optimiser_state(model: GPT, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    """Both moments of every parameter, named `moment.parameter`. The step count is the caller's."""
    return {
        f"{moment}.{name}": optimiser.state[parameter][moment]
        for name, parameter in model.named_parameters()
        for moment in MOMENTS
    }


def restore_optimiser(model: GPT, optimiser: torch.optim.AdamW, state: dict[str, Tensor], step: int) -> None:
    """Puts a state back after `step` steps. Raises KeyError or ValueError where it is another model's."""
    for name, parameter in model.named_parameters():
        moments = {moment: state[f"{moment}.{name}"] for moment in MOMENTS}
        for moment, value in moments.items():
            if value.shape != parameter.shape:
                raise ValueError(f"{moment}.{name} has shape {list(value.shape)}, not {list(parameter.shape)}")
        copies = {moment: torch.empty_like(parameter).copy_(value) for moment, value in moments.items()}
        optimiser.state[parameter] = {"step": torch.tensor(float(step)), **copies}
