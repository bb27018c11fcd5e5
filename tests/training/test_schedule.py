import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.training.schedule import learning_rate


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_it_rises_to_the_highest_and_falls_to_the_lowest(steps, warmup, lowest):
    rates = [learning_rate(step, steps, 2.0, warmup, lowest) for step in range(steps)]
    rising = round(warmup * steps)
    assert 0 <= min(rates) <= max(rates) <= 2.0
    assert rates[:rising] == sorted(rates[:rising])
    assert rates[rising:] == sorted(rates[rising:], reverse=True)
    if steps - rising > 1:
        assert max(rates) == 2.0
        assert rates[-1] == pytest.approx(2.0 * lowest)
    assert rates[0] > 0


def test_known_values():
    assert learning_rate(0, 101, 1.0, 0, 0.1) == 1.0
    assert learning_rate(50, 101, 1.0, 0, 0.1) == pytest.approx(0.55)
    assert learning_rate(4, 100, 1.0, 0.1, 0) == pytest.approx(0.5)
