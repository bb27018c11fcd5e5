import io
import itertools
import json
import os
import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from click.testing import CliRunner
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score

from gptkit.clean.quality import Quality, bags, keep_probability
from gptkit.clean.quality_training import ALPHAS
from gptkit.cli.quality import command
from gptkit.data.manifest import read_manifest
from gptkit.errors import GptkitError, UsageError
from gptkit.sampling.draws import uniform

DATA = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
FEATURES = 1 << 12
COMMON = "the of and to in a is that it for was on with as by at from this be are".split()
GOOD = "whale history parliament theorem melody kingdom novel physics river senate harvest orchard".split()
RAW = "login click cart cookie banner subscribe download coupon forum reply copyright menu".split()


def documents(side, count, seed):
    """Texts of words that both sides use, and a few that mostly one of them does."""
    generator = random.Random(f"{side}{seed}")
    own, other = (GOOD, RAW) if side == "positive" else (RAW, GOOD)
    return [
        {
            "id": f"{side}-{seed}-{i}",
            "text": " ".join(
                generator.choices(COMMON, k=generator.randint(5, 40))
                + generator.choices(own, k=3)
                + [generator.choice(other)]
            ),
        }
        for i in range(count)
    ]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def inputs(tmp_path):
    """Options that name three files, two of good text and one of raw text."""
    pq.write_table(pa.Table.from_pylist(documents("positive", 150, 2)), tmp_path / "novels.parquet")
    return [
        *("--positive", write(tmp_path / "wiki.jsonl", documents("positive", 200, 1))),
        *("--positive", f"books={tmp_path / 'novels.parquet'}"),
        *("--negative", write(tmp_path / "crawl.jsonl", documents("negative", 500, 1))),
        *("--features", str(FEATURES)),
    ]


