"""Beam search: the likeliest continuations that are found by keeping several at each step."""

import dataclasses
from collections.abc import Sequence

import torch

from gptkit.model.batch import Batch
from gptkit.model.transformer import Transformer


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """A continuation, without the id that ended it."""

    ids: list[int]
    score: float  # Σ log p / length ** penalty, where the id that ended it counts, too
    ended: bool  # whether it came to `stop_id`


def beam_search(
    model: Transformer,
    prompt: Sequence[int],
    max_tokens: int,
    beams: int,
    length_penalty: float = 1.0,
    stop_id: int | None = None,
    use_cache: bool = True,
) -> list[Hypothesis]:
    """Up to `beams` continuations, the best first.

    A hypothesis ends before `stop_id`, where its step is among the `beams` best ones, or with `max_tokens`. Its score
    is Σ log p / length ** `length_penalty` (Wu et al. 2016 in the simpler form of transformers, whose `early_stopping`
    "never" this is): it goes on until none of those that are left can become better than the worst that is kept. With
    as many beams as there are continuations all of them are compared.
    Raises ValueError for an empty prompt.
    """
    batch = Batch(model, [prompt], use_cache)
    live = [Hypothesis([], 0.0, False)]  # its score is Σ log p while it lives
    kept: list[Hypothesis] = []
    for length in range(1, max_tokens + 1):
        scores = torch.tensor([hypothesis.score for hypothesis in live], device=batch.device)
        totals = batch.logits().log_softmax(dim=-1) + scores[:, None]  # [live, vocab_size]
        # twice as many: one in each beam may end
        best = totals.flatten().topk(min(2 * beams, totals.numel()))
        parents: list[int] = []
        longer: list[Hypothesis] = []
        for rank, (total, place) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            parent, token = divmod(place, totals.shape[1])
            if token == stop_id:
                if rank < beams:
                    kept.append(Hypothesis(live[parent].ids, total / length**length_penalty, True))
            elif len(longer) < beams:
                parents.append(parent)
                longer.append(Hypothesis([*live[parent].ids, token], total, False))
        live = longer
        kept = sorted(kept, key=lambda hypothesis: -hypothesis.score)[:beams]
        # log p only falls, and its sum is below 0: length can help no more than the last one does
        reach = max_tokens if length_penalty > 0 else length
        if not live or (len(kept) == beams and live[0].score / reach**length_penalty <= kept[-1].score):
            return kept
        batch.select(parents)
        batch.append([hypothesis.ids[-1] for hypothesis in live])
    whole = [dataclasses.replace(each, score=each.score / max_tokens**length_penalty) for each in live]
    return sorted([*kept, *whole], key=lambda hypothesis: -hypothesis.score)[:beams]
