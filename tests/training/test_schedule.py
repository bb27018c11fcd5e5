import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.training.schedule import share_of_rate


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_it_rises_to_the_highest_and_falls_to_the_lowest(steps, warmup, lowest):
    rates = [share_of_rate(step, steps, warmup, lowest) for step in range(steps)]
    rising = round(warmup * steps)
    assert 0 <= min(rates) <= max(rates) <= 1.0
    assert rates[:rising] == sorted(rates[:rising])
    assert rates[rising:] == sorted(rates[rising:], reverse=True)
    if steps - rising > 1:
        assert max(rates) == 1.0
        assert rates[-1] == pytest.approx(lowest)
    assert rates[0] > 0


def test_known_values():
    assert share_of_rate(0, 101, 0, 0.1) == 1.0
    assert share_of_rate(50, 101, 0, 0.1) == pytest.approx(0.55)
    assert share_of_rate(4, 100, 0.1, 0) == pytest.approx(0.5)
