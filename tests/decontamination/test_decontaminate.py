import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gptkit.data.manifest import read_manifest
from gptkit.decontamination.contamination import gather
from gptkit.decontamination.cutting import Cutter
from gptkit.decontamination.references import find_references
from gptkit.decontamination.settings import DecontaminateSettings
from gptkit.decontamination.stage import run
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, UsageError
from gptkit.recipes.recipe import read_recipe
from gptkit.recipes.run import run_recipe
from gptkit.tasks.overlap import read_digests, read_overlap
from gptkit.tasks.task import read_task

sys.path.append(str(Path(__file__).parents[1] / "kernels"))
import reference_grams as reference

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
EVALS = Path(__file__).parents[2] / "evals"
GRAM = "The quick brown fox's cousin, who lives in Århus, never jumps over lazy dogs at NIGHT"  # 16 words
FILLER = "Zebrafinken singen 日本 and nobody knows why – "


def filler(seed, characters):
    """Text that shares no n-gram with anything else."""
    generator = random.Random(seed)
    text = ""
    while len(text) < characters:
        text += f"{generator.randrange(10**9):x}é, "
    return text[:characters]


def write_documents(path, texts, group=7):
    rows = [{"id": f"d{i}", "text": text, "url": f"u{i}", "score": i} for i, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return str(path)


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def read_all(output, kind="documents"):
    manifest = read_manifest(output)
    return [row for shard in manifest.of_kind(kind) for row in pq.read_table(output / shard.name).to_pylist()]


def check(output, texts, protected, **limits):
    """Compares the documents written with those of the reference; gives its fates."""
    fates = reference.decontaminate(texts, protected, **limits)
    expected = []
    for number, (text, fate) in enumerate(zip(texts, fates, strict=True)):
        whole = [(f"d{number}", text)]
        pieces = whole if fate is None else [(f"d{number}[{first}:{behind}]", part) for first, behind, part in fate]
        expected += [(*piece, f"u{number}", number) for piece in pieces]
    rows = read_all(output)
    assert [(row["id"], row["text"], row["url"], row["score"]) for row in rows] == expected
    touched = read_all(output, "contaminated")
    assert [row["id"] for row in touched] == [f"d{i}" for i, fate in enumerate(fates) if fate is not None]
    for row, (number, fate) in zip(
        touched, [(i, fate) for i, fate in enumerate(fates) if fate is not None], strict=True
    ):
        assert row["pieces_kept"] == len(fate)
        assert row["verdict"] == ("cut" if fate else "dropped")
        assert row["characters_removed"] == len(texts[number]) - sum(len(part) for _, _, part in fate)
    return fates


PLANTED = {
    "untouched": filler(1, 900),
    "short and untouched": "only this",
    "empty": "",
    "only white space": " \n\u00a0",
    "nothing but the match": GRAM,
    "match at the start": GRAM + " " + filler(2, 800),
    "match at the end": filler(3, 800) + " " + GRAM,
    "in the middle": filler(4, 700) + GRAM + " " + filler(5, 700),
    "with other punctuation and case": f"{filler(6, 500)} {GRAM.upper().replace(' ', ' -- ')}! {filler(7, 500)}",
    "over lines": f"{filler(8, 500)} " + GRAM.replace(" ", "\n") + f" {filler(9, 500)}",
    "twelve words only": f"{filler(10, 500)} {' '.join(GRAM.split()[:12])} {filler(11, 500)}",
    "thirteen words": f"{filler(12, 500)} {' '.join(GRAM.split()[2:15])} {filler(13, 500)}",
    "two matches nearer than the window": filler(14, 500) + f" {GRAM} {filler(15, 150)} {GRAM} " + filler(16, 500),
    "two windows that touch": filler(14, 500) + f" {GRAM} " + filler(15, 398) + f" {GRAM} " + filler(16, 500),
    "two windows a character apart": filler(14, 500) + f" {GRAM} " + filler(15, 399) + f" {GRAM} " + filler(16, 500),
    "pieces of 199, 200 and 201": filler(17, 399)
    + GRAM
    + filler(18, 599).replace(" ", "x", 1)
    + f" {GRAM} "
    + filler(19, 400),
    "a piece of 200": filler(20, 399) + " " + GRAM + " " + filler(21, 398),
    "no piece of 200": filler(20, 398) + " " + GRAM + " " + filler(21, 397),
    "ten pieces": f" {GRAM} ".join(filler(30 + i, 700) for i in range(10)),
    "eleven pieces": f" {GRAM} ".join(filler(50 + i, 700) for i in range(11)),
    "eleven pieces, most too short": f" {GRAM} ".join(filler(70 + i, 410 if i else 900) for i in range(11)),
    "NUL": filler(90, 400) + "\0" + GRAM.replace("quick", "qu\0ick") + "\0" + filler(91, 400),
    "wide characters": "日本語の文章。" * 60 + f" {GRAM} " + "😀 न" * 200,
}


def test_planted_cases_equal_plain_python(tmp_path, runtime):
    common = "This phrase of thirteen words stands in far too many documents to be cut away"
    rarer = common.replace("phrase", "sentence")
    texts = list(PLANTED.values())
    texts += [f"{filler(100 + i, 500)} {common} {filler(200 + i, 300)} {common}" for i in range(11)]
    texts += [f"{filler(300 + i, 500)} {rarer} {filler(400 + i, 300)} {rarer}" for i in range(10)]
    protected = [GRAM, "too short to matter", common, rarer]
    source = write_documents(tmp_path / "in.parquet", texts)
    against = write_lines(tmp_path / "held-out.jsonl", [{"text": text} for text in protected])
    settings = DecontaminateSettings(against=(against,), max_documents=30)
    manifest = run([source], tmp_path / "all", settings, runtime)
    fates = check(tmp_path / "all", texts, protected, max_documents=30)
    assert all(fate is not None for fate in fates[-21:])
    by_name = dict(zip(PLANTED, fates, strict=False))
    for name in ("untouched", "short and untouched", "empty", "only white space", "twelve words only"):
        assert by_name[name] is None
    for name in ("nothing but the match", "no piece of 200", "eleven pieces", "eleven pieces, most too short"):
        assert by_name[name] == []
    for name, pieces in {"match at the start": 1, "in the middle": 2, "ten pieces": 10, "a piece of 200": 1}.items():
        assert len(by_name[name]) == pieces
    assert len(by_name["a piece of 200"][0][2]) == 200
    assert manifest.counts["dropped"] == {"too_many_pieces": 2, "pieces_too_short": 2}

    run([source], tmp_path / "common", DecontaminateSettings(against=(against,), max_documents=10), runtime)
    fates = check(tmp_path / "common", texts, [common, rarer])
    assert fates[-21:-10] == [None] * 11  # eleven documents have it, and each has it twice
    assert all(fates[-10:])


def test_what_is_said_of_a_touched_document(tmp_path, runtime):
    texts = [filler(1, 500), filler(2, 300) + " x " + GRAM + "! " + filler(3, 700), GRAM]
    write_lines(tmp_path / "one.jsonl", [{"question": GRAM, "answer": "yes"}, {"question": "no", "answer": "no"}])
    write_lines(tmp_path / "other.jsonl", [{"choices": {"text": ["", GRAM.split(" ", 3)[3]]}}])
    against = (str(tmp_path / "one.jsonl"), f"held={tmp_path / 'other.jsonl'}")
    source = write_documents(tmp_path / "in.parquet", texts)
    manifest = run([source], tmp_path / "out", DecontaminateSettings(against=against), runtime)
    first, second = read_all(tmp_path / "out", "contaminated")
    assert first == {
        "id": "d1",
        "source": "in",
        "matched": ["held", "one"],
        "grams": 4,
        "characters_removed": len(texts[1]) - 502,
        "pieces": 2,
        "pieces_kept": 1,
        "verdict": "cut",
        "example": " ".join(GRAM.split()[:13]),
    }
    assert (second["verdict"], second["pieces"], second["pieces_kept"]) == ("dropped", 0, 0)
    assert manifest.counts["documents_in"] == 3
    assert manifest.counts["documents_out"] == 2
    assert (manifest.counts["touched"], manifest.counts["cut"]) == (2, 1)
    assert manifest.counts["grams"] == 5  # and one over the end of the question: "… night yes"
    assert manifest.counts["sets"]["one"] == {
        "items": 2,
        "items_without_grams": 1,
        "documents": 2,
        "grams": 5,
        "grams_found": 4,
        "grams_ignored": 0,
        "evaluated": {"n": 8, "items": 2, "dirty": 1, "clean": 1, "without_grams": 1},
    }
    assert manifest.counts["sets"]["held"]["documents"] == 2


WORDS = st.sampled_from(["a", "B", "b,", "é", "中", "文", "don't", "dont", "—", "\0", "\n", "c\u0301", "x" * 9])
TEXTS = st.lists(st.lists(WORDS, max_size=40).map(" ".join), min_size=1, max_size=12)


@examples(max_examples=15)
@given(TEXTS, TEXTS, st.integers(1, 4), st.integers(0, 12), st.integers(0, 9), st.integers(0, 4))
def test_any_text_equals_plain_python(tmp_path_factory, texts, protected, n, window, shortest, most):
    folder = tmp_path_factory.mktemp("any")
    source = write_documents(folder / "in.parquet", texts, 2)
    protected = [*protected, "one two three four"]  # so that there is something to look for
    against = write_lines(folder / "held-out.jsonl", [{"text": text} for text in protected])
    limits = {"window": window, "min_piece": shortest, "max_pieces": most, "max_documents": 2}
    settings = DecontaminateSettings(against=(against,), ngram=n, **limits)
    run([source], folder / "out", settings, Runtime(Pool(0), Progress(quiet=True)))
    check(folder / "out", texts, protected, n=n, **limits)


def task_file(folder, **changes):
    fields = {
        "task": "quiz",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"dev": "dev.jsonl", "test": "test.jsonl"}},
        "test_split": "test",
        "fewshot_split": "dev",
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "gold",
        "doc_to_choice": "{{choices}}",
    } | changes
    (folder / "quiz.yaml").write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
    return str(folder / "quiz.yaml")