def train(*arguments, output, workers=0):
    """Runs `gptkit quality train`; gives the manifest it prints."""
    arguments = ["train", *arguments, "-o", str(output), "--workers", str(workers), "--json"]
    result = CliRunner().invoke(command, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def as_matrix(rows):
    """Unit bags (the kernel's tests restate its features), labels, and who is held out."""
    starts, found = bags(pa.array([row["text"] for row in rows]), FEATURES)
    sizes = np.diff(starts)
    matrix = csr_matrix((np.repeat(sizes**-0.5, sizes), found, starts), shape=(len(rows), FEATURES))
    labels = np.array([row["id"].startswith("positive") for row in rows]).astype(int)
    return matrix, labels, np.array([uniform(0, "quality", row["id"]) < 0.1 for row in rows])


def test_the_model_and_its_measures_are_scikit_learns(tmp_path, inputs):
    counts = train(*inputs, output=tmp_path / "model")["counts"]
    rows = documents("negative", 500, 1) + documents("positive", 200, 1) + documents("positive", 150, 2)
    matrix, labels, held = as_matrix(rows)
    oracle = LogisticRegression(C=10, class_weight="balanced", max_iter=300, tol=1e-9).fit(matrix[~held], labels[~held])
    model = Quality.load(tmp_path / "model")
    texts = pa.array([row["text"] for row in rows])
    np.testing.assert_allclose(model.score(texts), oracle.predict_proba(matrix)[:, 1], atol=1e-3)
    scores, truth = model.score(texts)[held], labels[held]
    measured, taken = counts["held_out"], scores > 0.5
    assert counts["documents"] == {"negative": 500, "positive": 350}
    assert measured["documents"] == {"negative": int((truth == 0).sum()), "positive": int(truth.sum())}
    assert sum(counts["trained_on"].values()) + len(truth) == 850
    assert measured["precision"] == pytest.approx(precision_score(truth, taken))
    assert measured["recall"] == pytest.approx(recall_score(truth, taken))
    assert measured["accuracy"] == pytest.approx(accuracy_score(truth, taken))
    assert measured["auc"] == pytest.approx(roc_auc_score(truth, scores))
    assert measured["accuracy"] > 0.9
    assert [entry["alpha"] for entry in measured["kept"]] == list(ALPHAS)
    for entry, label in itertools.product(measured["kept"], (0, 1)):
        expected = keep_probability(scores[truth == label], entry["alpha"]).mean()
        assert entry[("negative", "positive")[label]] == pytest.approx(expected, rel=1e-4)
    for label, side in enumerate(("negative", "positive")):
        bars = np.histogram(scores[truth == label], 10, (0, 1))[0].tolist()
        assert [entry[side] for entry in measured["histogram"]] == bars


def test_any_number_of_workers_makes_the_same_model(tmp_path, inputs):
    digests = {train(*inputs, output=tmp_path / str(workers), workers=workers)["digest"] for workers in (0, 1, 2)}
    assert len(digests) == 1


def test_the_table_and_scores_on_the_command_line(tmp_path, inputs):
    model, docs = tmp_path / "model", str(tmp_path / "novels.parquet")
    result = CliRunner().invoke(command, ["train", *inputs, "-o", str(model), "--workers", "0"])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert re.search(r"kept with --pareto 9 +\d+\.\d% +\d+\.\d%", result.stderr)
    assert re.search(r"held out: precision +\S", result.stderr)
    result = CliRunner().invoke(command, ["score", str(model), docs, "--limit", "20"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["id"] for row in rows] == [f"positive-2-{i}" for i in range(20)]
    expected = Quality.load(model).score(pq.read_table(docs).column("text").combine_chunks())
    assert [row["score"] for row in rows] == expected[:20].tolist()


def test_a_limit_is_of_the_first_documents_of_each_side(tmp_path, inputs):
    counts = train(*inputs, "--limit", "250", output=tmp_path / "model")["counts"]
    assert counts["documents"] == {"negative": 250, "positive": 250}


def test_a_second_run_has_nothing_to_do_and_other_settings_are_another_model(tmp_path, inputs):
    first = train(*inputs, output=tmp_path / "model")
    assert train(*inputs, output=tmp_path / "model")["run"] == first["run"]
    with pytest.raises(GptkitError, match="penalty"):
        train(*inputs, "--penalty", "1", output=tmp_path / "model")
    swapped = ["--negative" if a == "--positive" else "--positive" if a == "--negative" else a for a in inputs]
    with pytest.raises(GptkitError, match="input was another one"):
        train(*swapped, output=tmp_path / "model")


def test_documents_without_words_are_counted_and_left_out(tmp_path, inputs):
    blank = write(tmp_path / "blank.jsonl", [{"text": ""}, {"text": "... !!"}])
    counts = train(*inputs, "--negative", blank, output=tmp_path / "model")["counts"]
    assert counts["without_words"] == {"negative": 2, "positive": 0}
    assert counts["trained_on"]["negative"] + counts["held_out"]["documents"]["negative"] == 500


def test_damaged_lines_are_skipped_named_and_kept_apart(tmp_path, inputs):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "some words"}\n{"text": 3}\n{"te\n')
    arguments = ["train", *inputs, "--negative", str(broken), "-o", str(tmp_path / "model"), "--workers", "0"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert "2 damaged places skipped (broken.jsonl at byte 23: no JSON object with a string 'text')" in result.stderr
    manifest = read_manifest(tmp_path / "model")
    (shard,) = manifest.of_kind("damaged")
    assert len((tmp_path / "model" / shard.name).read_text().splitlines()) == 2
    assert manifest.counts["documents"]["negative"] == 501


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("not JSON\n", "--negative: nothing could be read"),
        ('{"text": "..."}\n', "of 0 negative documents with words"),
        ('{"text": "one document"}\n', "of 1 negative documents with words"),
    ],
)
def test_a_side_with_nothing_in_it_is_one_line(tmp_path, inputs, content, words):
    (tmp_path / "bad.jsonl").write_text(content)
    positive = [*inputs[:4], "--negative", str(tmp_path / "bad.jsonl")]
    with pytest.raises(GptkitError, match=re.escape(words)) as caught:
        train(*positive, output=tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model" / "manifest.json").exists()


def test_web_pages_are_refused(tmp_path, inputs):
    (tmp_path / "page.html").write_text("<p>some words</p>")
    with pytest.raises(GptkitError, match=r"page\.html: holds web pages; run gptkit clean"):
        train(*inputs, "--negative", str(tmp_path / "page.html"), output=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_folder_of_text_files_is_a_side(tmp_path, inputs):
    folder = tmp_path / "notes"
    folder.mkdir()
    for row in documents("negative", 30, 2):
        (folder / f"{row['id']}.txt").write_text(row["text"])
    counts = train(*inputs, "--negative", str(folder), output=tmp_path / "model")["counts"]
    assert counts["documents"]["negative"] == 530


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--features", "1000"], "no power of two"),
        (["--held-out", "1"], "between 0 and 1"),
        (["--penalty", "0"], "greater than 0"),
        (["--iterations", "0"], "at least 1"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, inputs, arguments, words):
    with pytest.raises(UsageError, match=words):
        train(*inputs[:6], *arguments, output=tmp_path / "model")


def test_both_sides_are_needed(tmp_path, inputs):
    result = CliRunner().invoke(command, ["train", *inputs[:4], "-o", str(tmp_path / "model")])
    assert result.exit_code == 2
    assert "Missing option '--negative'" in result.stderr


@pytest.mark.skipif(not (DATA / "text/mixed.jsonl.zst").exists(), reason="no shared test data")
def test_speeches_and_novels_are_told_from_fortunes_and_mail(tmp_path):
    rows = {"sotu": [], "se": [], "fortunes": [], "mail": []}
    for path in (DATA / "text/mixed.jsonl.zst", DATA / "mail/spamassassin.jsonl.zst"):
        with zstandard.open(path, "rb") as stream:
            for line in itertools.islice(io.BufferedReader(stream), 4_000):
                row = json.loads(line)
                source = "mail" if path.parent.name == "mail" else row["id"].rsplit("-", 1)[0]
                if source in rows and len(rows[source]) < 300:
                    rows[source].append({"id": str(row["id"]), "text": row["text"][-3_000:]})  # mail without its head
    options = [
        part
        for source, side in (("sotu", "positive"), ("se", "positive"), ("fortunes", "negative"), ("mail", "negative"))
        for part in (f"--{side}", write(tmp_path / f"{source}.jsonl", rows[source]))
    ]
    held_out = train(*options, output=tmp_path / "model")["counts"]["held_out"]
    assert held_out["accuracy"] > 0.9
    assert held_out["auc"] > 0.97
    kept = next(entry for entry in held_out["kept"] if entry["alpha"] == 9)
    assert kept["positive"] > 3 * kept["negative"]
