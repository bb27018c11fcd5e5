import dataclasses
import json
import random
import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner

from gptkit.cli import extract as extract_command
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, UsageError
from gptkit.extraction import boosting
from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.model import load
from gptkit.extraction.training import LabelTask, label_blocks, run
from gptkit.extraction.training_sets import open_sets
from gptkit.extraction.training_settings import TrainingSettings
from gptkit.extraction.truth import LabelledPage, phrase_counts, shingle_f1, word_f1
from gptkit.extraction.validation import calibration, choose_thresholds, main_measure, measure_page, summary
from gptkit.extraction.weak import weak_texts
from gptkit.kernels.block_columns import WIDTH
from gptkit.sample.crawl import information, response

pytest.importorskip("lightgbm")

SMALL = TrainingSettings(trees=8, leaves=6, leaf_blocks=3, rate=0.4, weak=False, folds=3, thresholds=(0.2, 0.5, 0.8))
WORDS = (
    "river stone winter letter garden music evening story people water morning journey teacher silver forest".split()
)


def page(number):
    """A page with navigation, a few paragraphs and a footer; and its paragraphs."""
    draw = random.Random(number)
    paragraphs = [
        "It was said that the "
        + " ".join(draw.choices(WORDS, k=draw.randint(15, 40)))
        + f", and so it is, {number}.{i}."
        for i in range(draw.randint(2, 6))
    ]
    links = "".join(f'<li><a href="/{word}">{word.title()} {number}</a></li>' for word in draw.sample(WORDS, 8))
    main = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    html = (
        f'<body><ul class="nav">{links}</ul><div id="main">{main}</div><div class="footer"><a href="/">All rights</a>'
    )
    return html, paragraphs


def write_set(folder, name, numbers, article):
    archive, lines = information(name), []
    for number in numbers:
        url = f"http://site{number}.example/page"
        html, paragraphs = page(number)
        archive += response(url, html)
        phrases = {"with": [paragraphs[0]], "without": ["All rights"]}
        lines.append({"url": url, "kind": "even" if number % 2 == 0 else "odd"} | phrases)
        if article:
            lines[-1]["article"] = "\n".join(paragraphs)
    (folder / f"{name}.warc.gz").write_bytes(archive)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"{folder}/{name}.warc.gz,{folder}/{name}.jsonl"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    texts = write_set(folder, "texts", range(20), article=True)
    return [texts, "phrases=0.5:" + write_set(folder, "some", range(20, 30), article=False)]


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model.npz"
    return path, run(sets, path, SMALL, Runtime(Pool(0), Progress(quiet=True)))


def test_training_again_on_other_processes_gives_the_same_bytes(sets, trained, tmp_path):
    path, report = trained
    pool = Pool(2)
    try:
        again = run(sets, tmp_path / "model.npz", SMALL, Runtime(pool, Progress(quiet=True)))
    finally:
        pool.close()
    assert (tmp_path / "model.npz").read_bytes() == path.read_bytes()
    assert {**again, "model": None} == {**report, "model": None}


def test_the_model_tells_main_text_from_the_rest(trained):
    path, report = trained
    html, paragraphs = page(1000)
    (text,), _ = FastExtractor(load(path)).texts([html.encode()])
    assert text == "\n\n".join(paragraphs)
    for name, measure in (("texts", "word_f1"), ("phrases", "f1")):
        assert max(row[measure] for row in report["measures"][name]) > 0.95
    assert report["measures"]["phrases"][0]["word_f1"] is None
    assert report["model"]["bytes"] == path.stat().st_size


def test_the_report_counts_sets_and_kinds(trained):
    _, report = trained
    assert [(one["name"], one["weight"], one["pages"], one["domains"]) for one in report["sets"]] == [
        ("texts", 1.0, 20, 20),
        ("phrases", 0.5, 10, 10),
    ]
    assert [(row["set"], row["kind"], row["pages"]) for row in report["kinds"]] == [
        ("texts", "even", 10),
        ("texts", "odd", 10),
        ("phrases", "even", 5),
        ("phrases", "odd", 5),
    ]
    chosen = {name: choice["threshold"] for name, choice in report["thresholds"].items()}
    assert chosen["recall"] <= chosen["balanced"] <= chosen["precision"]
    assert load(trained[0]).thresholds.tolist() == pytest.approx(
        [chosen[n] for n in ("recall", "balanced", "precision")]
    )
    json.dumps(report)


