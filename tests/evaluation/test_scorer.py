import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.errors import GptkitError
from gptkit.evaluation.requests import Request
from gptkit.evaluation.scorer import Scorer, group_of
from gptkit.model.config import ModelConfig
from gptkit.model.transformer import Transformer

CONTEXT, VOCABULARY = 48, 60


@pytest.fixture(scope="module")
def model() -> Transformer:
    model = Transformer(ModelConfig(VOCABULARY, CONTEXT, 2, 2, 16), seed=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)  # far from uniform predictions
    return model


def brute_force(model: Transformer, request: Request) -> tuple[float, bool]:
    """The whole text read by itself, every logit of it."""
    ids = torch.tensor([[*request.context, *request.continuation]])[:, :-1]
    with torch.inference_mode():
        logits = model(ids)[0, len(request.context) - 1 :].double()
    target = torch.tensor(request.continuation)
    chosen = logits.log_softmax(-1).gather(1, target[:, None]).sum()
    return float(chosen), bool((logits.argmax(-1) == target).all())


def items(seed: int, count: int = 40) -> list[list[Request]]:
    """Items of one to four choices: shared contexts, contexts of their own, single tokens, doubles."""
    draw = random.Random(seed)

    def tokens(longest: int) -> tuple[int, ...]:
        return tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(1, longest)))

    found = []
    for _ in range(count):
        context = tokens(36)
        kind = draw.randrange(4)
        choices = [tokens(1 if kind == 0 else 10) for _ in range(draw.randint(1, 4))]
        if kind == 1:
            found.append([Request((*context[:-1], *tokens(3)), choice) for choice in choices])
        elif kind == 2:
            found.append([Request(context, (*choices[0], *choice[:1])) for choice in choices])
        else:
            found.append([Request(context, choice) for choice in choices])
    return found + found[:3]


def test_scores_are_those_of_the_whole_text_read_alone(model: Transformer) -> None:
    asked = items(1)
    scorer = Scorer(model, 200)
    scorer.score(scorer.groups(asked))
    for request in (request for requests in asked for request in requests):
        logprob, greedy = brute_force(model, request)
        assert scorer[request].logprob == pytest.approx(logprob, rel=1e-5, abs=1e-4)
        assert scorer[request].greedy == greedy


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), batch_tokens=st.sampled_from([1, 30, 77, 500, 100_000]))
def test_scores_do_not_depend_on_the_batch(model: Transformer, seed: int, batch_tokens: int) -> None:
    asked = items(seed, 12)
    alone, together = Scorer(model, 1), Scorer(model, batch_tokens)
    alone.score(alone.groups(asked))
    together.score(together.groups(reversed(asked)))
    for request in (request for requests in asked for request in requests):
        assert together[request].logprob == pytest.approx(alone[request].logprob, rel=1e-5, abs=1e-4)


def test_greedy_is_the_models_own_continuation(model: Transformer) -> None:
    ids = [5, 6, 7]
    with torch.inference_mode():
        for _ in range(6):
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    right = Request(tuple(ids[:3]), tuple(ids[3:]))
    wrong = Request(tuple(ids[:3]), (*ids[3:-1], (ids[-1] + 1) % VOCABULARY))
    scorer = Scorer(model, 100)
    scorer.score(scorer.groups([[right, wrong]]))
    assert scorer[right].greedy
    assert not scorer[wrong].greedy


class Counting(Transformer):
    """Counts the tokens it reads."""

    read = 0

    def hidden(self, ids, cache=None):  # type: ignore[no-untyped-def]
        self.read += ids.numel()
        return super().hidden(ids, cache)


def test_nothing_is_read_twice() -> None:
    model = Counting(ModelConfig(VOCABULARY, CONTEXT, 1, 1, 8)).eval()
    context = tuple(range(30))
    scorer = Scorer(model, 1000)
    asked = [[Request(context, (token,)) for token in range(4)]]
    scorer.score(scorer.groups(asked))
    assert model.read == 30  # choices of one token: one row for all
    scorer.score(scorer.groups(asked * 2))
    assert model.read == 30  # answered before
    scorer.score(scorer.groups([[Request(context, (token, token, token)) for token in range(4)]]))
    assert model.read == 30 + 29 + 4 * 3  # choices of three: what they share once
    scorer.forget()
    scorer.score(scorer.groups(asked))
    assert model.read == 30 + 29 + 4 * 3 + 30


@given(st.integers(0, 10**6))
def test_each_request_is_in_one_row_that_begins_with_what_it_reads(seed: int) -> None:
    for requests in items(seed, 6):
        group = group_of(list(dict.fromkeys(requests)))
        placed = [(row, request) for row in group.rows for request in row.requests]
        assert sorted(request for _, request in [(r, (q.context, q.continuation)) for r, q in placed]) == sorted(
            {(request.context, request.continuation) for request in requests}
        )
        assert all(row.tokens[: len(request.read)] == request.read for row, request in placed)
        assert len({row.tokens[: group.shared] for row in group.rows}) == 1
        assert all(group.shared < len(request.context) for _, request in placed) or group.shared == 0


def test_a_diverged_model_is_said() -> None:
    model = Transformer(ModelConfig(VOCABULARY, CONTEXT, 1, 1, 8)).eval()
    with torch.no_grad():
        model.norm.weight.fill_(float("nan"))
    scorer = Scorer(model, 100)
    with pytest.raises(GptkitError, match="diverged"):
        scorer.score(scorer.groups([[Request((1,), (2,))]]))
