"""Beam search against all continuations there are, and against transformers."""

import dataclasses
import itertools

import pytest
import torch
from families import llama, made

from gptkit.model.beam import beam_search
from gptkit.model.config import Mixture, ModelConfig
from gptkit.model.exchange.gpt2 import GPT2 as FORM
from gptkit.model.generate import generate
from gptkit.model.sampling_rules import GREEDY

GPT2 = ModelConfig(vocab_size=3, context=16, layers=2, heads=2, width=16)
LLAMA = llama(GPT2)
CONFIGS = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "window": dataclasses.replace(LLAMA, attention=("local:3",)),
    "mixture": dataclasses.replace(LLAMA, mixture=Mixture(4, 2), sinks=True),
    "short": dataclasses.replace(GPT2, context=4),
}
STOP = 2


def log_probability(model, prompt, ids):
    """Read anew for each token, by the rule of windows."""
    context, total = model.config.context, 0.0
    window = prompt[-context:]
    for token in ids:
        if len(window) > context:
            window = window[-(context // 2) :]
        total += float(model(torch.tensor([window]))[0, -1].log_softmax(-1)[token])
        window = [*window, token]
    return total


@torch.no_grad()
def all_continuations(model, prompt, length, penalty, stop):
    """(score, ids), the best first."""
    found = []
    for size in range(1, length + 1):
        for ids in itertools.product(range(3), repeat=size):
            if stop in ids[:-1] or (size < length and ids[-1] != stop):
                continue
            score = log_probability(model, prompt, list(ids)) / size**penalty
            found.append((score, [token for token in ids if token != stop]))
    return sorted(found, key=lambda each: -each[0])


@pytest.mark.parametrize("penalty", [1.0, 0.0, 2.5, -1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_with_enough_beams_all_continuations_are_compared(name, penalty):
    model = made(CONFIGS[name])
    for prompt in ([1], [0, 2, 1, 1, 2]):
        expected = all_continuations(model, prompt, 4, penalty, STOP)
        found = beam_search(model, prompt, 4, 3**4, penalty, STOP)
        assert len(found) == len(expected)
        for hypothesis, (score, ids) in list(zip(found, expected, strict=True))[:5]:
            assert hypothesis.score == pytest.approx(score, abs=1e-4)
            assert hypothesis.ids == ids
        anew = beam_search(model, prompt, 4, 3**4, penalty, STOP, use_cache=False)
        assert [each.ids for each in anew[:5]] == [each.ids for each in found[:5]]


def test_one_beam_is_greedy():
    model = made(dataclasses.replace(LLAMA, vocab_size=61))
    greedy = generate(model, [[1, 2]], 40, GREEDY, [0])[0]  # beyond the context
    (found,) = beam_search(model, [1, 2], 40, 1)
    assert found.ids == greedy
    assert not found.ended
    with pytest.raises(ValueError, match="no token"):
        beam_search(model, [], 3, 2)


@pytest.mark.parametrize("penalty", [1.0, 0.0, 2.0, -0.5])
@pytest.mark.parametrize("beams", [2, 5])
def test_what_is_found_is_what_transformers_finds(beams, penalty):
    transformers = pytest.importorskip("transformers")
    config = dataclasses.replace(GPT2, vocab_size=23, context=32)
    for seed in range(4):
        model = made(config, seed)
        theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**FORM.describe(config, STOP)))
        theirs.load_state_dict(FORM.give(model.state_dict(), config), strict=False)
        theirs.eval()
        prompt = [seed + 3, 1, 7]
        given = theirs.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, 3),
            max_new_tokens=12,
            num_beams=beams,
            num_return_sequences=beams,
            length_penalty=penalty,
            early_stopping="never",
            do_sample=False,
            eos_token_id=STOP,
            pad_token_id=STOP,
            return_dict_in_generate=True,
            output_scores=True,
        )
        found = beam_search(model, prompt, 12, beams, penalty, STOP)
        expected = [[token for token in row[3:].tolist() if token != STOP] for row in given.sequences]
        assert [hypothesis.ids for hypothesis in found] == expected
        scores = torch.tensor([each.score for each in found])
        torch.testing.assert_close(scores, given.sequences_scores, rtol=1e-3, atol=1e-4)
