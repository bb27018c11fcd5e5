from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.sampling.asks import Ask, read_ask
from gptkit.sampling.shares import decided_by, disagreements, divide, shares

# table 2.2 of the paper on GPT-3: tokens in thousand millions, weight, epochs at 300
GPT3 = [("cc", 410, 0.60, 0.44), ("webtext2", 19, 0.22, 2.9), ("books1", 12, 0.08, 1.9)]
GPT3 += [("books2", 55, 0.08, 0.43), ("wikipedia", 3, 0.03, 3.4)]
ASKS = [Ask(name, weight, epochs) for name, _, weight, epochs in GPT3]
SIZES = [size * 10**9 for _, size, _, _ in GPT3]


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 10**9)), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(0, 10**10)),
)
def test_by_weights_the_budget_is_met_to_the_unit(sources, budget):
    weights, sizes = zip(*sources, strict=True)
    asks = [Ask(str(place), weight) for place, weight in enumerate(weights)]
    taken = shares(asks, sizes, budget, "weights")
    total = sum(share.wanted for share in taken)
    assert budget is None or total == budget
    for weight, size, share in zip(weights, sizes, taken, strict=True):
        assert abs(share.wanted - total * Fraction(weight) / sum(map(Fraction, weights))) < 1
        assert share.epochs * size + share.rest == share.wanted
        assert 0 <= share.rest < size
        if budget is None:
            assert share.wanted <= size
    if budget is None:  # as much as there is of the one that ends first
        assert any(share.wanted >= size - 1 for size, share in zip(sizes, taken, strict=True))


def test_epochs_alone_decide_or_are_scaled_to_a_budget():
    asks = [Ask("a", None, 1.5), Ask("b", None, 0.25)]
    assert [share.wanted for share in shares(asks, [100, 1000], None, "epochs")] == [150, 250]
    assert [share.wanted for share in shares(asks, [100, 1000], 800, "epochs")] == [300, 500]
    assert shares(asks, [100, 1000], None, "epochs")[0].epochs == 1


def test_the_mixture_of_gpt3():
    taken = shares(ASKS, SIZES, 300 * 10**9, "weights")
    assert sum(share.wanted for share in taken) == 300 * 10**9
    epochs = [share.wanted / size for share, size in zip(taken, SIZES, strict=True)]
    assert epochs == pytest.approx([0.4347, 3.439, 1.980, 0.4320, 2.970], rel=1e-3)
    lines = disagreements(ASKS, SIZES, taken, "weights")
    assert [line.split(":")[0] for line in lines] == ["webtext2", "wikipedia"]
    assert "2.9 epochs were asked for and 3.44 follow" in lines[0]
    other = shares(ASKS, SIZES, 300 * 10**9, "epochs")
    lines = disagreements(ASKS, SIZES, other, "epochs")
    assert sum(share.wanted for share in other) == 300 * 10**9
    assert [line.split(":")[0] for line in lines] == ["webtext2", "wikipedia"]


@given(st.integers(0, 1000), st.lists(st.fractions(Fraction(1, 1000), 1000), min_size=1, max_size=5))
def test_largest_remainders_add_up(budget, weights):
    parts = divide(budget, weights)
    assert sum(parts) == budget
    assert all(abs(part - budget * weight / sum(weights)) < 1 for part, weight in zip(parts, weights, strict=True))


def test_what_decides():
    both, weight, epochs = Ask("b", 1.0, 2.0), Ask("w", 1.0), Ask("e", None, 1.0)
    assert decided_by([both, weight], "weights") == "weights"
    assert decided_by([both], "epochs") == "epochs"
    assert decided_by([epochs, epochs], "weights") == "epochs"
    with pytest.raises(ValueError, match="'e' was not given a weight"):
        decided_by([both, weight, epochs], "weights")
    with pytest.raises(ValueError, match="'w' was not given epochs"):
        decided_by([both, weight], "epochs")


@pytest.mark.parametrize(
    ("argument", "ask", "path"),
    [
        ("web=0.6:clean", Ask("web", 0.6), "clean"),
        ("web=.6:a:b#c", Ask("web", 0.6), "a:b#c"),
        ("w.1=1.9x:p", Ask("w.1", None, 1.9), "p"),
        ("w=0.08,1.9x:p", Ask("w", 0.08, 1.9), "p"),
        ("w=1.9x,8e-2:p", Ask("w", 0.08, 1.9), "p"),
    ],
)
def test_what_an_argument_asks(argument, ask, path):
    assert read_ask(argument) == (ask, path)


@pytest.mark.parametrize("argument", ["p", "w=1", "w=:p", "w=0:p", "w=nan:p", "w=1,2:p", "w=1x,2x:p", "w=x:p", "=1:p"])
def test_what_asks_nothing(argument):
    assert read_ask(argument) is None
