"""GPT-1 as transformers writes it (OpenAIGPT): norms behind the sums, none before the head, an MLP four times as wide.

What it calls "gelu" is the approximation by tanh.
"""

from collections.abc import Mapping
from typing import Any

from gptkit.model.config import ModelConfig
from gptkit.model.exchange.conv1d import Conv1D, describe_sizes, read_sizes
from gptkit.model.exchange.form import Form, check_fixed

NAMES = Conv1D({"embedding": "tokens_embed", "positions": "positions_embed"})
FIXED = {"afn": ("gelu",), "tie_word_embeddings": (True,)}


def _plain(config: ModelConfig) -> ModelConfig:
    """As the configuration, in all that can be written."""
    return ModelConfig(
        config.vocab_size,
        config.context,
        config.layers,
        config.heads,
        config.width,
        norm_first=False,
        norm_epsilon=config.norm_epsilon,
        dropout=config.dropout,
    )


def _fits(config: ModelConfig) -> bool:
    return config.width % config.heads == 0 and config == _plain(config)


def _describe(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    return {
        "architectures": ["OpenAIGPTLMHeadModel"],
        "model_type": "openai-gpt",
        **describe_sizes(config, end_of_text),
        **{name: allowed[0] for name, allowed in FIXED.items()},
    }


def _read(value: Mapping[str, Any]) -> ModelConfig:
    check_fixed(value, FIXED)
    return ModelConfig(**read_sizes(value, dropout=0.1), norm_first=False)


OPENAI_GPT = Form("openai-gpt", _fits, _describe, _read, NAMES.give, NAMES.take, NAMES.tidy)
