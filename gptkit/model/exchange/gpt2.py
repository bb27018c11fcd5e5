"""GPT-2 as transformers writes it."""

from collections.abc import Mapping
from typing import Any

from gptkit.model.config import Activation, ModelConfig
from gptkit.model.exchange.conv1d import Conv1D, describe_sizes, read_sizes
from gptkit.model.exchange.form import Form, check_fixed

NAMES = Conv1D({"embedding": "wte", "positions": "wpe", "norm": "ln_f"})
ACTIVATIONS: dict[str, Activation] = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
FIXED = {  # what a configuration may say and our model does not do otherwise
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}


def _fits(config: ModelConfig) -> bool:
    plain = ModelConfig(
        config.vocab_size,
        config.context,
        config.layers,
        config.heads,
        config.width,
        mlp_width=config.mlp_width,
        norm_epsilon=config.norm_epsilon,
        activation=config.activation,
        dropout=config.dropout,
    )
    return config == plain and config.activation in ACTIVATIONS.values()


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **describe_sizes(config, end_of_text),
        "n_inner": None if config.mlp_width == 4 * config.width else config.mlp_width,
        "activation_function": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation),
        **{name: allowed[0] for name, allowed in FIXED.items()},
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    check_fixed(value, FIXED | {"activation_function": tuple(ACTIVATIONS)})
    return ModelConfig(
        **read_sizes(value, dropout=0.0),
        mlp_width=value.get("n_inner") or 0,
        activation=ACTIVATIONS[value.get("activation_function", "gelu_new")],
    )


GPT2 = Form("gpt2", _fits, _describe, _read, NAMES.give, NAMES.take, NAMES.tidy)
