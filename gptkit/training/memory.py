"""What a training run allocates, before it does."""

import dataclasses
from typing import Any, Literal

from gptkit.model.config import ModelConfig
from gptkit.model.size import parameter_count
from gptkit.training.activations import (
    FLOAT,
    Batch,
    Kind,
    block_activations,
    casts,
    largest_scores,
    mlp_activations,
    outside_activations,
    rows_at_once,
    saved_activations,
    stream,
)

OptimiserName = Literal["adamw", "muon"]
MOMENTS = 2  # of AdamW; Muon has one


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that training takes. `peak` is not the sum: gradients appear as activations go."""

    weights: int  # float32
    gradients: int  # float32
    optimiser: int  # float32
    casts: int  # of matrices in the dtype of products; of one block where activations are recomputed
    activations: int  # what one micro-batch keeps for its backward pass
    peak: int  # the most that is held at any moment of a step

    def describe(self) -> str:
        """All of them in words."""
        return ", ".join(f"{name} {readable(size)}" for name, size in dataclasses.asdict(self).items() if size)


def readable(size: float) -> str:
    """Bytes in the decimal unit that suits them."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB" if size < 1000 else f"{size:,.0f} TB"


def optimiser_bytes(config: ModelConfig, optimiser: OptimiserName = "adamw") -> int:
    """Bytes an optimiser remembers: two moments of each parameter, of a block's matrices with Muon one."""
    single = config.layers * muon_parameters(config) if optimiser == "muon" else 0
    return FLOAT * (MOMENTS * parameter_count(config) - single)


def muon_parameters(config: ModelConfig) -> int:
    """Parameters of one block that Muon takes: its matrices. Those of experts lie together in three dimensions."""
    queries, shared = config.heads * config.head_width, config.kv_heads * config.head_width
    attention = config.width * (2 * queries + 2 * shared)
    if config.mixture:
        return attention + config.width * config.mixture.experts
    return attention + config.width * config.mlp_width * (3 if config.gated else 2)


def training_memory(
    config: ModelConfig,
    micro_batch: int,
    context: int | None = None,
    dtype: str = "fp32",
    device: Kind = "cpu",
    optimiser: OptimiserName = "adamw",
    recompute: bool = False,
    parts: int = 1,
) -> Memory:
    """What a step takes that computes `micro_batch` sequences of `context` tokens at once, `parts` times.

    dtype: of products, "fp32", "bf16" or "fp16". With several parts the gradients of the first are held while the
    others are computed. recompute: as Transformer.recompute. Not counted: torch's own code and buffers (some 300 MB on
    a CPU, a context of some 500 MB on a GPU).
    """
    batch = Batch(micro_batch, context or config.context, dtype, device)
    weights = FLOAT * parameter_count(config)
    moments = optimiser_bytes(config, optimiser)
    copies = casts(config, dtype)
    activations = saved_activations(config, batch, recompute)
    kept = activations + (0 if recompute else config.layers * copies)
    gradients = weights if parts > 1 else 0  # those of the parts before
    peak = max(
        gradients + _in_forward(config, batch, kept, recompute, copies),
        gradients + kept + _in_loss(config, batch),
        gradients + _in_backward(config, batch, kept, recompute, copies),
        weights + _at_the_end(config, batch),
    )
    held = copies if recompute else config.layers * copies
    return Memory(weights, weights, moments, held, activations, weights + moments + peak)


def largest_micro_batch(config: ModelConfig, available: float, at_most: int, **how: Any) -> int:
    """The most sequences at once, up to `at_most`, whose training fits in so many bytes; 0 where none fits.

    `how` are the further arguments of `training_memory`.
    """

    def fits(count: int) -> bool:
        return training_memory(config, count, **how).peak <= available

    low, high = 0, at_most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _head(config: ModelConfig) -> int:
    """Numbers of the head's matrix."""
    return config.vocab_size * config.width


def _in_forward(config: ModelConfig, batch: Batch, kept: int, recompute: bool, copies: int) -> int:
    """In the last block's attention: scores as they are and masked, beside their softmax."""
    beside = 2 * largest_scores(config, batch, config.layers - 1) if batch.device == "cpu" else 0
    if recompute:  # autocast keeps its casts of all blocks to the end of the forward pass
        return kept + config.layers * copies + block_activations(config, batch, config.layers - 1) + beside
    return kept - mlp_activations(config, batch) + beside


def _in_loss(config: ModelConfig, batch: Batch) -> int:
    """Beside what is kept: the last stream and its gradient, the head's gradient twice, and a few rows of logits.

    The second gradient of the head is one part's, in the dtype of products with a cast of the head (see
    gptkit.training.loss), then the first one scaled, in float32, with the stream's.
    """
    rows = min(batch.count, rows_at_once(config.vocab_size, batch.device))
    # logits; in float32 for the softmax, and it
    logits = rows * config.vocab_size * (batch.each + 2 * FLOAT if batch.mixed else 2 * FLOAT)
    if config.logit_softcap and not batch.mixed:  # the slope of tanh
        logits += 2 * FLOAT * rows * config.vocab_size
    head = FLOAT * _head(config)
    cast = batch.each * _head(config) if batch.mixed else 0
    part = (batch.each + (FLOAT if batch.mixed else 0)) * _head(config)  # it is added in float32
    product = rows * config.vocab_size * (2 * batch.each + FLOAT if batch.mixed else 2 * FLOAT)
    first = head + cast + max(logits, product + part)
    return 2 * stream(config, batch) + max(first, 2 * head + stream(config, batch))


def _in_backward(config: ModelConfig, batch: Batch, kept: int, recompute: bool, copies: int) -> int:
    """In the last block: the head's gradient, the streams', and those of its widest inner tensors."""
    held = kept + FLOAT * _head(config) + 2 * stream(config, batch)
    if recompute:
        held += block_activations(config, batch, config.layers - 1) + copies
    count = batch.count * (config.mixture.active if config.mixture else 1)
    in_mlp = held + 2 * batch.each * count * config.mlp_width
    if batch.device != "cpu":
        return in_mlp
    # its MLP's are gone; gradients of the softmax's output and input
    return max(in_mlp, held - mlp_activations(config, batch) + 2 * largest_scores(config, batch, config.layers - 1))


def _at_the_end(config: ModelConfig, batch: Batch) -> int:
    """Beside all gradients: the embedding's own two, of which a tied head has one; then AdamW's of the largest matrix."""
    rest = outside_activations(config, batch) + 2 * stream(config, batch)
    return rest + 2 * FLOAT * _head(config)
