"""The learning rate of each step."""

import math


def share_of_rate(step: int, steps: int, warmup: float, lowest: float) -> float:
    """What share of the highest learning rate a step has.

    It rises evenly over the share `warmup` of all steps, then falls along a cosine to `lowest` (Brown
    et al. 2020, appendix B). `step` counts from 0; the first step already learns, the last has the lowest.
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    part = (step - rising) / max(1, steps - 1 - rising)
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * part)) / 2
