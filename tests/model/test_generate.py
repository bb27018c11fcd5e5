"""Batches, caches and streams give what each text gives alone, read anew at each step."""

import dataclasses

import pytest
import torch
from families import gpt_oss, llama, made
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gptkit.model.batch import Batch
from gptkit.model.config import Mixture, ModelConfig
from gptkit.model.generate import Generation, Speed, generate, start
from gptkit.model.sampling_rules import GREEDY, SamplingRule, choose
from gptkit.model.stream import TextStream, write
from gptkit.model.text import Codec

GPT2 = ModelConfig(vocab_size=61, context=16, layers=2, heads=4, width=32)
LLAMA = llama(GPT2)
CONFIGS = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "window": dataclasses.replace(LLAMA, attention=("local:3",), qk_norm=True),
    "sparse": dataclasses.replace(GPT2, attention=("fixed:4:1", "dilated:3:2")),
    "mixture": dataclasses.replace(LLAMA, mixture=Mixture(4, 2)),
    "gpt-oss": gpt_oss(GPT2, 5),
    "odd": dataclasses.replace(GPT2, context=7),
}
TINY_CONTEXTS = [1, 2, 3]
PROMPTS = [[4], list(range(11)), list(range(40)), [5, 6, 7], [4], list(range(16))]
SAMPLING = SamplingRule(0.9, top_k=30, top_p=0.95)


@pytest.fixture(scope="module", params=CONFIGS)
def model(request):
    return made(CONFIGS[request.param])


@pytest.mark.parametrize("rule", [GREEDY, SAMPLING, SamplingRule()], ids=["greedy", "sampling", "plain"])
def test_rows_of_a_batch_are_those_of_each_alone_with_and_without_a_cache(model, rule):
    seeds = range(len(PROMPTS))
    together = generate(model, PROMPTS, 40, rule, seeds)
    assert [len(row) for row in together] == [40] * len(PROMPTS)
    alone = [generate(model, [each], 40, rule, [seed])[0] for each, seed in zip(PROMPTS, seeds, strict=True)]
    assert together == alone
    assert together == generate(model, PROMPTS, 40, rule, seeds, use_cache=False)
    assert rule.greedy or together[0] != together[4]


@pytest.mark.parametrize("context", TINY_CONTEXTS)
@pytest.mark.parametrize("attention", ["dense", "local:2"])
def test_contexts_of_a_few_tokens(context, attention):
    model = made(dataclasses.replace(GPT2, context=context, attention=(attention,)))
    together = generate(model, PROMPTS, 12, GREEDY, [0] * len(PROMPTS))
    assert together == generate(model, PROMPTS, 12, GREEDY, [0] * len(PROMPTS), use_cache=False)


def test_greedy_takes_what_the_whole_text_makes_likeliest(model):
    """By hand, with the rule of windows: the older half goes when one is longer than the context."""
    context = model.config.context
    for prompt, found in zip(PROMPTS, generate(model, PROMPTS, 30, GREEDY, [0] * len(PROMPTS)), strict=True):
        window = prompt[-context:]
        for token in found:
            if len(window) > context:
                window = window[-(context // 2) :]
            assert token == model(torch.tensor([window]))[0, -1].argmax()
            window = [*window, token]


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), max_size=5),
)
def test_rows_that_end_leave_the_others_as_they_are(lengths, ends):
    model = made(CONFIGS["window"])
    prompts = [[(7 * row + at) % 61 for at in range(length)] for row, length in enumerate(lengths)]
    whole = generate(model, prompts, 30, GREEDY, [0] * len(prompts))
    generation = start(model, prompts, 30, GREEDY, [0] * len(prompts))
    found = [[] for _ in prompts]
    for row, token in generation:
        found[row].append(token)
        if (row, len(found[row])) in ends:
            generation.end(row)
    for row, tokens in enumerate(found):
        stop = min([at for each, at in ends if each == row], default=30)
        assert tokens == whole[row][:stop]


