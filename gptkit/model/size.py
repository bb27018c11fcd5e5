"""What a model takes: parameters, operations and memory, from its configuration alone."""

from gptkit.model.config import ModelConfig


def parameter_count(config: ModelConfig) -> int:
    """The number of trained numbers, embeddings included; a tied head counts once."""
    return _outside(config) + config.layers * _block(config, _experts(config))


def active_parameters(config: ModelConfig) -> int:
    """Those that one token goes through: of a mixture of experts, the experts that are active."""
    active = config.mixture.active if config.mixture else 1
    return _outside(config) + config.layers * _block(config, active)


def flops_per_token(config: ModelConfig, context: int | None = None) -> float:
    """Floating-point operations to train on one token of a sequence: 6 N + 12 · Σ over layers of width · places.

    N are active parameters without learned positions (and without the embedding, where the head is another matrix:
    looking a row up costs nothing). Places: the context for a dense layer, for a sparse one in the proportion of
    its pairs (Kaplan et al. 2020, section 2.1; Chowdhery et al. 2022, appendix B). A third of it runs the model.
    """
    context = context or config.context
    idle = config.context * config.width if config.positions == "learned" else 0
    idle += 0 if config.tied else config.vocab_size * config.width
    pairs = sum(2 * config.pattern(layer).pairs(context) - context for layer in range(config.layers))
    return 6 * (active_parameters(config) - idle) + 12 * config.heads * config.head_width * pairs / context


def cache_bytes_per_token(config: ModelConfig, bytes_each: int = 2) -> int:
    """Bytes that the keys and values of one place take in all layers without a window."""
    layers = sum(config.pattern(layer).window is None for layer in range(config.layers))
    return 2 * layers * config.kv_heads * config.head_width * bytes_each


def cache_bytes(config: ModelConfig, bytes_each: int = 2) -> int:
    """Bytes of keys and values for one sequence of the whole context: a layer with a window holds that alone."""
    windows = (config.pattern(layer).window or config.context for layer in range(config.layers))
    places = sum(min(window, config.context) for window in windows)
    return 2 * places * config.kv_heads * config.head_width * bytes_each


def _experts(config: ModelConfig) -> int:
    return config.mixture.experts if config.mixture else 1


def _outside(config: ModelConfig) -> int:
    """What is in no block: embeddings, positions, the last norm, a head of its own."""
    width = config.width
    places = config.context if config.positions == "learned" else 0
    return (config.vocab_size * (1 if config.tied else 2) + places) * width + (
        _norm(config) if config.norm_first else 0
    )


def _norm(config: ModelConfig) -> int:
    return config.width * (2 if config.norm == "layer" and config.bias else 1)


def _block(config: ModelConfig, experts: int) -> int:
    """One block with so many experts."""
    bias = int(config.bias)
    queries, shared = config.heads * config.head_width, config.kv_heads * config.head_width
    attention = (config.width + bias) * (queries + 2 * shared) + (queries + bias) * config.width
    attention += (2 * config.head_width if config.qk_norm else 0) + (config.heads if config.sinks else 0)
    up = (config.width + bias) * config.mlp_width * (2 if config.gated else 1)
    mlp = up + (config.mlp_width + bias) * config.width
    router = (config.width + bias) * config.mixture.experts if config.mixture else 0
    return attention + experts * mlp + router + 2 * _norm(config)
