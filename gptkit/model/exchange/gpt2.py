"""GPT-2 as transformers writes it."""

from collections.abc import Mapping
from typing import Any

from gptkit.model.config import ModelConfig
from gptkit.model.exchange.conv1d import Conv1D
from gptkit.model.exchange.form import Form, check_fixed, number

NAMES = Conv1D({"embedding": "wte", "positions": "wpe", "norm": "ln_f"})
ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
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
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": None if config.mlp_width == 4 * config.width else config.mlp_width,
        "activation_function": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation),
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "initializer_range": 0.02,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
        **{name: allowed[0] for name, allowed in FIXED.items()},
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    check_fixed(value, FIXED | {"activation_function": tuple(ACTIVATIONS)})
    return ModelConfig(
        value["vocab_size"],
        value["n_positions"],
        value["n_layer"],
        value["n_head"],
        value["n_embd"],
        mlp_width=value.get("n_inner") or 0,
        activation=ACTIVATIONS[value.get("activation_function", "gelu_new")],  # type: ignore[arg-type]
        norm_epsilon=number(value, "layer_norm_epsilon", 1e-5),
        dropout=number(value, "resid_pdrop", 0.0),
    )


GPT2 = Form("gpt2", _fits, _describe, _read, NAMES.give, NAMES.take, NAMES.tidy)
