"""The learning rate of each step, as a share of the highest."""

import dataclasses
import math

from gptkit.training.settings import TrainSettings


@dataclasses.dataclass(frozen=True)
class RateSchedule:
    """Rises evenly over `rising` tokens, stays, and falls between `start` and `end` to `lowest`, where it stays.

    It falls along a cosine (Brown et al. 2020, appendix B), or evenly (Hägele et al. 2024, who call it a cooldown).
    All in tokens, so that it is the same curve for steps of any size.
    """

    rising: int
    start: int
    end: int
    lowest: float
    even: bool

    def share(self, before: int, after: int) -> float:
        """The share of a step that begins behind so many tokens and ends behind so many: the first one already learns."""
        if before < self.rising:
            return min(1.0, after / self.rising)
        if before < self.start:
            return 1.0
        part = min(1.0, (before - self.start) / (self.end - self.start)) if self.end > self.start else 1.0
        left = 1 - part if self.even else (1 + math.cos(math.pi * part)) / 2
        return self.lowest + (1 - self.lowest) * left


def rate_schedule(settings: TrainSettings, tokens: int, last_step: int) -> RateSchedule:
    """The schedule of a run of so many tokens, of which the last step takes `last_step`: it has the lowest rate.

    A warm-up that is a share of the run is a whole number of steps.
    """
    rising = settings.warmup_tokens
    if rising is None:
        rising = round(settings.warmup * tokens / last_step) * last_step
    even = settings.schedule == "wsd"
    start = max(rising, tokens - round(settings.cooldown * tokens)) if even else rising
    end = settings.decay_tokens or max(start, tokens - last_step)
    return RateSchedule(rising, start, end, settings.min_lr, even)