@pytest.mark.parametrize("leaves", [2, 31])
@pytest.mark.parametrize("rows", [40, 3000])
def test_converted_trees_say_what_lightgbm_says(leaves, rows):
    draw = np.random.default_rng(rows + leaves)
    features = draw.integers(0, 256, (rows, WIDTH)).astype(np.uint8)
    features[:, 0] = 255  # a constant, and few values
    features[:, 1] = draw.integers(0, 2, rows) * 255
    labels = ((features[:, 2] > 99) * 0.6 + (features[:, 1] > 0) * 0.4).astype(np.float32)
    settings = dataclasses.replace(SMALL, leaves=leaves, leaf_blocks=30)  # of 40 rows no tree is split
    booster = boosting.fit(features, labels, draw.uniform(0.1, 12, rows).astype(np.float32), settings)
    model = boosting.convert(booster)
    other = draw.integers(0, 256, (500, WIDTH)).astype(np.uint8)
    assert boosting.predict(model, other) == pytest.approx(booster.predict(other), abs=1e-6)
    assert (len(model.nodes) > len(model.roots)) == (rows == 3000)


def test_a_model_of_too_many_nodes_is_refused(monkeypatch):
    monkeypatch.setattr(boosting, "MOST_NODES", 3)
    features = np.arange(250, dtype=np.uint8)[:, None].repeat(WIDTH, axis=1)
    booster = boosting.fit(features, (features[:, 0] > 99).astype(np.float32), np.ones(250, np.float32), SMALL)
    with pytest.raises(GptkitError, match="fewer --trees or --leaves"):
        boosting.convert(booster)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_measured_is_what_runs(trained, number):
    model = load(trained[0])
    html, paragraphs = page(number)
    known = LabelledPage("http://a.example/", html.encode(), None, tuple(paragraphs), ("All rights",), paragraphs[0])
    extractor = FastExtractor(model)
    found, _, _ = extractor.choose(extractor.read(known.html))
    thresholds = (0.01, 0.3, 0.3001, 0.9999)
    measured = measure_page(extractor, known, found, thresholds)
    for row, threshold in zip(measured, thresholds, strict=True):
        changed = dataclasses.replace(model, thresholds=np.full(3, threshold, np.float32))
        (text,), _ = FastExtractor(changed).texts([known.html])
        counts = dataclasses.astuple(phrase_counts(text, known.with_, known.without))
        assert row.tolist() == [*counts, shingle_f1(text, known.article), word_f1(text, known.article)]


def test_summary_of_pages():
    nan = float("nan")
    found = summary(np.array([[3, 1, 0, 2, nan, nan], [0, 0, 1, 0, 0.5, 0.25], [0, 0, 0, 0, 1, 0.75]]))
    assert found == {"precision": 0.75, "recall": 0.75, "f1": 0.75, "shingle_f1": 0.75, "word_f1": 0.5}
    assert main_measure(found) == 0.5
    none = summary(np.array([[0, 0, 0, 0, nan, nan]]))
    assert set(none.values()) == {None}
    assert main_measure(none) is None


def test_calibration():
    found = calibration(np.array([0.05, 0.15, 0.15, 1.0]), np.array([0, 1, 0, 1]), np.array([2.0, 1.0, 3.0, 4.0]))
    assert [each["weight"] for each in found["bins"]] == pytest.approx([0.2, 0.4, *[0] * 7, 0.4])
    assert found["bins"][1]["predicted"] == pytest.approx(0.15)
    assert found["bins"][1]["kept"] == pytest.approx(0.25)
    assert found["bins"][2]["kept"] is None
    assert found["error"] == pytest.approx(0.2 * 0.05 + 0.4 * 0.1)
    assert found["brier"] == pytest.approx((2 * 0.05**2 + 0.85**2 + 3 * 0.15**2) / 10)


def test_thresholds_reach_as_far_as_little_is_lost():
    found = choose_thresholds((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0.9, 0.895, 0.9, 0.905, 0.8, 0.9))
    assert {name: choice["threshold"] for name, choice in found.items()} == {
        "recall": 0.1,
        "balanced": 0.4,
        "precision": 0.4,
    }
    alike = choose_thresholds((0.1, 0.2, 0.3, 0.4), (0.9, 0.905, 0.9045, 0.9))
    assert alike["balanced"]["threshold"] == 0.3


def test_weak_labels_hold_the_main_text():
    pytest.importorskip("trafilatura")
    html, paragraphs = page(5)
    for text in weak_texts(html):
        assert paragraphs[1] in text
        assert "All rights" not in text


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("pages.warc.gz", "PAGES,TRUTH"),
        ("a=heavy:p.warc.gz,t.jsonl", "weight above 0"),
        ("a=-1:p.warc.gz,t.jsonl", "weight above 0"),
        ("a=nan:p.warc.gz,t.jsonl", "weight above 0"),
        ("p,q,r", "PAGES,TRUTH"),
    ],
)
def test_arguments_of_a_wrong_form(argument, message):
    with pytest.raises(UsageError, match=message):
        open_sets([argument])


def test_two_sets_of_one_name(sets):
    with pytest.raises(UsageError, match="two sets are named 'texts'"):
        open_sets([sets[0], sets[0]])


