"""How a training run is cut into steps, and what it will take."""

import dataclasses

from gptkit.errors import UsageError
from gptkit.model.config import ModelConfig
from gptkit.model.size import parameter_count
from gptkit.training.device import Device
from gptkit.training.loader import Loader, WeightedLoader
from gptkit.training.settings import TrainSettings

RATE_TIMES_WIDTH = 0.8  # the best of 0.8, 1.6 and 4 with Muon at width 192; wider models need lower rates
TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 32768}  # in a forward pass, where --micro-batch does not say


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

    def describe(self, device: Device, name: str) -> str:
        """One line for the reader, before the first step."""
        parts = self.sequences // self.micro_batch
        accumulation = f" in {parts} parts" if parts > 1 else ""
        return (
            f"{name}: {parameter_count(self.config):,} parameters ({self.config.layers} layers, width {self.config.width}); "
            f"{self.steps:,} steps of {self.sequences * self.config.context:,} tokens "
            f"({self.sequences} × {self.config.context}{accumulation}), "
            f"{self.tokens / 1e6:.1f}M tokens, {self.epochs:.2f} epochs; learning rate {self.rate:.2g}; {device}"
        )

    @property
    def bytes_on_disk(self) -> int:
        """What one checkpoint takes: weights and two moments in float32."""
        return 3 * 4 * parameter_count(self.config)


def make_plan(settings: TrainSettings, config: ModelConfig, loader: Loader | WeightedLoader, device: Device) -> Plan:
    """Cuts a run into steps. Raises UsageError where the sizes do not divide."""
    context = config.context
    sequences, rest = divmod(settings.batch_tokens, context)
    if rest or not sequences:
        near = [count * context for count in (sequences, sequences + 1) if count]
        raise UsageError(
            f"--batch-tokens {settings.batch_tokens} is no whole number of sequences of {context} tokens; "
            f"{' or '.join(map(str, near))} would be"
        )
    divisors = [count for count in range(1, sequences + 1) if sequences % count == 0]
    micro_batch = settings.micro_batch or max(
        count for count in divisors if count == 1 or count * context <= TOKENS_AT_ONCE[device.name]
    )
    if micro_batch not in divisors:
        fitting = ", ".join(map(str, divisors))
        raise UsageError(
            f"--micro-batch {micro_batch} does not divide the {sequences} sequences of a step; these do: {fitting}"
        )
    steps = settings.steps or max(1, round(settings.epochs * loader.per_epoch / sequences))
    rate = settings.lr or RATE_TIMES_WIDTH / config.width
    taken = steps * sequences
    return Plan(config, sequences, micro_batch, steps, taken * context, taken / loader.per_epoch, rate)