def quiz(folder, **changes):
    """A task of two splits; sentence i has words of its own."""
    sentences = [" ".join(f"w{i}x{k}" for k in range(14)) for i in range(6)]
    for split, numbers in (("dev", (0, 1)), ("test", (2, 3, 4, 5))):
        rows = [{"question": sentences[i], "choices": [f"wrong {i}", f"right {i}"], "gold": 1} for i in numbers]
        write_lines(folder / f"{split}.jsonl", rows)
    return task_file(folder, **changes), sentences


def test_all_splits_of_a_task_are_protected_and_the_evaluated_one_is_reported(tmp_path, runtime):
    task, sentences = quiz(tmp_path)
    texts = [
        f"{filler(1, 400)} {sentences[0]} {filler(2, 400)}",
        f"{filler(3, 400)} {sentences[3]} {filler(4, 400)}",
        f"{filler(5, 400)} {' '.join(sentences[4].split()[3:])} answer right 4. {filler(6, 400)}",  # with the answer
        f"{filler(7, 400)} {' '.join(sentences[4].split()[3:])} answer wrong 4. {filler(8, 400)}",
        f"{filler(9, 400)} {' '.join(sentences[5].split()[:12])} {filler(10, 400)}",
    ]
    source = write_documents(tmp_path / "in.parquet", texts)
    manifest = run([source], tmp_path / "out", DecontaminateSettings(against=(task,)), runtime)
    assert [row["id"] for row in read_all(tmp_path / "out", "contaminated")] == ["d0", "d1", "d2", "d3"]
    overlap = read_overlap(tmp_path / "out")
    assert overlap == {("quiz", 0): False, ("quiz", 1): True, ("quiz", 2): True, ("quiz", 3): False}
    assert read_overlap(tmp_path / "out" / "overlap.jsonl") == overlap
    assert read_digests(tmp_path / "out") == {"quiz": read_task(Path(task)).digest()}
    lines = [json.loads(line) for line in (tmp_path / "out" / "overlap.jsonl").read_text().splitlines()]
    # question + 14 words + answer + two words, of the right choice and of the wrong one
    assert lines[1] == {
        "task": "quiz", "split": "test", "item": 1, "n": 13, "grams": 8, "found": 2, "ignored": 0,
        "overlap": 0.25, "dirty": True,
    }  # fmt: skip
    totals = json.loads((tmp_path / "out" / "overlap.json").read_text())
    assert totals["training"]["documents"] == 5
    assert totals["training"]["bytes"] == sum(len(text.encode()) for text in texts) == manifest.counts["bytes_in"]
    assert {name: totals["sets"][0][name] for name in ("items", "dirty", "clean", "n")} == {
        "items": 4, "dirty": 2, "clean": 2, "n": 13,
    }  # fmt: skip

    only = DecontaminateSettings(against=(task,), splits=("test",))
    run([source], tmp_path / "only", only, runtime)
    assert [row["id"] for row in read_all(tmp_path / "only", "contaminated")] == ["d1", "d2", "d3"]


