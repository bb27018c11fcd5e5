import dataclasses
from pathlib import Path

import pytest

from gptkit.data.tokens import TokenFolder
from gptkit.errors import GptkitError
from gptkit.evaluation.requests import Encoder, Request
from gptkit.model.text import Codec
from gptkit.tasks.items import Item
from gptkit.tasks.prompts import requests
from gptkit.tasks.task import Task
from gptkit.tasks.templates import Template


class Letters:
    """A vocabulary in which "ab" is one token, so that a join between a and b is inside a token."""

    end_of_text: int | None = 0

    def encode(self, text: str) -> list[int]:
        return [1 if part == "\0" else ord(part) for part in text.replace("ab", "\0")]


def task() -> Task:
    template = Template("", "here")
    return Task(
        name="t",
        path=Path("t.yaml"),
        output_type="multiple_choice",
        files={},
        split="test",
        fewshot_split="test",
        samples=None,
        sampler="default",
        description=template,
        doc_to_text=template,
        doc_to_target=template,
        doc_to_choice=template,
        target_delimiter=" ",
        fewshot_delimiter="\n\n",
        metrics=("acc",),
        metadata={},
    )


def item(index: int, text: str, *choices: str, description: str = "") -> Item:
    return Item(index, description, text, choices or ("yes", "no"), (choices or ("yes",))[0], 0)


def letters(text: str) -> tuple[int, ...]:
    return tuple(Letters().encode(text))


def test_spaces_at_the_end_of_the_context_go_to_the_continuation() -> None:
    encoder = Encoder(Letters(), 100)  # type: ignore[arg-type]
    assert encoder.pair("xy \n", "z") == (Request(letters("xy"), letters(" \nz")), False)


def test_a_join_inside_a_token_is_encoded_apart_and_told() -> None:
    encoder = Encoder(Letters(), 100)  # type: ignore[arg-type]
    assert encoder.pair("xa", "bc") == (Request(letters("xa"), letters("bc")), True)
    assert encoder.pair("xa", "cb") == (Request(letters("xa"), letters("cb")), False)


def test_behind_nothing_stands_end_of_text() -> None:
    encoder = Encoder(Letters(), 100)  # type: ignore[arg-type]
    assert encoder.pair("", "xy") == (Request((0,), letters("xy")), False)
    assert encoder.pair("  ", "xy") == (Request((0,), letters("  xy")), False)
    encoder.codec.end_of_text = None
    with pytest.raises(GptkitError, match="endoftext"):
        encoder.pair("", "xy")


def test_the_tokens_are_those_of_the_whole_text(token_folder: TokenFolder) -> None:
    codec = Codec(token_folder.tokenizer_path)
    encoder = Encoder(codec, 100)
    for context, continuation in [("Return the value", " of the file"), ("A\nB:", " positive"), ("x = ", "None")]:
        request, apart = encoder.pair(context, continuation)
        assert not apart
        assert [*request.context, *request.continuation] == codec.encode(context + continuation)
        assert list(request.context) == codec.encode(context.rstrip())


def test_whole_demonstrations_are_dropped_from_the_end() -> None:
    examples = [item(n, f"demonstration {n}" + "!" * n) for n in range(6)]
    asked = item(9, "the question", "yes", "certainly not", description="Say. ")
    for context in range(40, 260, 7):
        encoder = Encoder(Letters(), context)  # type: ignore[arg-type]
        fitted = encoder.fit(task(), asked, examples)
        sizes = []
        for count in range(len(examples) + 1):
            prompts = requests(task(), asked, examples[:count])
            sizes.append(max(len(letters(before + behind)) - 1 for before, behind in prompts))
        most = max(count for count, size in enumerate(sizes) if size <= context)
        assert fitted.demonstrations == most
        assert not fitted.cut
        expected = [encoder.pair(*prompt)[0] for prompt in requests(task(), asked, examples[:most])]
        assert list(fitted.requests) == expected
        assert all(request.context[:4] == letters("Say.") for request in fitted.requests)


def test_a_wrong_guess_of_what_fits_is_put_right() -> None:
    class Joining(Letters):  # joins across demonstrations, so that lengths do not add up
        def encode(self, text: str) -> list[int]:
            return super().encode(text.replace("\n\nx", "\0"))

    examples = [item(n, "x" * (3 + n)) for n in range(8)]
    for kind in (Letters, Joining):
        for context in range(12, 120):
            fitted = Encoder(kind(), context).fit(task(), item(9, "x?"), examples)  # type: ignore[arg-type]
            assert max(len(request.read) for request in fitted.requests) <= context
            if fitted.demonstrations < 8:
                more = requests(task(), item(9, "x?"), examples[: fitted.demonstrations + 1])
                assert max(len(kind().encode(before + behind)) - 1 for before, behind in more) > context


def test_an_item_that_is_too_long_loses_its_beginning_and_keeps_the_description() -> None:
    encoder = Encoder(Letters(), 20)  # type: ignore[arg-type]
    long = item(0, "0123456789" * 5, "yes", "maybe", description="Say: ")
    fitted = encoder.fit(task(), long, [item(1, "one")])
    assert (fitted.cut, fitted.demonstrations) == (True, 0)
    first, second = fitted.requests
    assert first.context == second.context
    assert first.context[:4] == letters("Say:")
    assert letters("0123456789" * 5)[-11:] == first.context[4:]
    assert len(second.read) == 20
    with pytest.raises(
        GptkitError, match=r"t\.yaml: item 0: the description and the continuation \(30 tokens\) leave no room"
    ):
        encoder.fit(task(), dataclasses.replace(long, choices=("y" * 29, "n")), [])
