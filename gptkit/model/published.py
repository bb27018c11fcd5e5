"""How the published models were trained, as their papers say it. What a paper does not say is None."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Published:
    """The settings of one training run."""

    paper: str
    batch_tokens: int | None = None  # a step, at its largest
    learning_rate: float | None = None  # the highest
    warmup: str | None = None  # in which it rises linearly
    decay: str | None = None  # and how it falls
    betas: tuple[float, float] | None = None  # of Adam
    weight_decay: float | None = None
    clip: float | None = None  # longest gradient
    dropout: float | None = None


GPT1 = Published(
    "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section 4.1",
    batch_tokens=64 * 512,
    learning_rate=2.5e-4,
    warmup="2,000 steps",
    decay="cosine to 0",
    weight_decay=0.01,
    dropout=0.1,
)
GPT2 = Published(
    "Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3", batch_tokens=512 * 1024
)
_GPT3 = Published(
    "Brown et al. 2020, Language Models are Few-Shot Learners (arXiv:2005.14165), table 2.1 and appendix B",
    warmup="375M tokens; the batch grows linearly from 32k tokens over the first 4 to 12 billion",
    decay="cosine to 10 % over 260B tokens, then constant",
    betas=(0.9, 0.95),
    weight_decay=0.1,
    clip=1.0,
)
_LLAMA = Published(
    "Touvron et al. 2023, LLaMA (arXiv:2302.13971) and Llama 2 (arXiv:2307.09288), section 2",
    warmup="2,000 steps",
    decay="cosine to 10 %",
    betas=(0.9, 0.95),
    weight_decay=0.1,
    clip=1.0,
)
_GPT3_RUNS = {  # batch in tokens and highest learning rate of table 2.1
    "125m": (500_000, 6e-4),
    "350m": (500_000, 3e-4),
    "760m": (500_000, 2.5e-4),
    "1.3b": (1_000_000, 2e-4),
    "2.7b": (1_000_000, 1.6e-4),
    "6.7b": (2_000_000, 1.2e-4),
    "13b": (2_000_000, 1e-4),
    "175b": (3_200_000, 0.6e-4),
}

PUBLISHED: dict[str, Published] = {
    "gpt1": GPT1,
    **dict.fromkeys(("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"), GPT2),
    **{
        f"gpt3-{size}": dataclasses.replace(_GPT3, batch_tokens=batch, learning_rate=rate)
        for size, (batch, rate) in _GPT3_RUNS.items()
    },
    **dict.fromkeys(("llama-7b", "llama-13b", "llama2-7b", "llama2-13b", "llama2-70b"), _LLAMA),
}
