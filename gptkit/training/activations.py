"""What a forward pass keeps for the backward pass, in bytes, by counting what each part of a block saves.

Counted for the program as it stands (gptkit.model.transformer without torch.compile, which keeps less), tensor by
tensor as torch.autograd.graph.saved_tensors_hooks shows them; Korthikanti et al. 2022 (section 4) count likewise.
The CPU's counts are tested against torch; those of a GPU follow from what SDPA and FlexAttention save: queries, keys,
values, the result, and the logarithm of each softmax's sum.
"""

import dataclasses
from typing import Literal

from gptkit.model.chunk_sizes import CHUNK, COLUMNS, SHORT, STRIDE
from gptkit.model.config import ModelConfig
from gptkit.model.patterns import Pattern

Kind = Literal["cpu", "cuda"]
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}  # of one number in a matrix product
FLOAT, INTEGER, BOOL = 4, 8, 1
# tensors of the MLP's inner width that are kept: its products, what is made of them, and what the last product takes
INNER = {"gelu": 2, "gelu_tanh": 2, "relu2": 2, "swiglu": 4, "clamped_swiglu": 7}
# logits held at once: few enough for a CPU's cache, enough to keep a GPU busy
CPU_LOGITS = 1 << 20
GPU_LOGITS = 1 << 27
ROWS = 256  # at least, as each part adds to the gradient of the whole weight (64 rows: a third slower)


@dataclasses.dataclass(frozen=True)
class Batch:
    """One micro-batch: `rows` sequences of `tokens`, products in `dtype` on a device."""

    rows: int
    tokens: int
    dtype: str  # of BYTES
    device: Kind

    @property
    def count(self) -> int:
        """Tokens in all."""
        return self.rows * self.tokens

    @property
    def each(self) -> int:
        """Bytes of one number in a product."""
        return BYTES[self.dtype]

    @property
    def mixed(self) -> bool:
        """Whether products take copies of float32 numbers."""
        return self.each < FLOAT

    @property
    def mask(self) -> int:
        """Bytes of one number of a dropout's mask."""
        return self.each if self.device == "cpu" else BOOL


def saved_activations(config: ModelConfig, batch: Batch, recompute: bool = False) -> int:
    """Bytes that the forward pass of `Transformer.train_hidden` keeps, without the casts of weights."""
    kept = outside_activations(config, batch)
    if recompute:
        return kept + config.layers * stream(config, batch)
    return kept + sum(block_activations(config, batch, layer) for layer in range(config.layers))


def stream(config: ModelConfig, batch: Batch) -> int:
    """Bytes of the residual stream, float32 [rows, tokens, width]."""
    return FLOAT * batch.count * config.width


def outside_activations(config: ModelConfig, batch: Batch) -> int:
    """Kept by no block: the ids with the target of the last one, places, rotary tables, the last norm."""
    kept = INTEGER * batch.rows * (batch.tokens + 1)
    if config.positions == "learned":
        kept += INTEGER * batch.tokens
    else:
        kept += 2 * batch.each * batch.tokens * config.head_width
    if config.dropout:
        kept += (FLOAT if batch.device == "cpu" else BOOL) * batch.count * config.width
    return kept + (_norm(config, batch) if config.norm_first else 0)


def block_activations(config: ModelConfig, batch: Batch, layer: int) -> int:
    """Kept by one block."""
    pattern = config.pattern(layer)
    kept = 2 * _norm(config, batch) + _attention(config, batch, pattern) + mlp_activations(config, batch)
    if config.dropout:
        kept += 2 * batch.mask * batch.count * config.width
    return kept


def casts(config: ModelConfig, dtype: str) -> int:
    """Bytes of one block's matrices in the dtype of the products, which live as long as its activations do."""
    if BYTES[dtype] == FLOAT:
        return 0
    qkv = (config.heads + 2 * config.kv_heads) * config.head_width * config.width
    out = config.heads * config.head_width * config.width
    experts = config.mixture.experts if config.mixture else 1  # the router computes in float32
    mlp = experts * config.width * config.mlp_width * (3 if config.gated else 2)
    return BYTES[dtype] * (qkv + out + mlp)


def largest_scores(config: ModelConfig, batch: Batch, layer: int) -> int:
    """Bytes of the largest matrix of attention weights of all heads that the CPU's plain products make at once."""
    sizes = chunk_sizes(config.pattern(layer), batch.tokens)
    return batch.each * batch.rows * config.heads * max(queries * keys for queries, keys in sizes)


