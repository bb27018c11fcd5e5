import json

import pytest
from click.testing import CliRunner

from gptkit.cli.main import program

PROSE = " ".join(
    f"It is said that the river number {n} has to be crossed with care, and of those who have tried it {n * 7} came back."
    for n in range(6)
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"id": "good", "text": PROSE}, {"id": "short", "text": "too short [bold]to[/bold] keep\u001b[31m"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "page.html").write_text(f"<html><body><article><p>{PROSE}</p></article></body></html>")
    return tmp_path


def gptkit(*arguments):
    done = CliRunner().invoke(program, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_a_page_is_explained(folder):
    done = gptkit("explain", "page.html", "--rules", "gopher-quality,fineweb-quality,min_words=20")
    assert "verdict: stays" in done.stdout
    report = json.loads(gptkit("explain", "page.html", "--rules", "gopher-quality,min_words=1000", "--json").stdout)
    assert (report["kept"], report["reason"]) == (False, "min_words")
    (row,) = [row for row in report["rules"] if row["rule"] == "min_words"]
    assert row["limit"] == 1000
    assert 100 < row["value"] < 200
    assert row["broken"]
    assert report["text"].startswith("It is said")


def test_documents_are_named_by_id_or_place(folder):
    for choice in (["--id", "short"], ["--index", "1"]):
        done = gptkit("explain", "in.jsonl", *choice, "--language", "any", "--rules", "gopher-quality")
        assert "verdict: goes: min_words" in done.stdout
        assert "\x1b" not in done.output


def test_a_runs_documents_are_explained_with_its_settings(folder):
    gptkit(
        "clean",
        "in.jsonl",
        "-o",
        "out",
        "--language",
        "any",
        "--rules",
        "min_words=7",
        "--workers",
        "0",
        "--keep-rejected",
    )
    report = json.loads(gptkit("explain", "short", "--in", "out", "--json").stdout)
    assert report["decided"] == {"kept": False, "rule": "min_words", "value": 4.0, "limit": 7.0, "detail": None}
    assert [row["limit"] for row in report["rules"] if row["rule"] == "min_words"] == [7]
    other = json.loads(gptkit("explain", "short", "--in", "out", "--rules", "min_words=2", "--json").stdout)
    assert other["kept"]
    assert json.loads(gptkit("explain", "good", "--in", "out", "--json").stdout)["decided"] == {"kept": True}


def test_what_a_run_used_must_be_named_again(folder):
    (folder / "list").write_text("blocked.example\n")
    common = ["--language", "any", "--rules", "none", "--workers", "0", "--block-domains", "list"]
    gptkit("clean", "in.jsonl", "-o", "out", *common)
    done = CliRunner().invoke(program, ["explain", "good", "--in", "out"])
    assert "digest of its block lists and not the files; name them with --block-domains" in str(done.exception)
    assert json.loads(gptkit("explain", "good", "--in", "out", "--block-domains", "list", "--json").stdout)["kept"]


def test_without_its_text_a_rejected_document_has_a_reason(folder):
    gptkit("clean", "in.jsonl", "-o", "out", "--language", "any", "--rules", "min_words=7", "--workers", "0")
    done = CliRunner().invoke(program, ["explain", "short", "--in", "out"])
    assert "short: goes: min_words (value 4.0, limit 7.0)" in done.stdout
    assert "--keep-rejected" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.html"], "missing.html: no such file"),
        (["in.jsonl", "--index", "2"], "has 2 documents"),
        (["in.jsonl", "--id", "nobody"], "no document with id 'nobody'"),
        (["good", "--in", "."], "manifest.json"),
        (["in.jsonl", "--rules", "nothing"], "is no rule"),
        (["good", "--in", ".", "--id", "x"], "--in"),
    ],
)
def test_mistakes_are_one_line(folder, arguments, words):
    done = CliRunner().invoke(program, ["explain", *arguments])
    assert words in str(done.exception) + done.output
    assert done.exit_code != 0