def test_a_limit_is_of_each_set(sets):
    assert [len(one.pages) for one in open_sets(sets, 3)] == [3, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trees": 0},
        {"leaves": 1},
        {"bins": 256},
        {"folds": 1},
        {"rate": 0.0},
        {"columns": 1.5},
        {"leaf_blocks": 0},
        {"penalty": -1.0},
        {"seed": -1},
        {"thresholds": ()},
        {"thresholds": (0.5, 0.4)},
        {"thresholds": (0.123,)},
        {"thresholds": (0.5, 1.0)},
    ],
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match="--" + next(iter(wrong)).replace("_", "-")):
        TrainingSettings(**wrong)


def test_markup_for_browsers_without_scripts_teaches_nothing():
    main = "A paragraph that is the main text of this page."
    html = f"<p>{main}</p><noscript>&lt;img src='x' alt='A picture of a river'&gt;</noscript>".encode()
    found = label_blocks(LabelTask((LabelledPage("http://a.example/", html, article=main),), False))
    assert found["sizes"] == [2]
    assert (found["weights"] > 0).tolist() == [True, False]


def test_pages_without_labels(tmp_path, runtime):
    pages, truth = write_set(tmp_path, "bare", range(9), article=False).split(",")
    lines = [json.dumps({"url": f"http://site{number}.example/page"}) for number in range(9)]
    (tmp_path / "bare.jsonl").write_text("\n".join(lines))
    with pytest.raises(GptkitError, match="no block of any page has a label"):
        run([f"{pages},{truth}"], tmp_path / "model.npz", SMALL, runtime)
    assert not (tmp_path / "model.npz").exists()


def test_pages_of_one_domain(tmp_path, runtime):
    single = write_set(tmp_path, "single", [1], article=True)
    with pytest.raises(GptkitError, match="give pages of more domains"):
        run([single], tmp_path / "model.npz", SMALL, runtime)


def test_an_output_that_exists_is_kept(sets, tmp_path, runtime):
    (tmp_path / "model.npz").write_text("mine")
    with pytest.raises(GptkitError, match=r"exists already.*--overwrite"):
        run(sets, tmp_path / "model.npz", SMALL, runtime)
    with pytest.raises(UsageError, match="is a folder"):
        run(sets, tmp_path, SMALL, runtime)
    assert (tmp_path / "model.npz").read_text() == "mine"


@pytest.mark.parametrize(
    ("module", "settings", "advice"),
    [("lightgbm", SMALL, r"gptkit\[dev\]"), ("trafilatura", dataclasses.replace(SMALL, weak=True), "--no-weak")],
)
def test_a_library_that_is_not_there(sets, tmp_path, runtime, monkeypatch, module, settings, advice):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(GptkitError, match=advice) as error:
        run(sets, tmp_path / "model.npz", settings, runtime)
    assert "\n" not in str(error.value)


def gptkit(*arguments):
    command = [sys.executable, "-m", "gptkit", "extract", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_line(sets, trained, tmp_path):
    options = "--no-weak --trees 8 --leaves 6 --leaf-blocks 3 --rate 0.4 --folds 3 --thresholds .2,.5,.8 --workers 0"
    done = gptkit("train", *sets, "-o", tmp_path / "model.npz", *options.split())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.npz").read_bytes() == trained[0].read_bytes()
    for word in ("Cross-validation", "Calibration", "balanced", "8 trees"):
        assert word in done.stdout
    again = gptkit("train", *sets, "-o", tmp_path / "model.npz", *options.split())
    assert again.returncode == 1
    assert again.stdout == ""
    assert again.stderr.startswith("gptkit: ")
    assert "--overwrite" in again.stderr


def test_a_dry_run_writes_nothing(sets, tmp_path):
    done = gptkit("train", *sets, "-o", tmp_path / "model.npz", "--dry-run", "--no-weak")
    assert done.returncode == 0, done.stderr
    assert "30 pages of 2 sets" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["page.html"], "page.html False"),
        (["-"], "- False"),
        (["--blocks", "page.html"], "page.html True"),
        (["page", "train"], "train False"),
        (["./train"], "./train False"),
    ],
)
def test_a_page_is_meant_where_no_command_is_named(monkeypatch, arguments, expected):
    @click.command()
    @click.argument("source")
    @click.option("--blocks", is_flag=True)
    def page_command(source, blocks):
        click.echo(f"{source} {blocks}")

    monkeypatch.setattr(
        extract_command.DefaultGroup,
        "get_command",
        lambda self, context, name: page_command if name == extract_command.DEFAULT else None,
    )
    monkeypatch.setattr(extract_command, "COMMANDS", {"page": "", "train": ""})
    done = CliRunner().invoke(extract_command.command, arguments)
    assert done.output == expected + "\n"