def test_rows_end_before_the_stop_id_and_prompts_are_read_once():
    model = made(CONFIGS["llama"])
    whole = generate(model, PROMPTS, 20, GREEDY, [0] * len(PROMPTS))
    stop = whole[1][5]
    speed = Speed()
    generation = start(model, PROMPTS, 20, GREEDY, [0] * len(PROMPTS), stop, speed=speed)
    found = [[] for _ in PROMPTS]
    for row, token in generation:
        found[row].append(token)
    assert found == [row[: row.index(stop)] if stop in row else row for row in whole]
    assert generation.stopped == {row for row, tokens in enumerate(whole) if stop in tokens}
    assert speed.written == sum(map(len, found))
    assert speed.read == 1 + 11 + 16 + 3 + 16  # what is there twice, once
    assert "prompt: 47 tokens" in str(speed)
    with pytest.raises(ValueError, match="no token"):
        generate(model, [[1], []], 1, GREEDY, [0, 0])


def test_a_text_in_the_place_of_another_is_read_from_where_they_differ(model):
    batch = Batch(model, [[1, 2, 3, 4]])
    list(Generation(batch, 2, GREEDY, [0]))
    for text, unread in (([1, 2, 3, 9, 9, 9], 3), ([1, 2, 3, 9, 9, 9], 1), ([1, 2, 3, 9], 1), ([8] * 30, None)):
        batch.replace(text)
        if unread and len(text) <= model.config.context:
            assert len(batch.windows[0]) - batch.read == unread
        torch.testing.assert_close(batch.logits(), Batch(model, [text]).logits(), rtol=1e-4, atol=1e-4)


def test_a_window_that_has_moved_on_is_read_again():
    model = made(dataclasses.replace(CONFIGS["window"], context=200))
    batch = Batch(model, [list(range(50))])
    list(Generation(batch, 100, GREEDY, [0]))
    batch.replace([*range(40), 3])
    assert batch.read == 0
    torch.testing.assert_close(batch.logits(), Batch(model, [[*range(40), 3]]).logits(), rtol=1e-4, atol=1e-4)
    batch.append([5])
    batch.logits()
    batch.replace([*range(40), 3])
    assert batch.read == 40
    torch.testing.assert_close(batch.logits(), Batch(model, [[*range(40), 3]]).logits(), rtol=1e-4, atol=1e-4)


def row_generators(seed=0):
    return [torch.Generator().manual_seed(seed)]


@pytest.mark.parametrize("temperature", [0, 1e-30, 1e-38, 1e-40, 5e-324])
def test_next_to_temperature_0_the_likeliest_is_drawn(temperature):
    for logits in (torch.tensor([[-3.0, 8.0, 1e6, 7.0]]), torch.tensor([[-3e3, -8e3, -1e3, -7e3]])):
        for top_p in (None, 0.5):
            assert choose(logits, SamplingRule(temperature, None, top_p), row_generators()) == [2]


def test_draws_follow_the_probabilities():
    logits = torch.tensor([0.3, 2.0, -1.0, 1.5])
    generators = [torch.Generator().manual_seed(seed) for seed in range(4000)]

    def close(rule, expected):
        drawn = choose(logits.expand(4000, -1), rule, generators)
        found = torch.bincount(torch.tensor(drawn), minlength=4) / 4000
        torch.testing.assert_close(found, expected, rtol=0, atol=0.04)

    close(SamplingRule(), logits.softmax(0))
    close(SamplingRule(0.5), (logits * 2).softmax(0))
    two = torch.where(logits >= 1.5, logits, -torch.inf).softmax(0)
    close(SamplingRule(top_k=2), two)
    assert logits.softmax(0)[1] < 0.6  # so that two are needed
    close(SamplingRule(top_p=0.6), two)
    close(SamplingRule(top_p=0.01), torch.tensor([0.0, 1, 0, 0]))
    close(SamplingRule(top_k=2, top_p=0.6), torch.tensor([0.0, 1, 0, 0]))  # of the two it has 0.62


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_top_p_keeps_what_a_whole_sort_does(scale):
    logits = scale * torch.randn(2000, generator=torch.Generator().manual_seed(0))
    probabilities, order = logits.softmax(0).sort(descending=True)
    size = 1 + int((probabilities.double().cumsum(0) < 0.8).sum())
    kept = set(order[:size].tolist())
    drawn = {choose(logits[None], SamplingRule(top_p=0.8), row_generators(seed))[0] for seed in range(3000)}
    assert drawn <= kept
    assert scale == 0.1 or len(drawn) > size / 3