def test_a_task_says_itself_what_of_an_item_is_looked_for(tmp_path, runtime):
    task, sentences = quiz(tmp_path, doc_to_decontamination_query="{{question}} {{gold}}")
    texts = [f"{filler(1, 400)} {sentences[3]} {filler(2, 400)}", f"{sentences[4]} 1 {filler(3, 400)}"]
    source = write_documents(tmp_path / "in.parquet", texts)
    run([source], tmp_path / "out", DecontaminateSettings(against=(task,)), runtime)
    lines = [json.loads(line) for line in (tmp_path / "out" / "overlap.jsonl").read_text().splitlines()]
    assert [(line["grams"], line["found"]) for line in lines] == [(3, 0), (3, 2), (3, 3), (3, 0)]
    broken, _ = quiz(tmp_path, doc_to_decontamination_query="choices")
    with pytest.raises(GptkitError, match=r"quiz.yaml: doc_to_decontamination_query: gives .*, which is no text"):
        run([source], tmp_path / "out2", DecontaminateSettings(against=(broken,)), runtime)


def test_n_is_the_length_of_short_items_within_bounds(tmp_path, runtime):
    for name, lengths in {"short": [3, 4, 30], "between": [10] * 10 + [50] * 10, "long": [40, 50]}.items():
        write_lines(tmp_path / f"{name}.jsonl", [{"text": " ".join(f"{name}{i}" for i in range(n))} for n in lengths])
    files = tuple(str(tmp_path / f"{name}.jsonl") for name in ("short", "between", "long"))
    texts = [f"{filler(1, 300)} {' '.join(f'between{i}' for i in range(10))}. {filler(2, 300)}"]
    source = write_documents(tmp_path / "in.parquet", texts)
    manifest = run([source], tmp_path / "out", DecontaminateSettings(against=files), runtime)
    sets = manifest.counts["sets"]
    assert {name: one["evaluated"]["n"] for name, one in sets.items()} == {"between": 10, "long": 13, "short": 8}
    assert sets["between"]["evaluated"]["dirty"] == 20
    assert (sets["between"]["items_without_grams"], sets["short"]["items_without_grams"]) == (10, 2)
    assert manifest.counts["touched"] == 0
    manifest = run([source], tmp_path / "own", DecontaminateSettings(against=files, task_ngram=True), runtime)
    assert manifest.counts["touched"] == 1
    assert manifest.counts["sets"]["between"]["items_without_grams"] == 0


