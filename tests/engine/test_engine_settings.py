import dataclasses
import decimal
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.engine.settings import SCALE, digest_values, make_settings, options, read_count
from gptkit.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Settings:
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"threads"})

    batch_size: Annotated[int, "Sequences a step.", "sequences"] = 8
    rate: Annotated[float, "Learning rate."] = 3e-4
    name: Annotated[str, "A name."] = "x"
    fast: Annotated[bool, "Whether."] = True
    keep: Annotated[Literal["first", "longest"], "Which one."] = "first"
    shots: Annotated[tuple[int, ...], "How many."] = (0, 1)
    kinds: Annotated[tuple[Literal["a", "b"], ...], "Which."] = ()
    seed: Annotated[int | None, "Seed."] = None
    parts: Annotated[tuple[str, ...] | None, "Parts."] = None
    threads: Annotated[int, "Threads."] = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError("batch size must be at least 1")


KNOWN = {option.name: option for option in options(Settings)}


def make(**values):
    return make_settings(Settings, values, "here")


def test_options_describe_the_fields():
    batch, keep, shots, seed, parts = (KNOWN[name] for name in ("batch_size", "keep", "shots", "seed", "parts"))
    assert (batch.flag, batch.kind, batch.unit, batch.help) == ("--batch-size", int, "sequences", "Sequences a step.")
    assert (keep.choices, keep.kind) == (("first", "longest"), str)
    assert (shots.many, shots.kind, shots.default) == (True, int, (0, 1))
    assert KNOWN["kinds"].choices == ("a", "b")
    assert (seed.optional, seed.kind, batch.optional) == (True, int, False)
    assert (parts.optional, parts.many, parts.kind) == (True, True, str)


@given(st.integers())
def test_whole_numbers_come_back(number):
    assert read_count(number) == read_count(str(number)) == number


@given(st.decimals(min_value=-10_000, max_value=10_000, places=3), st.sampled_from(sorted(SCALE)))
@example(decimal.Decimal("2.3"), "M")
@example(decimal.Decimal("1.001"), "T")
def test_multiples_are_exact(number, suffix):
    exact = number * SCALE[suffix]
    if exact == int(exact):
        assert read_count(f"{number}{suffix}") == int(exact)
    else:
        with pytest.raises(ValueError, match="whole number"):
            read_count(f"{number}{suffix}")


@pytest.mark.parametrize(
    ("text", "number"), [("20MB", 20 * 10**6), ("1.5 G", 1500 * 10**6), ("3k", 3000), ("2B", 2 * 10**9)]
)
def test_counts_as_people_write_them(text, number):
    assert read_count(text) == number


@pytest.mark.parametrize(
    "value", ["", "x", "1.5", "1e3", "5 5", "1k1", "٣x", True, None, 1.5, float("nan"), float("inf"), [], "1.0001k"]
)
def test_what_is_no_count(value):
    with pytest.raises(ValueError, match="is not a whole number"):
        read_count(value)


SETTINGS = st.builds(
    Settings,
    batch_size=st.integers(1),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    name=st.text(),
    fast=st.booleans(),
    keep=st.sampled_from(["first", "longest"]),
    shots=st.lists(st.integers()).map(tuple),
    kinds=st.lists(st.sampled_from("ab")).map(tuple),
    seed=st.none() | st.integers(),
)


@given(SETTINGS)
def test_a_recipes_values_come_back(settings):
    settings = dataclasses.replace(settings, name=settings.name.strip())  # text is stripped
    values = {option.flag[2:]: getattr(settings, option.name) for option in KNOWN.values()}
    lists = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    assert make_settings(Settings, lists, "here") == settings


@given(SETTINGS)
def test_command_line_values_come_back(settings):
    texts = {
        "batch-size": str(settings.batch_size),
        "rate": repr(settings.rate),
        "keep": settings.keep,
        "shots": ",".join(map(str, settings.shots)),
        "kinds": ",".join(settings.kinds),
    }
    made = make_settings(Settings, texts, "here")
    for key in texts:
        name = key.replace("-", "_")
        assert getattr(made, name) == getattr(settings, name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch-sise": 1}, "here: unknown setting 'batch-sise'; did you mean 'batch_size'?"),
        (
            {"zzz": 1},
            "here: unknown setting 'zzz'; known: batch_size, fast, keep, kinds, name, parts, rate, seed, shots, threads",
        ),
        ({"keep": "last"}, "here: --keep: 'last' is none of first, longest"),
        ({"kinds": "a,c"}, "here: --kinds: 'c' is none of a, b"),
        ({"fast": "yes"}, "here: --fast: 'yes' is neither true nor false"),
        ({"fast": 1}, "here: --fast: 1 is neither true nor false"),
        ({"rate": "quick"}, "here: --rate: 'quick' is not a number"),
        ({"rate": True}, "here: --rate: True is not a number"),
        ({"rate": float("nan")}, "here: --rate: nan is not a number"),
        ({"name": 1}, "here: --name: 1 is not text (quote it)"),
        ({"shots": [1, "x"]}, "here: --shots: 'x' is not a whole number"),
        ({"batch_size": None}, "here: --batch-size: a value is needed"),
        ({"batch_size": 0}, "here: batch size must be at least 1"),
        ({1: 2}, "here: unknown setting 1; known: "),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(UsageError) as error:
        make_settings(Settings, values, "here")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_lists_tuples_and_single_values():
    assert make(shots=5).shots == (5,)
    assert make(shots=0).shots == (0,)
    assert make(shots="1k, 2").shots == (1000, 2)
    assert make(shots="").shots == ()
    assert make(seed=None, parts=None) == Settings()
    assert make(parts=["x"]).parts == ("x",)


def test_digest_values_are_json_and_leave_out_what_changes_nothing():
    values = digest_values(Settings(shots=(3,)))
    assert values["shots"] == [3]
    assert "threads" not in values
    assert set(values) == set(KNOWN) - {"threads"}
