"""Sampling text from a model, one token at a time."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gptkit.model.cache import Cache
from gptkit.model.transformer import Transformer


def generate(
    model: Transformer,
    prompt_ids: Sequence[int],
    max_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    stop_id: int | None = None,
    use_cache: bool = True,
) -> Iterator[int]:
    """Yields up to `max_tokens` ids that follow the prompt; ends early before `stop_id`.

    Of a prompt longer than the context its end counts. When the context is full, the older half
    of it is forgotten and the rest read again, as learned positions cannot be shifted; so the
    window is never shorter than half the context, and a cache is filled anew only every
    context / 2 tokens. The windows, and so the output, are the same with and without a cache.
    Raises ValueError for an empty prompt.
    """
    if not prompt_ids:
        raise ValueError("there is no token to start from")
    context = model.config.context
    device = model.head_weight.device
    generator = torch.Generator().manual_seed(seed)
    window = list(prompt_ids[-context:])
    cache = Cache(model.config) if use_cache else None
    for _ in range(max_tokens):
        if len(window) > context:
            window = window[-max(1, context // 2) :]
            cache = Cache(model.config) if use_cache else None
        seen = cache.length if cache is not None else 0
        with torch.inference_mode():
            ids = torch.tensor([window[seen:]], device=device)
            logits = model.head(model.hidden(ids, cache)[0, -1]).float().cpu()
        token = choose(logits, temperature, top_k, top_p, generator)
        if token == stop_id:
            return
        yield token
        window.append(token)


def choose(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator
) -> int:
    """Draws an id from float32 logits [vocabulary]; the likeliest one at temperature 0, or next to it.

    `top_k` keeps the k likeliest ids, `top_p` (Holtzman et al. 2019) the fewest likeliest ones
    that have this probability together. Both are applied after the temperature.
    """
    if temperature < torch.finfo(torch.float32).tiny:
        return int(logits.argmax())
    scaled = (logits - logits.max()) / temperature  # a small temperature makes -inf of these, never inf
    probabilities, order = scaled.softmax(dim=-1).sort(descending=True, stable=True)
    if top_k:
        probabilities[top_k:] = 0
    if top_p is not None:
        before = probabilities.cumsum(0) / probabilities.sum() - probabilities / probabilities.sum()
        probabilities[before >= top_p] = 0
        # the likeliest stays at any top_p, because nothing stands before it unless top_p is 0
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])