def test_grams_of_many_documents_make_no_item_dirty(tmp_path, runtime):
    task, sentences = quiz(tmp_path)
    texts = [f"{filler(i, 300)} {sentences[2]}" for i in range(11)] + [
        f"{filler(i, 300)} {sentences[3]}" for i in range(10)
    ]
    source = write_documents(tmp_path / "in.parquet", texts)
    manifest = run([source], tmp_path / "out", DecontaminateSettings(against=(task,)), runtime)
    lines = [json.loads(line) for line in (tmp_path / "out" / "overlap.jsonl").read_text().splitlines()]
    assert [(line["found"], line["ignored"], line["dirty"]) for line in lines[:2]] == [(0, 2, False), (2, 0, True)]
    assert manifest.counts["grams_ignored"] == 2
    assert manifest.counts["touched"] == 10


def test_reading_of_data_files(tmp_path):
    rows = [{"id": "x1", "q": GRAM, "more": [{"a": "deep"}, 3, None]}, {"id": "x2", "q": "plain", "more": []}]
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress((tmp_path / "a.jsonl").read_bytes()))
    pq.write_table(pa.Table.from_pylist([{"q": row["q"], "n": 1} for row in rows]), tmp_path / "d.parquet")
    pq.write_table(pa.Table.from_pylist([{"text": row["q"], "id": "x"} for row in rows]), tmp_path / "e.parquet")
    (tmp_path / "f.txt").write_text(f"{GRAM}\n\nand more")
    read = {}
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.parquet", "e.parquet", "f.txt"):
        settings = DecontaminateSettings(against=(str(tmp_path / name),))
        (one,) = find_references(settings)
        read[one.name] = [item.reported for item in one.items(settings)]
    assert read["a"] == read["b"] == read["c"] == [(f"x1\n{GRAM}\ndeep",), ("x2\nplain",)]
    assert read["d"] == read["e"] == [(GRAM,), ("plain",)]
    assert read["f"] == [(f"{GRAM}\n\nand more",)]
    settings = DecontaminateSettings(against=(str(tmp_path / "a.jsonl"),), fields=("q",))
    (one,) = find_references(settings)
    assert [item.reported for item in one.items(settings)] == [(GRAM,), ("plain",)]