TEXT = "The quick brown fox — naïve 日本 🙂 jumps.\n\tdef f(x): return x**2\n" * 20


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    path = tmp_path_factory.mktemp("codec") / "tokenizer.json"
    tokenizer.save(str(path))
    return Codec(path)


@pytest.fixture(scope="module")
def llama_codec(tmp_path_factory):
    """As Llama's: a word begins with ▁, whose space the first word of a text loses; other bytes are tokens."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁a", "a", "b", "▁b", "é"]
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    path = tmp_path_factory.mktemp("codec") / "tokenizer.json"
    tokenizer.save(str(path))
    return Codec(path)


def pushed(codec, ids, stops=(), prompt=()):
    stream = TextStream(codec, prompt, stops)
    pieces = [stream.push(token) for token in ids]
    return [*pieces, stream.finish()], stream


@given(st.text(st.sampled_from("ab é日🙂\ufffd\n"), max_size=30))
def test_streamed_text_is_the_text(codec, text):
    ids = codec.encode(text)
    pieces, stream = pushed(codec, ids)
    assert "".join(pieces) == stream.text == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in pieces)


@given(st.lists(st.integers(0, 269), max_size=100))
def test_streamed_tokens_that_are_no_text_are_what_they_decode_to(codec, ids):
    pieces, _ = pushed(codec, ids)
    assert "".join(pieces) == codec.decode(ids)


@given(st.text(st.sampled_from("ab é日"), max_size=20))
def test_spaces_between_words_and_bytes_of_characters(llama_codec, text):
    vocabulary = {"a": 259, "b": 260}
    ids = []
    for character in text:
        ids += [257] if character == " " else [vocabulary[character]] if character in vocabulary else []
        if character in "é日":
            ids += [1 + byte for byte in character.encode()]
    pieces, _ = pushed(llama_codec, ids, prompt=[259])
    assert "".join(pieces) == text
    assert "".join(pushed(llama_codec, ids)[0]) == llama_codec.decode(ids)


@given(
    st.text(st.sampled_from("ab\n日"), max_size=30),
    st.lists(st.text(st.sampled_from("ab\n日"), min_size=1, max_size=4), max_size=3),
)
def test_text_ends_before_the_first_stop_string_that_is_complete(codec, text, stops):
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    expected = text
    if ends:
        expected = text[: ends[0] - max(len(stop) for stop in stops if text[: ends[0]].endswith(stop))]
    pieces, stream = pushed(codec, codec.encode(text), stops)
    assert "".join(pieces) == expected
    assert stream.stopped == bool(ends)


def test_what_may_begin_a_stop_string_is_held_back(codec):
    stream = TextStream(codec, stops=["\nUser:"])
    pieces = [stream.push(token) for token in map(codec.encode, "x\nUsx\nUser:y") for token in token]
    assert pieces == ["x", "", "", "", "\nUsx", "", "", "", "", "", "", ""]
    assert stream.finish() == ""
    stream = TextStream(codec, stops=["\nUser:"])
    assert "".join(stream.push(token) for token in codec.encode("a\nUs")) + stream.finish() == "a\nUs"


def test_rows_end_at_stop_strings(codec):
    model = made(dataclasses.replace(GPT2, vocab_size=codec.vocab_size))
    prompts = [codec.encode("The"), codec.encode("fox — naïve")]

    def written(stops):
        streams = [TextStream(codec, prompt, stops) for prompt in prompts]
        generation = start(model, prompts, 40, SamplingRule(), [1, 2])
        pieces = ["", ""]
        for row, piece in write(generation, streams):
            pieces[row] += piece
        assert pieces == [stream.text for stream in streams]
        return pieces, generation.speed.written

    whole, tokens = written([])
    assert tokens == 80
    stop = whole[0][10:12]
    cut, fewer = written([stop])
    assert cut == [text.split(stop)[0] for text in whole]
    assert fewer < tokens
