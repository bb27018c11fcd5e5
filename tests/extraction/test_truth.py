import gzip
import json
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.errors import GptkitError
from gptkit.extraction.truth import (
    Counts,
    LabelledPage,
    folds,
    phrase_counts,
    read_labelled,
    registered_domain,
    shingle_f1,
    word_f1,
    words,
)
from gptkit.sample.crawl import information, response

A, B, C = "https://a.example/1", "https://b.example/2", "https://c.example/3"
TEXTS = st.lists(st.sampled_from(["Ein", "ein", "zwei", "drei,", "\n", "- vier", "fünf"]), max_size=12).map(" ".join)


@pytest.fixture
def pages(tmp_path):
    path = tmp_path / "pages.warc.gz"
    path.write_bytes(information("x") + b"".join(response(url, f"<p>page of {url} ü") for url in (A, B, C, A)))
    return str(path)


def truth(tmp_path, *lines, name="truth.jsonl"):
    path = tmp_path / name
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return str(path)


@pytest.mark.parametrize("name", ["truth.jsonl", "truth.jsonl.gz"])
def test_pages_are_joined_with_what_is_known_of_them(tmp_path, pages, name):
    lines = (
        {"url": C, "with": ["page"], "without": ["x", "y"], "other": 1},
        "\n",
        {"url": A, "article": "", "kind": "forum"},
    )
    assert read_labelled([pages], [truth(tmp_path, *lines, name=name)]) == [
        LabelledPage(A, f"<p>page of {A} ü".encode(), "utf-8", article="", kind="forum"),
        LabelledPage(C, f"<p>page of {C} ü".encode(), "utf-8", ("page",), ("x", "y")),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{\n"], "line 1: no JSON"),
        ([{"url": A}, "[1]\n"], "line 2: no JSON object with a string 'url'"),
        ([{"with": ["a"]}], "line 1: no JSON object with a string 'url'"),
        ([{"url": A, "with": "phrase"}], "line 1: 'with' is no list of phrases"),
        ([{"url": A, "without": ["a", " "]}], "line 1: 'without' is no list of phrases"),
        ([{"url": A, "article": ["a"]}], "line 1: 'article' is no text"),
        ([{"url": A}, {"url": B}, {"url": A}], "line 3: .*line 1 is about the same url"),
        ([{"url": A}, {"url": "https://d.example/"}], "line 2: no page has the url https://d.example/$"),
        (
            [{"url": "https://d.example/"}, {"url": "e"}],
            r"d.example/ \(1 more are missing\); is it about other pages\?",
        ),
        (["\n"], "no line about a page"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path, pages, lines, message):
    with pytest.raises(GptkitError, match=message) as caught:
        read_labelled([pages], [truth(tmp_path, *lines)])
    assert "\n" not in str(caught.value)


def test_missing_files_and_texts_instead_of_pages(tmp_path, pages):
    known = truth(tmp_path, {"url": A})
    for arguments in ([pages], ["nowhere.jsonl"]), (["nowhere.warc.gz"], [known]):
        with pytest.raises(GptkitError, match=r"nowhere.*: no such file"):
            read_labelled(*arguments)
    with pytest.raises(GptkitError, match="holds texts, no pages"):
        read_labelled([truth(tmp_path, {"text": "a"}, name="texts.jsonl")], [known])


def test_damaged_pages_are_named_where_one_is_missing(tmp_path, pages):
    whole = response(B, "<p>" + random.Random(1).randbytes(2000).hex())
    path = tmp_path / "cut.warc.gz"
    path.write_bytes(response(A, "<p>a") + whole[:-300])
    with pytest.raises(GptkitError, match=r"no page has the url .*/2; cut.warc.gz is damaged: "):
        read_labelled([str(path)], [truth(tmp_path, {"url": A}, {"url": B})])


def test_phrases_are_counted_as_trafilatura_does():
    counts = phrase_counts("One  two\nthree\u00a0four", ["two three", "four", "Two"], ["one", "two  three ", "five"])
    assert counts == Counts(true_positives=2, false_negatives=1, false_positives=1, true_negatives=2)
    assert (counts.precision, counts.recall) == pytest.approx((2 / 3, 2 / 3))
    total = sum([counts, Counts(1, 0, 0, 5)], Counts())
    assert total == Counts(3, 1, 1, 7)
    assert total.f1 == pytest.approx(2 * 0.75 * 0.75 / 1.5)
    assert (Counts().precision, Counts().recall, Counts().f1) == (0, 0, 0)


@given(TEXTS, TEXTS, st.integers(1, 5))
def test_shingles_against_the_definition(text, article, size):
    def shingles(text):
        found = re.findall(r"\w+", text.lower())
        return Counter(tuple(found[i : i + size]) for i in range(max(1, len(found) - size + 1)) if found)

    one, other = shingles(text), shingles(article)
    common = sum(min(one[each], other[each]) for each in one)
    expected = 2 * common / (one.total() + other.total()) if one or other else 1
    assert shingle_f1(text, article, size) == pytest.approx(expected)


@given(TEXTS, TEXTS)
def test_words_against_the_readme_of_wcxb(text, article):
    pred, ref = (Counter(re.findall(r"\w+", each.lower())) for each in (text, article))
    overlap = sum((pred & ref).values())
    if not ref or not pred:
        expected = float(not ref and not pred)
    else:
        p, r = overlap / pred.total(), overlap / ref.total()
        expected = 2 * p * r / (p + r) if p + r else 0
    assert word_f1(text, article) == pytest.approx(expected)


def test_a_character_without_spaces_around_it_is_a_word():
    assert words("Die GPT-2, 我们在 2024年。ไทย かな한국어") == "die gpt 2 我 们 在 2024 年 ไ ท ย か な 한국어".split()
    assert shingle_f1("我们在这里", "我们在这", 4) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.Example.org:8080/a?b=c.d", "example.org"),
        ("https://a.b.example.co.uk/", "example.co.uk"),
        ("https://co.uk/", "co.uk"),
        ("http://blog.example.de", "example.de"),
        ("http://user@news.example.com.", "example.com"),
        ("http://10.0.0.1/x", "10.0.0.1"),
        ("http://[2001:db8::1]/x", "2001:db8::1"),
        ("http://[broken/x", "http://[broken/x"),
        ("http://site.invalid/1", "http://site.invalid/1"),
        ("page.html", "page.html"),
        ("http://localhost/1", "localhost"),
    ],
)
def test_domains(url, domain):
    assert registered_domain(url) == domain


def test_folds_keep_domains_together_and_do_not_move():
    pages = [LabelledPage(f"https://www{i % 3}.site{i // 3}.example/{i}", b"") for i in range(1500)]
    found = folds(pages, 5, seed=1)
    assert all(len(set(found[i : i + 3])) == 1 for i in range(0, 1500, 3))
    assert min(Counter(found).values()) > 200
    assert set(found) == set(range(5))
    assert folds(pages[700:], 5, seed=1) == found[700:]
    assert folds(pages, 5, seed=2) != found