def test_half_a_surrogate_pair_in_what_is_protected(tmp_path, runtime):
    quiz(tmp_path)
    (tmp_path / "test.jsonl").write_text('{"question": "\\ud800 ' + GRAM + '", "choices": ["a", "b"], "gold": 0}\n')
    source = write_documents(tmp_path / "in.parquet", [filler(1, 300) + " " + GRAM])
    run([source], tmp_path / "out", DecontaminateSettings(against=(task_file(tmp_path),)), runtime)
    assert read_overlap(tmp_path / "out") == {("quiz", 0): True}


@pytest.mark.parametrize(
    ("against", "changes", "error", "words"),
    [
        ("nowhere", {}, UsageError, "--against nowhere: no such task, file or folder"),
        ("nowhere.yaml", {}, UsageError, "--against nowhere.yaml: no such file"),
        ("empty.jsonl", {}, GptkitError, "empty.jsonl: is empty"),
        ("blank.jsonl", {}, GptkitError, "blank.jsonl: holds no record to protect"),
        ("broken.jsonl", {}, GptkitError, "broken.jsonl: line 2: is no JSON"),
        ("list.jsonl", {}, GptkitError, "list.jsonl: line 1: is no JSON object"),
        ("cut.jsonl.gz", {}, GptkitError, "cut.jsonl.gz: cannot be read behind line"),
        ("broken.parquet", {}, GptkitError, "broken.parquet: cannot be read as Parquet"),
        ("page.html", {}, UsageError, "page.html: only JSONL, Parquet and text files can be protected"),
        ("short.jsonl", {}, GptkitError, "--against: nothing that is protected has 13 words"),
        ("short.jsonl", {"fields": ("body",)}, GptkitError, "short.jsonl: line 1: has no field 'body'; it has text"),
        ("quiz.yaml", {"splits": ("train",)}, UsageError, "no task has the split 'train'; there are dev, test"),
        ("lonely.yaml", {}, GptkitError, r"'absent.jsonl' is not in .* name its folder with --data-dir"),
        ("twice", {}, UsageError, "--against names two sets 'short'; write NAME=PATH"),
    ],
)  # fmt: skip
def test_what_cannot_be_protected_is_one_line(tmp_path, runtime, monkeypatch, against, changes, error, words):
    monkeypatch.chdir(tmp_path)
    quiz(tmp_path)
    Path("empty.jsonl").write_text("")
    Path("blank.jsonl").write_text("\n\n")
    Path("broken.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    Path("list.jsonl").write_text("[1]\n")
    Path("cut.jsonl.gz").write_bytes(gzip.compress(os.urandom(5000).hex().encode())[:-2000])
    Path("broken.parquet").write_bytes(b"PAR1 no")
    Path("page.html").write_text("<p>hello")
    write_lines(Path("short.jsonl"), [{"text": "three words only"}])
    Path("lonely.yaml").write_text(Path("quiz.yaml").read_text().replace("dev.jsonl", "absent.jsonl"))
    source = write_documents(tmp_path / "in.parquet", ["some text"])
    named = ("short.jsonl", "./short.jsonl") if against == "twice" else (against,)
    with pytest.raises(error, match=words):
        run([source], tmp_path / "out", DecontaminateSettings(against=named, **changes), runtime)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes", [{"against": ()}, {"ngram": 0}, {"ngram": 64}, {"window": -1}, {"max_documents": -1}]
)
def test_settings_that_make_no_sense(changes):
    with pytest.raises(ValueError, match="--"):
        DecontaminateSettings(**({"against": ("x",)} | changes))


