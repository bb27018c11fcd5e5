"""Pages through `gptkit clean`: the extractor's options, what pages state of themselves, and pages beyond its limits."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq

from gptkit.clean.settings import CleanSettings
from gptkit.clean.stage import run
from gptkit.extraction.model import own_model

SETTINGS = CleanSettings(rules=("none",), language=("any",))
PARAGRAPH = (
    "The river {0} has to be crossed with care, and of those who have tried it {0} came back to tell the story, "
    "which is why the people of the valley built a bridge of stone in the winter after the flood."
)
REMARK = "I crossed it with my brother when we were young, and the water was cold enough to stop a heart."
PAGE = """<!DOCTYPE html><html lang="en-GB"><head><title>Of rivers</title>
<meta name="author" content="A. Writer"><meta property="article:published_time" content="2024-05-01T10:00:00Z">
<link rel="canonical" href="https://rivers.example/one"><link rel="license" href="https://creativecommons.org/licenses/by/4.0/">
</head><body><nav><ul><li><a href="/">Home</a><li><a href="/maps">Maps</a><li><a href="/about">About us</a></ul></nav>
<article><h1>Of rivers</h1>{paragraphs}</article>
<section id="comments" class="comments"><h3>2 comments</h3>
<div class="comment"><p>{remark}</p></div></section>
<footer><a href="/terms">Terms</a> <a href="/privacy">Privacy</a> © 2024 All rights reserved</footer></body></html>"""


def page(paragraphs=6):
    written = "".join(f"<p>{PARAGRAPH.format(number)}</p>" for number in range(paragraphs))
    return PAGE.format(paragraphs=written, remark=REMARK)


def cleaned(folder, out, runtime, **options):
    manifest = run([str(folder)], out, dataclasses.replace(SETTINGS, **options), runtime)
    return manifest, [
        row for shard in manifest.of_kind("documents") for row in pq.read_table(out / shard.name).to_pylist()
    ]


def test_a_page_becomes_its_main_text_with_what_it_states(tmp_path, runtime):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.html").write_text(page())
    _, (row,) = cleaned(tmp_path / "in", tmp_path / "out", runtime)
    assert PARAGRAPH.format(0) in row["text"]
    assert PARAGRAPH.format(5) in row["text"]
    assert "Privacy" not in row["text"]
    assert "About us" not in row["text"]
    assert REMARK not in row["text"]
    assert {name: row[name] for name in ("title", "date", "author", "html_language", "canonical", "licence")} == {
        "title": "Of rivers",
        "date": "2024-05-01T10:00:00Z",
        "author": "A. Writer",
        "html_language": "en",
        "canonical": "https://rivers.example/one",
        "licence": "CC-BY-4.0",
    }
    assert row["language"] == "en"


def test_comments_stay_where_they_are_wanted(tmp_path, runtime):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.html").write_text(page())
    _, (row,) = cleaned(tmp_path / "in", tmp_path / "out", runtime, comments=True)
    assert row["text"].count(REMARK) == 1
    assert "Privacy" not in row["text"]


def test_a_model_of_ones_own_counts_by_what_is_in_it(tmp_path, runtime):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.html").write_text(page())
    (tmp_path / "a").mkdir()
    all_in = dataclasses.replace(own_model(), thresholds=np.zeros(3, np.float32))
    all_in.save(tmp_path / "all.npz")
    all_in.save(tmp_path / "a" / "copy.npz")
    built_in, (row,) = cleaned(tmp_path / "in", tmp_path / "out-0", runtime)
    other, (whole,) = cleaned(tmp_path / "in", tmp_path / "out-1", runtime, extractor_model=str(tmp_path / "all.npz"))
    again, _ = cleaned(tmp_path / "in", tmp_path / "out-2", runtime, extractor_model=str(tmp_path / "a" / "copy.npz"))
    assert "Privacy" not in row["text"]
    assert "Privacy" in whole["text"]
    assert built_in.digest != other.digest == again.digest


def test_recall_keeps_no_less_than_precision(tmp_path, runtime):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.html").write_text(page(1))
    sizes = [
        len(cleaned(tmp_path / "in", tmp_path / favor, runtime, favor=favor)[1][0]["text"])
        for favor in ("precision", "balanced", "recall")
    ]
    assert sizes == sorted(sizes)


def test_pages_beyond_a_limit_are_cut_off_and_counted(tmp_path, runtime):
    (tmp_path / "in").mkdir()
    long = "".join(f"<p>Paragraph number {number} of a very long page, which goes on.</p>" for number in range(30_000))
    (tmp_path / "in" / "long.html").write_text(f"<html><body><article>{long}</article></body></html>")
    (tmp_path / "in" / "one.html").write_text(page())
    manifest, rows = cleaned(tmp_path / "in", tmp_path / "out", runtime)
    assert manifest.counts["funnel"]["edits"]["pages_cut_off"] == 1
    (row,) = (row for row in rows if row["url"] == "long.html")
    assert "Paragraph number 0 " in row["text"]
    assert "Paragraph number 29999 " not in row["text"]
