"""The settings of `gptkit train`. The defaults suit a small model on a processor without a GPU."""

import dataclasses
from typing import Annotated, ClassVar, Literal


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """What is trained, on how much, and how."""

    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset(
        {"threads", "validate_every", "checkpoint_every", "keep", "milestone_every", "recompute"}
    )

    model: Annotated[str, "A named shape, as nano, micro, llama-micro or gpt2; gptkit models lists them."] = "micro"
    context: Annotated[int | None, "Tokens a sequence, instead of the model's own number.", "tokens"] = None
    batch_tokens: Annotated[int, "Tokens a step.", "tokens"] = 2048
    micro_batch: Annotated[int | None, "Sequences computed at once, instead of as many as fit well.", "sequences"] = (
        None
    )
    epochs: Annotated[float, "Passes over the training split, where --steps is not given."] = 1.0
    steps: Annotated[int | None, "Steps, instead of --epochs."] = None
    optimiser: Annotated[
        Literal["adamw", "muon"],
        "What turns gradients into updates; muon leaves embeddings, biases and norms to adamw.",
    ] = "adamw"
    lr: Annotated[
        float | None, "Highest learning rate; 0.8 / width if not given. Beside muon, adamw has twice this."
    ] = None
    schedule: Annotated[
        Literal["cosine", "wsd"],
        "How the learning rate falls: along a cosine from the warm-up on, or evenly at the end (warm-up, stable, decay).",
    ] = "cosine"
    warmup: Annotated[float, "Share of the run in which the learning rate rises to its highest."] = 0.05
    warmup_tokens: Annotated[int | None, "Tokens in which it rises, instead of --warmup.", "tokens"] = None
    decay_tokens: Annotated[
        int | None, "Tokens after which it is at its lowest and stays there; if not given, the whole run.", "tokens"
    ] = None
    cooldown: Annotated[float, "Share of the run in which it falls, with wsd."] = 0.2
    min_lr: Annotated[float, "Share of the highest learning rate that it falls to."] = 0.05
    weight_decay: Annotated[float, "Decay of matrices and embeddings, times the learning rate."] = 0.1
    beta1: Annotated[float, "AdamW's memory of the gradient."] = 0.9
    beta2: Annotated[float, "AdamW's memory of the gradient's square."] = 0.95
    clip: Annotated[float, "Longest gradient; a longer one is shortened to this."] = 1.0
    dropout: Annotated[float, "Share of activations dropped."] = 0.0
    seed: Annotated[int, "Decides the first weights, the order of sequences and what is dropped."] = 0
    dtype: Annotated[
        Literal["auto", "bf16", "fp32"], "Arithmetic; auto is bf16 where the processor has it. Weights are fp32."
    ] = "auto"
    device: Annotated[Literal["auto", "cpu", "cuda"], "Where to train; auto takes a GPU if there is one."] = "auto"
    threads: Annotated[int | None, "Threads on the CPU; all cores if not given. May change the last bits."] = None
    validate_every: Annotated[
        int, "Validate on a part of the text after so many steps; 0 only at the end.", "steps"
    ] = 200
    validate_tokens: Annotated[int, "Held-out tokens to validate on at most; 0 for no validation.", "tokens"] = 200_000
    reference: Annotated[bool, "Hold the result against xz -9 and a byte 5-gram model."] = True
    checkpoint_every: Annotated[int, "Write a checkpoint after so many steps.", "steps"] = 100
    keep: Annotated[int, "Checkpoints to keep."] = 2
    milestone_every: Annotated[
        int, "Keep the checkpoints of every so many steps for ever, beside the model; 0: of none.", "steps"
    ] = 0
    spike: Annotated[
        float, "Skip a step whose loss lies so many standard deviations above the last ones; 0: skip none for it."
    ] = 10.0
    bad_steps: Annotated[int, "Stop after so many skipped steps in a row.", "steps"] = 10
    recompute: Annotated[bool, "Compute activations again instead of keeping them: less memory, a third slower."] = (
        False
    )

    def __post_init__(self) -> None:
        for name in (
            "context",
            "batch_tokens",
            "micro_batch",
            "steps",
            "threads",
            "checkpoint_every",
            "keep",
            "decay_tokens",
            "bad_steps",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value} and must be at least 1")
        for name in ("epochs", "lr", "clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value} and must be above 0")
        for name in ("validate_every", "validate_tokens", "weight_decay", "warmup_tokens", "milestone_every", "spike"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} is {value} and must not be below 0")
        for name in ("warmup", "cooldown", "min_lr"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be between 0 and 1")
        for name in ("beta1", "beta2", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 0 and below 1")
        if self.milestone_every % self.checkpoint_every:
            raise ValueError(
                f"milestone_every is {self.milestone_every} and must be a multiple of checkpoint_every, {self.checkpoint_every}"
            )
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed} and must be between 0 and {2**63 - 1}")