def many(folder):
    """Two sources of several portions, and a task that some of the documents quote."""
    task, sentences = quiz(folder)
    generator = random.Random(5)
    for name in ("one", "two"):
        texts = []
        for i in range(60):
            parts = [filler(f"{name}{i}{k}", 900) for k in range(3)]
            if i % 4 == 0:
                parts.insert(1, sentences[generator.randrange(6)])
            texts.append(" ".join(parts))
        write_documents(folder / f"{name}.parquet", texts)
    return task


def test_digests_do_not_depend_on_workers_order_or_portions(tmp_path, monkeypatch):
    monkeypatch.setattr("gptkit.data.portions.PORTION_BYTES", 30_000)
    task = many(tmp_path)
    write_lines(tmp_path / "more.jsonl", [{"text": GRAM}])
    inputs = [str(tmp_path / "one.parquet"), str(tmp_path / "two.parquet")]
    against = (task, str(tmp_path / "more.jsonl"))
    quiet = Progress(quiet=True)
    first = run(inputs, tmp_path / "a", DecontaminateSettings(against=against), Runtime(Pool(0), quiet))
    assert len(first.of_kind("documents")) > 6
    pool = Pool(2)
    try:
        other = run(inputs[::-1], tmp_path / "b", DecontaminateSettings(against=against[::-1]), Runtime(pool, quiet))
    finally:
        pool.close()
    assert other.digest == first.digest
    limited = run(inputs, tmp_path / "c", DecontaminateSettings(against=against), Runtime(Pool(0), quiet, limit=70))
    assert limited.counts["documents_in"] == 70


