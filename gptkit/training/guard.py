"""Which steps are skipped: those whose loss or gradient is no number, and those whose loss leaps."""

import dataclasses
import math

MEMORY = 0.98  # of the running mean and variance of the loss: about the last fifty steps
FIRST = 50  # steps before a leap can be told
LEAST_SPREAD = 0.005  # of the mean: on a loss that hardly moves, every ripple would be a leap


@dataclasses.dataclass
class Guard:
    """Judges each step before the weights are changed. All of it is kept in checkpoints, so that a run that goes on
    judges as if it had not stopped."""

    seen: int = 0  # steps that counted
    mean: float = 0.0  # of their losses, lately
    variance: float = 0.0
    skipped: int = 0
    in_a_row: int = 0  # the last ones, if they were skipped

    def z_score(self, loss: float) -> float:
        """How many standard deviations a loss lies above the mean; 0 in the beginning."""
        if self.seen < FIRST:
            return 0.0
        return (loss - self.mean) / max(math.sqrt(self.variance), LEAST_SPREAD * abs(self.mean), 1e-12)

    def judge(self, loss: float, norm: float, spike: float) -> str:
        """Why a step is to be skipped, empty where it is not; and counts it. `spike`: the z-score that is too high; 0:
        none is."""
        why = ""
        if not math.isfinite(loss):
            why = f"the loss is {loss}"
        elif not math.isfinite(norm):
            why = f"the gradient's length is {norm}"
        elif spike and self.z_score(loss) > spike:
            why = f"the loss leapt to {loss:.3f}, {self.z_score(loss):.0f} standard deviations above {self.mean:.3f}"
        if why:
            self.skipped += 1
            self.in_a_row += 1
            return why
        self.in_a_row = 0
        self.seen += 1
        away = loss - self.mean
        share = max(1 - MEMORY, 1 / self.seen)  # at first the plain mean
        self.mean += share * away
        self.variance = (1 - share) * (self.variance + share * away * away)
        return ""
