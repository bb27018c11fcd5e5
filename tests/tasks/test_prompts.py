import json
import tracemalloc
from pathlib import Path

import jinja2
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.errors import GptkitError
from gptkit.tasks.items import Item, read_demonstrations, read_items
from gptkit.tasks.prompts import demonstration, draw_demonstrations, requests
from gptkit.tasks.task import Task, read_task
from gptkit.tasks.templates import LONGEST, Template


def make(folder: Path, rows: list[dict], shown: list[dict], **fields: object) -> Task:
    for name, part in (("test", rows), ("train", shown)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    files = {"test": "test.jsonl", "train": "train.jsonl"}
    value = {
        "task": "t",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        "training_split": "train",
        "output_type": "multiple_choice",
        **fields,
    }
    (folder / "t.yaml").write_text(yaml.safe_dump(value))
    return read_task(folder / "t.yaml")


SST2 = {
    "doc_to_text": "{{sentence}}\nQuestion: Is this sentence positive or negative?\nAnswer:",
    "doc_to_target": "label",
    "doc_to_choice": ["negative", "positive"],
}


def test_a_prompt_of_choices_is_lm_evals(tmp_path: Path) -> None:
    shown = [{"sentence": "so good .", "label": 1}, {"sentence": "a mess .", "label": 0}]
    task = make(tmp_path, [{"sentence": "fine .", "label": 1}], shown, description="Judge.\n\n", **SST2)
    [item] = read_items(task, "test")
    context = (
        "Judge.\n\n"
        "so good .\nQuestion: Is this sentence positive or negative?\nAnswer: positive\n\n"
        "a mess .\nQuestion: Is this sentence positive or negative?\nAnswer: negative\n\n"
        "fine .\nQuestion: Is this sentence positive or negative?\nAnswer:"
    )
    assert requests(task, item, read_items(task, "train")) == [(context, " negative"), (context, " positive")]
    assert item.gold == 1


def test_a_loglikelihood_target_gets_no_delimiter_but_a_demonstration_does(tmp_path: Path) -> None:
    fields = {
        "output_type": "loglikelihood",
        "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}",
        "doc_to_target": "{{' '+text.split(' ')[-1]}}",
    }
    task = make(tmp_path, [{"text": "one two three"}], [{"text": "four five"}], **fields)
    [item], shown = read_items(task, "test"), read_items(task, "train")
    assert requests(task, item, []) == [("one two", " three")]
    assert requests(task, item, shown) == [("four  five\n\none two", " three")]  # two spaces, as in lm-eval
    (tmp_path / "t.yaml").write_text((tmp_path / "t.yaml").read_text() + "target_delimiter: ''\n")
    assert requests(read_task(tmp_path / "t.yaml"), item, shown) == [("four five\n\none two", " three")]


def test_several_inputs_are_contexts_and_the_target_follows(tmp_path: Path) -> None:
    rows = [{"options": ["Ann saw Bob, so Ann", "Ann saw Bob, so Bob"], "rest": "ran.", "gold": 1}]
    task = make(tmp_path, rows, rows, doc_to_text="gold", doc_to_choice="options", doc_to_target="rest")
    [item] = read_items(task, "test")
    assert requests(task, item, [item]) == [
        ("Ann saw Bob, so Bob ran.\n\nAnn saw Bob, so Ann", " ran."),
        ("Ann saw Bob, so Bob ran.\n\nAnn saw Bob, so Bob", " ran."),
    ]
    assert item.gold == 1


@pytest.mark.parametrize(
    ("target", "choices"),
    [
        ("answer", "{{choices.text}}"),
        ("{{choices.label.index(key)}}", "{{[choices.text[0], choices.text[1]]}}"),
        (1, "list"),
    ],
)
def test_ways_to_name_the_right_choice(tmp_path: Path, target: object, choices: str) -> None:
    row = {
        "q": "Q",
        "choices": {"text": ["a'b", 'c"d'], "label": ["A", "B"]},
        "key": "B",
        "answer": 'c"d',
        "list": ["x", 'c"d'],
    }
    task = make(tmp_path, [row], [row], doc_to_text="q", doc_to_target=target, doc_to_choice=choices)
    [item] = read_items(task, "test")
    assert (item.gold, item.target) == (1, 'c"d')


def test_a_column_keeps_what_a_template_would_change(tmp_path: Path) -> None:
    row = {"text": "{{ raw }} 7\n", "label": 0}
    task = make(tmp_path, [row], [row], doc_to_text="text", doc_to_target="label", doc_to_choice=["a", "b"])
    assert read_items(task, "test")[0].text == "{{ raw }} 7\n"


def test_samples_in_the_task_file_come_in_place_of_a_split(tmp_path: Path) -> None:
    samples = [{"sentence": f"s{n}", "label": 0} for n in range(3)]
    config = {"samples": samples, "sampler": "first_n"}
    task = make(
        tmp_path, [{"sentence": "x", "label": 0}], [{"sentence": "y", "label": 0}], fewshot_config=config, **SST2
    )
    pool = read_demonstrations(task)
    [item] = read_items(task, "test")
    assert [shown.text.split("\n")[0] for shown in draw_demonstrations(task, item, pool, 2, 0)] == ["s0", "s1"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"doc_to_text": "{{missing}}"}, "doc_to_text: 'missing' is undefined (test.jsonl line 1)"),
        ({"doc_to_choice": "{{sentence}}"}, "which is no list (test.jsonl line 1)"),
        ({"doc_to_choice": "{{[label]}}"}, "no list of texts"),
        ({"doc_to_choice": ["one"]}, "at least two"),
        ({"doc_to_choice": ["", "x"], "target_delimiter": ""}, "an empty choice"),
        ({"doc_to_target": 2}, "none of the 2 choices"),
        ({"doc_to_target": "sentence"}, "none of the 2 choices"),
        ({"doc_to_text": "{{ ''.__class__.__mro__ }}"}, "unsafe"),
        ({"doc_to_text": "{% for i in range(99999) %}0123456789a{% endfor %}"}, "more than 1,000,000 characters"),
        ({"doc_to_text": "{{ 'x' * 10**9 }}"}, "powers"),
        ({"doc_to_text": "{{ 'xy' * 1000000 }}"}, "a product of more"),
        ({"doc_to_text": "{{ 1 / 0 }}"}, "division by zero"),
    ],
)
def test_an_item_that_cannot_be_made_is_one_line(tmp_path: Path, fields: dict, words: str) -> None:
    task = make(tmp_path, [{"sentence": "s", "label": 1}], [], **(SST2 | fields))
    with pytest.raises(GptkitError) as error:
        read_items(task, "test")
    assert words in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "t.yaml"))
    assert "\n" not in str(error.value)