def test_a_killed_run_goes_on_and_ends_in_the_same_digest(tmp_path):
    task = many(tmp_path)
    script = tmp_path / "small.py"  # portions as small as those of the test
    script.write_text(
        "from gptkit.data import portions\nportions.PORTION_BYTES = 30_000\n"
        "from gptkit.cli.main import main\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    arguments = ["decontaminate", "one.parquet", "two.parquet", "--against", task, "--workers", "0", "--quiet"]
    command = [sys.executable, str(script), *arguments]
    subprocess.run([*command, "-o", "whole"], check=True, cwd=tmp_path)
    done = kills = 0
    for wanted in (2, 10):
        process = subprocess.Popen([*command, "-o", "killed"], cwd=tmp_path, start_new_session=True)
        while process.poll() is None and done < wanted:
            done = len(list((tmp_path / "killed").glob(".work/done/*/*.json")))
            time.sleep(0.002)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills
    subprocess.run([*command, "-o", "killed"], check=True, cwd=tmp_path)
    assert read_manifest(tmp_path / "killed").digest == read_manifest(tmp_path / "whole").digest
    assert not (tmp_path / "killed" / ".work").exists()


def gptkit(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "gptkit", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_command(tmp_path):
    task, sentences = quiz(tmp_path)
    texts = [f"{filler(1, 400)} {sentences[3]} {filler(2, 400)}", filler(3, 400)]
    write_documents(tmp_path / "in.parquet", texts)
    arguments = ["decontaminate", "in.parquet", "--against", task, "-o", "out", "--workers", "0"]
    dry = gptkit(*arguments, "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0
    assert "2 documents in 1 tasks" in dry.stderr
    assert "n-grams of 6 items in 1 sets" in dry.stderr
    assert not (tmp_path / "out").exists()
    done = gptkit(*arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == ""
    assert "1 of 4" in next(line for line in done.stderr.splitlines() if line.startswith("quiz "))
    again = gptkit(*arguments, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["counts"]["touched"] == 1
    assert "up to date" in again.stderr
    nothing = gptkit("decontaminate", "in.parquet", "-o", "other", cwd=tmp_path)
    assert nothing.returncode == 2
    assert "--against" in nothing.stderr
    assert "Traceback" not in nothing.stderr


def test_a_recipe_decontaminates_what_an_earlier_stage_made(tmp_path, runtime, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, sentences = quiz(tmp_path)
    write_lines(tmp_path / "docs.jsonl", [{"text": f"{filler(1, 500)} {sentences[3]} {filler(2, 500)}"}])
    recipe = {
        "output": "made",
        "stages": {
            "clean": {"run": "clean", "inputs": "docs.jsonl", "rules": [], "language": "any", "repair": False},
            "apart": {"run": "decontaminate", "inputs": "clean", "against": ["quiz.yaml"], "min-piece": 100},
        },
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    finished = run_recipe(read_recipe("recipe.yaml"), runtime)
    assert finished["apart"].counts["touched"] == 1
    assert len(read_all(tmp_path / "made" / "apart")) == 2


@pytest.mark.skipif(not (SHARED / "eval").is_dir(), reason="GPTKIT_SHARED names no folder with data/eval")
def test_real_tasks_are_found_where_they_are_quoted(tmp_path, runtime):
    rows = [json.loads(line) for line in open(SHARED / "eval" / "rte" / "validation.jsonl", encoding="utf-8")]
    sentences = [json.loads(line)["sentence"] for line in open(SHARED / "eval" / "sst2" / "validation.jsonl")]
    long = [place for place, sentence in enumerate(sentences) if len(reference.words(sentence)) > 20]
    texts = [
        f"{filler(1, 400)} {rows[5]['premise']} {filler(2, 400)}",
        f"{filler(3, 400)} {sentences[long[0]]} {filler(4, 400)}",
        filler(5, 400),
    ]
    source = write_documents(tmp_path / "in.parquet", texts)
    settings = DecontaminateSettings(against=("rte", "sst2", "cb"), data_dir=str(SHARED / "eval"))
    manifest = run([source], tmp_path / "out", settings, runtime)
    touched = read_all(tmp_path / "out", "contaminated")
    assert [(row["id"], row["matched"]) for row in touched] == [("d0", ["rte"]), ("d1", ["sst2"])]
    dirty = {key for key, value in read_overlap(tmp_path / "out").items() if value}
    assert ("rte", 5) in dirty
    assert ("sst2", long[0]) in dirty
    assert manifest.counts["sets"]["cb"]["evaluated"]["dirty"] == 0
    assert manifest.counts["sets"]["sst2"]["evaluated"]["items"] == len(sentences)


def test_a_cutter_changes_only_what_it_touches(tmp_path):
    """Batches with columns of any type pass through."""
    against = write_lines(tmp_path / "held-out.jsonl", [{"text": GRAM}])
    settings = DecontaminateSettings(against=(against,))
    contamination = gather(find_references(settings), settings)
    texts = [filler(1, 300), f"{filler(2, 500)} {GRAM} {filler(3, 500)}", "x"]
    batch = pa.RecordBatch.from_pydict(
        {
            "id": ["a", "b", "c"],
            "text": texts,
            "source": ["s"] * 3,
            "tags": [["x"], None, []],
            "meta": [{"k": 1}, {"k": 2}, None],
        }
    )
    cut = Cutter(contamination.table(), contamination.owners, ["held-out"], settings).cut(batch)
    assert cut.schema == batch.schema
    assert cut.column("id").to_pylist() == ["a", "b[0:301]", f"b[{301 + 200 + len(GRAM) + 200}:{len(texts[1])}]", "c"]
    assert cut.column("tags").to_pylist() == [["x"], None, None, []]
    assert cut.column("meta").to_pylist() == [{"k": 1}, {"k": 2}, {"k": 2}, None]


@pytest.mark.parametrize("line", ["{", "[]", '{"task": "a", "item": 0}', '{"task": "a", "item": "0", "dirty": true}'])
def test_what_is_no_overlap_report(tmp_path, line):
    (tmp_path / "overlap.jsonl").write_text('{"task": "a", "item": 1, "dirty": true}\n' + line)
    with pytest.raises(GptkitError, match=r"overlap.jsonl: line 2: is no line of overlap.jsonl"):
        read_overlap(tmp_path)
    with pytest.raises(GptkitError, match="no such file; gptkit decontaminate writes it"):
        read_overlap(tmp_path / "other.jsonl")
    with pytest.raises(GptkitError, match=r"overlap\.json: no such file"):
        read_digests(tmp_path)


def test_no_documents_at_all(tmp_path, runtime):
    task, _ = quiz(tmp_path)
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    pq.write_table(schema.empty_table(), tmp_path / "none.parquet")
    manifest = run([str(tmp_path / "none.parquet")], tmp_path / "out", DecontaminateSettings(against=(task,)), runtime)
    assert (manifest.counts["documents_in"], manifest.counts["documents_out"]) == (0, 0)
    assert set(read_overlap(tmp_path / "out").values()) == {False}


def test_too_much_to_protect_is_refused(tmp_path, runtime, monkeypatch):
    source = write_documents(tmp_path / "in.parquet", ["x"])
    against = write_lines(tmp_path / "large.jsonl", [{"text": GRAM}, {"text": GRAM}])
    for name, limit, words in (("MOST_GRAMS", 7, "over 7 n-grams are too many"), ("MOST_TEXT", 99, "over 99 charact")):
        with monkeypatch.context() as change:
            change.setattr(f"gptkit.decontamination.contamination.{name}", limit)
            with pytest.raises(GptkitError, match=words):
                run([source], tmp_path / "out", DecontaminateSettings(against=(against,)), runtime)


def test_a_document_that_is_one_long_match(tmp_path, runtime):
    generator = random.Random(1)
    long = " ".join(generator.choices("abcdefghijklmnop", k=100_000))
    source = write_documents(tmp_path / "in.parquet", [filler(1, 700) + " " + long + " " + filler(2, 700), long])
    against = write_lines(tmp_path / "long.jsonl", [{"text": long}])
    run([source], tmp_path / "out", DecontaminateSettings(against=(against,)), runtime)
    check(tmp_path / "out", [filler(1, 700) + " " + long + " " + filler(2, 700), long], [long])
