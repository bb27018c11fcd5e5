"""How a training run is cut into steps, and what it will take."""

import dataclasses
from typing import Any

import torch

from gptkit.errors import UsageError
from gptkit.model.config import ModelConfig
from gptkit.model.size import active_parameters, flops_per_token, parameter_count
from gptkit.training.device import Device, free_memory
from gptkit.training.loader import Loader, WeightedLoader
from gptkit.training.memory import Memory, largest_micro_batch, readable, training_memory
from gptkit.training.settings import TrainSettings

RATE_TIMES_WIDTH = 0.8  # the best of 0.8, 1.6 and 4 with Muon at width 192; wider models need lower rates
TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 32768}  # in a forward pass, where --micro-batch does not say
# Of the free memory, what a run may plan with. Between blocks the C library loses a quarter to a half of what they
# hold, with experts (of blocks that differ in size at each step) as much again; torch's own allocator on a GPU little.
SHARE_OF_FREE = {"cpu": 0.45, "cuda": 0.9}


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run's size. Every step takes `sequences`, in `sequences` / `micro_batch` equal parts."""

    config: ModelConfig
    sequences: int  # a step
    micro_batch: int  # sequences computed at once
    steps: int
    tokens: int  # over the whole run
    epochs: float
    rate: float  # the highest learning rate
    memory: Memory
    free: int | None  # bytes of memory that are free now; None where this is not known

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole run."""
        return self.tokens * flops_per_token(self.config)

    def describe(self, device: Device, name: str) -> str:
        """What the reader is told before the first step: the model, the run, its memory; one line each."""
        config, count = self.config, parameter_count(self.config)
        active = f" ({active_parameters(config):,} active)" if config.mixture else ""
        parts = self.sequences // self.micro_batch
        accumulation = f" in {parts} parts of {self.micro_batch}" if parts > 1 else ""
        free = "" if self.free is None else f" of {readable(self.free)} free"
        over = self.free is not None and self.memory.peak > self.free
        return "\n".join(
            (
                f"{name}: {count:,} parameters{active}; {config.layers} layers, width {config.width}; {device}",
                f"{self.steps:,} steps of {self.sequences * config.context:,} tokens "
                f"({self.sequences} × {config.context}{accumulation}), {self.tokens / 1e6:.1f}M tokens, "
                f"{self.epochs:.2f} epochs; {self.flops:.2g} FLOPs; learning rate {self.rate:.2g}",
                f"memory: {self.memory.describe()}{free}"
                + ("; this will not fit, a smaller --micro-batch or --context takes less" if over else ""),
            )
        )

    @property
    def bytes_on_disk(self) -> int:
        """What one checkpoint takes: weights and two moments in float32."""
        return 3 * 4 * parameter_count(self.config)


def make_plan(settings: TrainSettings, config: ModelConfig, loader: Loader | WeightedLoader, device: Device) -> Plan:
    """Cuts a run into steps. Raises UsageError where the sizes do not divide.

    Without --micro-batch the largest is taken that divides a step, fits in SHARE_OF_FREE of the memory that is free,
    and has no more than TOKENS_AT_ONCE.
    """
    context = config.context
    sequences, rest = divmod(settings.batch_tokens, context)
    if rest or not sequences:
        near = [count * context for count in (sequences, sequences + 1) if count]
        raise UsageError(
            f"--batch-tokens {settings.batch_tokens:,} is no whole number of sequences of {context:,} tokens "
            f"(--context); {' or '.join(f'{count:,}' for count in near)} would be"
        )
    divisors = [count for count in range(1, sequences + 1) if sequences % count == 0]
    how: dict[str, Any] = {
        "dtype": "fp32" if device.dtype == torch.float32 else "bf16",
        "device": device.name,
        "optimiser": settings.optimiser,
        "recompute": settings.recompute,
    }
    free = free_memory(device.name)
    micro_batch = settings.micro_batch
    if micro_batch is None:
        most = max(1, TOKENS_AT_ONCE[device.name] // context)
        if free is not None:  # with the gradients of parts before, as there may be
            most = largest_micro_batch(config, SHARE_OF_FREE[device.name] * free, most, parts=2, **how)
        micro_batch = max(count for count in divisors if count <= max(1, most))
    if micro_batch not in divisors:
        fitting = ", ".join(map(str, divisors))
        raise UsageError(
            f"--micro-batch {micro_batch} does not divide the {sequences} sequences of {context:,} tokens in a step "
            f"of {settings.batch_tokens:,} (--batch-tokens); these do: {fitting}"
        )
    steps = settings.steps or max(1, round(settings.epochs * loader.per_epoch / sequences))
    rate = settings.lr or RATE_TIMES_WIDTH / config.width
    taken = steps * sequences
    memory = training_memory(config, micro_batch, parts=sequences // micro_batch, **how)
    return Plan(config, sequences, micro_batch, steps, taken * context, taken / loader.per_epoch, rate, memory, free)