DOUBLED = "{% set a = START %}" + "{% set a = STEP %}" * 60 + "{{ a }}"


def doubled(start: str, step: str) -> str:
    return DOUBLED.replace("START", start).replace("STEP", step)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ 'x'.ljust(2000000000)|length }}", r"ljust\(\) is not allowed"),
        ("{{ 'x'['rjust'](2000000000)|length }}", r"rjust\(\) is not allowed"),
        ("{{ 'x'.zfill(2000000000)|length }}", r"zfill\(\) is not allowed"),
        ("{{ '\t'.expandtabs(2000000000)|length }}", r"expandtabs\(\) is not allowed"),
        ("{{ '{:2000000000}'.format(1)|length }}", r"format\(\) is not allowed"),
        ("{{ '%2000000000d' % 1 }}", "formatting by %"),
        ("{{ '%2000000000d'|format(1)|length }}", "No filter named 'format'"),
        ("{{ 'x'|center(2000000000)|length }}", "No filter named 'center'"),
        ("{{ ['x']|map('center', 2000000000)|list }}", "No filter named 'center'"),
        ("{{ 'x'|indent(2000000000, true)|length }}", "No filter named 'indent'"),
        ("{{ 1|round(-2000000000) }}", "No filter named 'round'"),
        ("{{ [1]|tojson(indent=2000000000)|length }}", "takes no indent"),
        ("{{ lipsum(n=100000)|length }}", "'lipsum' is undefined"),
        ("{% set n = namespace(a='x') %}", "'namespace' is undefined"),
        ("{% macro m() %}x{% endmacro %}{{ m() }}", "macro in line 1 is not supported"),
        ("{% set a %}x{% endset %}", "is not supported"),
        ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "for in line 1 is not supported"),
        ("{{ ('a' * 999999).replace('', 'a' * 999999)|length }}", "replaces by more than"),
        ("{{ ('a' * 999999)|replace('', new='a' * 999999)|length }}", "replaces by more than"),
        ("{{ ('a' * 999999).join(['b'] * 100000)|length }}", "joins to more than"),
        ("{{ (['b'] * 100000)|join(d='a' * 999999)|length }}", "joins to more than"),
        ("{{ (['b'] * 100000)|map('replace', 'b', 'a' * 999999)|length }}", "gives more than"),
        (doubled("'x'", "a ~ a"), "gives more than"),
        (doubled("'x'", "a + a"), "gives more than"),
        (doubled("7", "a * a"), "gives more than"),
        (doubled("[1]", "[a, a]"), "gives more than"),
        (doubled("(1,)", "(a, a)"), "gives more than"),
        (doubled("{'x': 1}", "{'x': a, 'y': a}"), "gives more than"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "is no template"),
        ("{{ " + "1" * 5000 + " }}", "is no template"),
    ],
)
def test_a_template_cannot_fill_the_memory(source: str, words: str) -> None:
    tracemalloc.start()
    with pytest.raises(GptkitError, match=words):
        Template(source, "here").value({})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