def chunk_sizes(pattern: Pattern, tokens: int) -> list[tuple[int, int]]:
    """Queries and keys of each product on the CPU (see gptkit.model.chunks)."""
    if tokens < SHORT:
        return [(tokens, tokens)]
    size, reach, summary = CHUNK, tokens, 0
    if pattern.name == "fixed":
        block, each = pattern.sizes
        size, reach = -(-CHUNK // block) * block, 0
        summary = size // block * each
    elif pattern.window is not None:
        reach = -(-(pattern.window - 1) // size) * size
    elif _has_columns(pattern, tokens):
        reach = -(-(pattern.sizes[0] - 1) // size) * size
    starts = range(0, tokens, size)
    ends = [min(start + size, tokens) for start in starts]
    return [
        (end - start, end - max(0, start - reach) + start // size * summary)
        for start, end in zip(starts, ends, strict=True)
    ]


def _has_columns(pattern: Pattern, tokens: int) -> bool:
    return pattern.name in ("dilated", "strided") and pattern.sizes[-1] >= STRIDE and tokens >= COLUMNS


def rows_at_once(vocab_size: int, device: str) -> int:
    """How many rows of logits the loss makes at once."""
    return max(ROWS, (CPU_LOGITS if device == "cpu" else GPU_LOGITS) // vocab_size)


def _norm(config: ModelConfig, batch: Batch) -> int:
    """Its input and a float32 or two a token; torch's RMSNorm has no kernel for the CPU and keeps its quotient too."""
    if config.norm == "layer":
        return stream(config, batch) + 2 * FLOAT * batch.count
    return stream(config, batch) * (2 if batch.device == "cpu" else 1) + FLOAT * batch.count


def _attention(config: ModelConfig, batch: Batch, pattern: Pattern) -> int:
    queries, keys = (batch.each * batch.count * heads * config.head_width for heads in (config.heads, config.kv_heads))
    together = queries + 2 * keys  # what the first product gives, kept as a whole where a part is kept as it lies
    kept = batch.each * batch.count * config.width + queries  # what goes into the two products
    turned = config.positions == "rope" or config.qk_norm  # queries and keys are no longer as the product gave them
    if config.qk_norm:
        kept += _head_norm(config, batch)
    if batch.device == "cpu":
        kept += queries + _plain_products(config, batch, pattern)
        whole = config.qk_norm and not batch.mixed
        if batch.tokens < SHORT:
            alone = batch.rows == 1 or config.kv_heads == 1  # then keys and values are kept as they lie
            whole = whole or alone
            kept += keys * (int(turned) if alone else 2)
        return kept + (together if whole else 0)
    kept += FLOAT * batch.count * config.heads  # logarithms of sums
    if config.sinks:
        kept += queries + (FLOAT + batch.each) * batch.count * config.heads
    if turned:
        kept += queries + keys
    elif config.heads != config.kv_heads:
        kept += queries
    return kept + together


def _plain_products(config: ModelConfig, batch: Batch, pattern: Pattern) -> int:
    """Weights of attention, with keys and values where chunks of queries have their own."""
    sizes = chunk_sizes(pattern, batch.tokens)
    beside = int(config.sinks)
    copies = 0 if batch.tokens < SHORT else sum(keys for _, keys in sizes) * 2 * config.kv_heads * config.head_width
    if _has_columns(pattern, batch.tokens):
        columns = -(-batch.tokens // pattern.sizes[-1])
        beside += columns
        copies += batch.tokens * ((config.heads + 2 * config.kv_heads) * config.head_width + config.heads * columns)
    weights = sum(queries * (keys + beside) for queries, keys in sizes) * config.heads
    weights *= 3 if config.dropout else 1  # a dropout's mask, and what it leaves
    return batch.each * batch.rows * (weights + copies)


def _head_norm(config: ModelConfig, batch: Batch) -> int:
    """RMSNorm of queries and keys: a float32 input, its quotient, a number a head, and a cast of the weights."""
    heads = config.heads + config.kv_heads
    # in float32 the input is the first product's result, but where several queries share a key
    inputs = heads if batch.mixed else config.heads * int(config.heads != config.kv_heads)
    weights = 2 * batch.each * config.head_width if batch.mixed else 0
    return FLOAT * batch.count * ((inputs + heads) * config.head_width + heads) + weights


def mlp_activations(config: ModelConfig, batch: Batch) -> int:
    """Kept by one block's MLP or experts."""
    # autocast makes a copy of the input for each product
    copies = 2 if config.gated and batch.mixed else 1
    each, width = batch.each, config.width
    inner = INNER[config.activation] * config.mlp_width
    if config.mixture is None:
        return each * batch.count * (copies * width + inner)
    experts, active = config.mixture.experts, config.mixture.active
    choices = batch.count * active
    kept = FLOAT * batch.count * width  # the router's input
    # the router: chosen experts and their weights; logits and their softmax, with a logarithm
    kept += (INTEGER + FLOAT) * choices + FLOAT * (2 * batch.count * experts + batch.count + experts)
    kept += INTEGER * choices * (3 if config.bias else 2) + each * choices  # the order of choices, and their weights
    if config.mixture.capacity is not None:
        kept += BOOL * choices
    # gathered tokens, the inner ones, and what comes out before and after it is weighted
    return kept + each * choices * (copies * width + inner + 2 * width)
