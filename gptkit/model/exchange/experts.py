"""What a config.json says of experts, in Mixtral and gpt-oss."""

from collections.abc import Mapping
from typing import Any

from gptkit.model.config import Mixture, ModelConfig
from gptkit.model.exchange.form import number, whole


def describe_experts(config: ModelConfig) -> dict[str, Any]:
    """The fields of a config.json."""
    assert config.mixture is not None
    return {
        "num_local_experts": config.mixture.experts,
        "num_experts_per_tok": config.mixture.active,
        "router_aux_loss_coef": config.mixture.balance,
        "router_z_loss_coef": config.mixture.router_z,  # for us alone: transformers has no such loss
    }


def read_experts(value: Mapping[str, Any], experts: int, active: int) -> Mixture:
    """The mixture; `experts` and `active` are what stands for these fields where they are left out."""
    return Mixture(
        whole(value, "num_local_experts", experts),
        whole(value, "num_experts_per_tok", active),
        balance=number(value, "router_aux_loss_coef", Mixture.balance),
        router_z=number(value, "router_z_loss_coef", Mixture.router_z),
    )
