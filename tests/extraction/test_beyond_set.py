"""The set of pages beyond European news: what the manifest says of our own pages is true."""

import sys
import unicodedata
from pathlib import Path

import pytest

from gptkit.extraction.truth import LabelledPage

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import extraction_beyond
finally:
    sys.path.remove(str(BENCHMARKS))

OWN = extraction_beyond.own_pages()


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.url)
def test_the_phrases_are_in_the_page(page: LabelledPage) -> None:
    assert not list(extraction_beyond.absent(page))


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.url)
def test_no_phrase_is_both_wanted_and_unwanted(page: LabelledPage) -> None:
    assert not any(one in other or other in one for one in page.with_ for other in page.without)
    assert bool(page.with_) == (page.kind != "none")


def test_the_manifest_names_each_page_once_and_each_file_of_the_folder() -> None:
    lines = extraction_beyond.lines()
    assert len({line["url"] for line in lines}) == len(lines)
    files = {path.name for path in (BENCHMARKS / "extraction_pages").iterdir()}
    assert {line["file"] for line in lines if "file" in line} == files
    others = [line for line in lines if "file" not in line]
    assert all(len(line["commit"]) == 40 and line["repository"].count("/") == 1 for line in others)


def test_no_phrase_depends_on_what_an_extractor_makes_of_characters_that_are_not_seen() -> None:
    phrases = [phrase for line in extraction_beyond.lines() for phrase in (*line["with"], *line["without"])]
    assert all(unicodedata.is_normalized("NFC", phrase) for phrase in phrases)
    assert not any(unicodedata.category(character) == "Cf" for phrase in phrases for character in phrase)


def test_a_page_that_cannot_be_had_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"url": "https://a.invalid/", "kind": "en news", "with": ["a"], "without": [], "repository": "a/b"}
    line |= {"commit": "0" * 40, "path": "c.html"}
    (tmp_path / "a+b").mkdir()  # no clone: git finds no such commit
    monkeypatch.setattr(extraction_beyond, "lines", lambda: [line])
    assert extraction_beyond.pages(tmp_path) == []
    assert "left out: a/b, c.html" in capsys.readouterr().err
