"""The learning rate of each step."""

import math


def learning_rate(step: int, steps: int, highest: float, warmup: float, lowest: float) -> float:
    """Linear warm-up over the share `warmup` of all steps, then a cosine down to `lowest` · `highest`.

    `step` counts from 0. The first step already learns, and the last one has the lowest rate
    (the schedule of Brown et al. 2020, appendix B).
    """
    rising = round(warmup * steps)
    if step < rising:
        return highest * (step + 1) / rising
    part = (step - rising) / max(1, steps - 1 - rising)
    return highest * (lowest + (1 - lowest) * (1 + math.cos(math.pi * part)) / 2)
