import dataclasses
import math

import numpy as np
import pytest

from gptkit.training.guard import FIRST, Guard


def test_what_is_no_number_is_skipped_and_counted():
    guard = Guard()
    assert guard.judge(3.0, 1.0, 10) == ""
    assert guard.judge(math.nan, 1.0, 10) == "the loss is nan"
    assert guard.judge(2.0, math.inf, 10) == "the gradient's length is inf"
    assert (guard.skipped, guard.in_a_row, guard.seen) == (2, 2, 1)
    assert guard.judge(2.0, 1.0, 10) == ""
    assert (guard.skipped, guard.in_a_row, guard.seen) == (2, 0, 2)


def test_a_leap_is_told_from_noise():
    generator = np.random.default_rng(0)
    guard = Guard()
    for step in range(500):
        loss = 4 * math.exp(-step / 100) + 2 + generator.normal(0, 0.05)
        assert guard.judge(loss, 1.0, 6.0) == ""
    assert "leapt to 3.000" in guard.judge(3.0, 1.0, 6.0)
    assert guard.judge(2.1, 1.0, 6.0) == ""
    assert guard.judge(3.0, 1.0, 0) == ""  # leaps are allowed


def test_nothing_leaps_in_the_beginning_and_a_still_loss_has_no_ripples():
    guard = Guard()
    for step in range(FIRST):
        assert guard.judge(9.0 if step % 7 == 0 else 1.0, 1.0, 3.0) == ""
    still = Guard()
    for _ in range(300):
        still.judge(2.0, 1.0, 6.0)
    assert still.judge(2.05, 1.0, 6.0) == ""
    assert still.judge(2.07, 1.0, 6.0) != ""


def test_the_mean_and_the_spread_are_those_of_the_first_steps():
    losses = np.random.default_rng(1).normal(3, 0.2, 40)
    guard = Guard()
    for loss in losses:
        guard.judge(float(loss), 1.0, 10)
    assert guard.mean == pytest.approx(losses.mean())
    assert guard.variance == pytest.approx(losses.var())
    assert Guard(**dataclasses.asdict(guard)) == guard