def test_a_lack_of_memory_is_said() -> None:
    class Full(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> object:
            raise MemoryError

    with pytest.raises(GptkitError, match="here: needs too much memory"):
        Template("{{ a.b }}", "here").value({"a": Full()})


@pytest.mark.parametrize(
    "source",
    [
        "{{ a ~ 1 ~ b[0] }}",
        "{{ ' '.join(a.split(' ')[:-1]) }}{{ a[2:] }}",
        "{{ a|replace('o', '0') }}{{ a.replace('o', '') }}{{ a.index('b') }}{{ a.find('z') }}",
        "{% for x in b %}{{ loop.index0 }}. {{ x.strip() }}{{ ', ' if not loop.last }}{% endfor %}",
        "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{{ d.get('k') }}{{ d.keys()|list }}{{ d.k }}",
        "{{ b|map('upper')|join(', ') }}{{ b|map('trim')|select('equalto', 'y')|list }}{{ b|tojson }}",
        "{{ rows|map(attribute='n')|join('/') }}{{ rows|selectattr('n', 'equalto', 'p')|list|length }}",
        "{{ [a, b[0]] }}{{ ['A', 'B'][b.index('y')] }}{{ {'a': 1}.a }}{{ (1, 2) }}",
        "{{ nothing|default('none') }}{{ []|first|default('e') }}{% if a is defined and a not in ['q'] %}Y{% endif %}",
        "{% set x, y = 1, 2 %}{{ x + y }}{{ 7 % 4 }}{{ 2 * 3 }}{{ 'ab' * 2 }}{% for i in range(3) %}{{ i }}{% endfor %}",
        "{{ a.title() }}{{ a.capitalize() }}{{ a.startswith('f') }}{{ a.upper().lower()|int(default=3)|string }}",
    ],
)
def test_what_tasks_use_gives_what_jinja_gives(source: str) -> None:
    row = {"a": "foo bar baz", "b": ["x ", "y"], "d": {"k": "v"}, "rows": [{"n": "p"}, {"n": "q"}]}
    assert Template(source, "here").value(row) == jinja2.Template(source, undefined=jinja2.StrictUndefined).render(row)


def test_the_newline_at_the_end_of_a_template_stays() -> None:
    assert Template("{{a}}\n", "here").value({"a": 1}) == "1\n"
    assert LONGEST == 1_000_000


def pool_of(texts: list[str]) -> list[Item]:
    return [Item(index, "", text, ("a", "b"), "a", 0) for index, text in enumerate(texts)]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return make(tmp_path_factory.mktemp("task"), [{"sentence": "x", "label": 0}], [], **SST2)


@settings(max_examples=80, deadline=None)
@given(
    texts=st.lists(st.text("abc", max_size=3), min_size=1, max_size=30),
    own=st.integers(0, 29),
    seed=st.integers(0, 5),
    counts=st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_draws_are_nested_and_never_hold_the_item(task: Task, texts: list, own: int, seed: int, counts: tuple) -> None:
    pool = pool_of(texts)
    item = pool[own % len(pool)]
    others = [example for example in pool if demonstration(task, example) != demonstration(task, item)]
    few, many = sorted(min(count, len(others)) for count in counts)
    drawn = draw_demonstrations(task, item, pool, many, seed)
    assert draw_demonstrations(task, item, pool, few, seed) == drawn[:few]
    assert all(example in others for example in drawn)
    assert len({example.index for example in drawn}) == many
    with pytest.raises(GptkitError, match="ask for fewer with --shots"):
        draw_demonstrations(task, item, pool, len(others) + 1, seed)


def test_draws_depend_on_seed_and_item_and_are_even(task: Task) -> None:
    pool = pool_of([f"text {n}" for n in range(20)])
    items = [Item(index, "", f"item {index}", ("a", "b"), "a", 0) for index in range(2000)]
    firsts = [draw_demonstrations(task, item, pool, 1, 0)[0].index for item in items]
    counts = [firsts.count(n) for n in range(20)]
    assert sum((count - 100) ** 2 / 100 for count in counts) < 45  # chi-squared, 19 degrees: p > .0007
    assert draw_demonstrations(task, items[0], pool, 20, 0) != draw_demonstrations(task, items[0], pool, 20, 1)
    assert sorted(example.index for example in draw_demonstrations(task, items[0], pool, 20, 0)) == list(range(20))
