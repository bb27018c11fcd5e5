import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.training.schedule import rate_schedule
from gptkit.training.settings import TrainSettings


def shares(steps, size=8, **settings):
    schedule = rate_schedule(TrainSettings(**settings), steps * size, size)
    return [schedule.share(step * size, (step + 1) * size) for step in range(steps)]


@given(
    st.integers(1, 300), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["cosine", "wsd"]),
    st.floats(0, 1),
)  # fmt: skip
def test_it_rises_to_the_highest_and_falls_to_the_lowest(steps, size, warmup, lowest, kind, cooldown):
    found = shares(steps, size, warmup=warmup, min_lr=lowest, schedule=kind, cooldown=cooldown)
    rising = round(warmup * steps)
    assert 0 <= min(found) <= max(found) <= 1.0
    assert found[:rising] == sorted(found[:rising])
    assert found[rising:] == sorted(found[rising:], reverse=True)
    assert found[0] > 0 or lowest == 0
    if steps - rising > 1 and kind == "cosine":
        assert found[rising] == 1.0
        assert found[-1] == pytest.approx(lowest)


def test_cosine():
    assert shares(101, warmup=0, min_lr=0.1)[:51:50] == [1.0, pytest.approx(0.55)]
    assert shares(100, warmup=0.1, min_lr=0)[4] == pytest.approx(0.5)


def test_warmup_stable_decay():
    found = shares(100, warmup=0.1, min_lr=0, schedule="wsd", cooldown=0.2)
    assert found[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert found[10:81] == [1.0] * 71
    assert found[80:] == pytest.approx([1 - step / 19 for step in range(20)])


def test_gpt3s_is_counted_in_tokens():
    # Brown et al. 2020: warm-up over 375M tokens, cosine to 10 % over 260B, then constant; steps of 3.2M tokens
    settings = TrainSettings(warmup_tokens=375_000_000, decay_tokens=260_000_000_000, min_lr=0.1)
    schedule = rate_schedule(settings, 300_000_000_000, 3_200_000)
    assert schedule.share(0, 3_200_000) == pytest.approx(3.2 / 375)
    assert schedule.share(375_000_000, 378_200_000) == 1.0
    half = (260_000_000_000 + 375_000_000) // 2
    assert schedule.share(half, half + 3_200_000) == pytest.approx(0.55)
    assert schedule.share(260_000_000_000, 260_003_200_000) == pytest.approx(0.1)
    assert schedule.share(299_000_000_000, 299_003_200_000) == pytest.approx(0.1)
