"""Block lists of addresses against a plain reading of the rules."""

import gzip
import random
import re
from urllib.parse import unquote_to_bytes, urlsplit

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.clean.urls import UrlListFiles, UrlLists, load
from gptkit.errors import GptkitError

NAMES = ("domains", "urls", "words", "soft_words", "substrings")


@pytest.fixture
def lists(tmp_path):
    """Writes lists, given by kind, and loads them."""

    def make(soft_least=2, **kinds):
        files = {}
        for kind, entries in kinds.items():
            (tmp_path / kind).write_text("\n".join(entries), encoding="utf-8")
            files[kind] = (str(tmp_path / kind),)
        return UrlLists.load(UrlListFiles(**files, soft_least=soft_least))

    return make


def judged(lists, *addresses):
    rules, matched = lists.judge(pa.array(addresses, pa.string()))
    return list(zip(rules.to_pylist(), matched.to_pylist(), strict=True))


NO = (None, None)


def test_a_domain_blocks_itself_and_what_is_below_it(lists):
    known = lists(
        domains=["# adult", "Bad.Example", "*.wild.example", ".dot.example.", "sub.good.example", "bücher.example"]
    )
    assert judged(known, "http://bad.example/", "https://www.BAD.example:8080/x", "a.b.bad.example?q") == [
        ("url_domain", "bad.example"),
        ("url_domain", "BAD.example"),
        ("url_domain", "bad.example"),
    ]
    assert judged(known, "http://u:p@x.wild.example", "https://dot.example./", "http://sub.good.example#") == [
        ("url_domain", "wild.example"),
        ("url_domain", "dot.example"),
        ("url_domain", "sub.good.example"),
    ]
    assert judged(known, "https://xn--bcher-kva.example/") == [("url_domain", "xn--bcher-kva.example")]
    for address in ("http://notbad.example", "http://good.example/bad.example", "http://bad.example.org", "", None):
        assert judged(known, address) == [NO]


def test_an_address_blocks_itself_however_it_is_written(lists):
    known = lists(urls=["https://A.example/Page/", "b.example/x?y=1/", "http://c.example:8080/"])
    for address in ("http://a.example/Page", "a.EXAMPLE:443/Page//#top", " https://me@a.example.:80/Page "):
        assert judged(known, address)[0][0] == "url_list", address
    assert judged(known, "https://c.example:8080")[0] == ("url_list", "c.example:8080")
    for address in ("http://a.example/page", "http://a.example/Page/2", "b.example/x?y=1", "http://c.example/"):
        assert judged(known, address) == [NO], address


def test_words_and_soft_words(lists):
    known = lists(words=["Casino", "straße", "hot-stuff"], soft_words=["free", "win", "now"])
    assert judged(known, "https://x.example/Online-CASINO.html") == [("url_word", "CASINO")]
    assert judged(known, "https://x.example/a%20casino%20b") == [("url_word", "casino")]
    assert judged(known, "https://x.example/stra%C3%9Fe/") == [("url_word", "stra%C3%9Fe")]
    assert judged(known, "https://x.example/hotstuff") == [("url_word", "hotstuff")]
    assert judged(known, "https://casinos.example/casino1") == [NO]
    assert judged(known, "https://x.example/free/of/charge?now") == [("url_soft_words", "free/of/charge?now")]
    assert judged(known, "https://x.example/free-free-free") == [NO]


def test_substrings_are_sought_across_punctuation(lists):
    known = lists(substrings=["badplace", "Very-Long-Bad-Words", "xyz"])
    assert judged(known, "https://a.example/Bad_Place/1") == [("url_substring", "Bad_Place")]
    assert judged(known, "https://a.example/?q=very+long+bad%20words!") == [("url_substring", "very+long+bad%20words")]
    assert judged(known, "https://x.yz/") == [("url_substring", "x.yz")]
    assert judged(known, "https://a.example/badplac/verylongbadword") == [NO]


def plain(address, kinds, soft_least):
    """The rules as they are written down, with the standard library."""
    decoded = unquote_to_bytes(address.lower()).lower()
    words = set(re.findall(rb"[0-9a-z\x80-\xff]+", decoded))
    host = urlsplit(address).hostname or ""
    parents = {".".join(host.split(".")[place:]) for place in range(host.count(".") + 1)}
    if parents & kinds["domains"]:
        return "url_domain"
    if words & {word.encode() for word in kinds["words"]}:
        return "url_word"
    if len(words & {word.encode() for word in kinds["soft_words"]}) >= soft_least:
        return "url_soft_words"
    letters = re.sub(rb"[^0-9a-z\x80-\xff]", b"", decoded)
    if any(part.encode() in letters for part in kinds["substrings"]):
        return "url_substring"
    return None


WORDS = st.text("abé1", min_size=1, max_size=10)
LABELS = st.text("ab", min_size=1, max_size=3)


@given(
    st.fixed_dictionaries(
        {
            "domains": st.sets(st.lists(LABELS, min_size=2, max_size=3).map(".".join), min_size=1, max_size=3),
            "words": st.sets(WORDS, min_size=1, max_size=3),
            "soft_words": st.sets(WORDS, min_size=1, max_size=5),
            "substrings": st.sets(st.text("abé1", min_size=2, max_size=12), min_size=1, max_size=4),
        }
    ),
    st.lists(
        st.tuples(st.lists(LABELS, min_size=2, max_size=4), st.text("ab1éA-/%2_.", max_size=30)), min_size=1, max_size=5
    ),
    st.integers(1, 3),
)
@example({"domains": {"b.b"}, "words": {"a"}, "soft_words": {"b"}, "substrings": {"ab" * 5}}, [(["a", "b"], "%2")], 1)
def test_equals_a_plain_reading_of_the_rules(tmp_path_factory, kinds, addresses, soft_least):
    folder = tmp_path_factory.mktemp("lists")
    files = {}
    for kind, entries in kinds.items():
        (folder / kind).write_text("\n".join(entries), encoding="utf-8")
        files[kind] = (str(folder / kind),)
    texts = ["http://" + ".".join(labels) + "/" + path for labels, path in addresses]
    found = UrlLists.load(UrlListFiles(**files, soft_least=soft_least)).judge(pa.array(texts))[0].to_pylist()
    assert found == [plain(text, kinds, soft_least) for text in texts]


def test_many_entries_are_all_found_and_nothing_else(lists):
    generator = random.Random(1)
    names = ["".join(generator.choices("abcdefghij", k=9)) for _ in range(20_000)]
    listed, others = set(names[:10_000]), set(names[10_000:])
    known = lists(domains=[f"{name}.org" for name in listed], substrings=[f"{name}zz" for name in listed])
    blocked = judged(known, *(f"https://{name}.org/" for name in listed))
    assert {rule for rule, _ in blocked} == {"url_domain"}
    assert set(judged(known, *(f"https://{name}.org/" for name in others - listed))) == {NO}
    assert {rule for rule, _ in judged(known, *(f"https://x.de/1{name}-zz" for name in listed))} == {"url_substring"}


def test_a_folder_of_the_toulouse_lists_and_gz(tmp_path):
    (tmp_path / "adult").mkdir()
    (tmp_path / "adult" / "domains").write_text("bad.example\n1.2.3.4\n")
    (tmp_path / "adult" / "urls").write_text("other.example/bad\n")
    (tmp_path / "words.gz").write_bytes(gzip.compress("\ufeffone\ntwo\n".encode()))
    adult = (str(tmp_path / "adult"),)
    files = UrlListFiles(domains=adult, urls=adult, words=(str(tmp_path / "words.gz"),))
    known = load(files, files.digest())
    assert load(files, files.digest()) is known
    addresses = ("http://bad.example", "http://1.2.3.4/x", "https://other.example/bad", "https://c.example/one")
    assert [rule for rule, _ in judged(known, *addresses)] == ["url_domain", "url_domain", "url_list", "url_word"]
    before = files.digest()
    (tmp_path / "adult" / "urls").write_text("other.example/good\n")
    assert files.digest() != before


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("domains", b"a.example\nhttp://b.example/\n", "line 2 is not one of domains: http://b.example/"),
        ("domains", b"0.0.0.0 b.example\n", "line 1 is not one of domains: 0.0.0.0 b.example"),
        ("soft_words", b"\n\n--\n", "line 3 is not one of soft words: --"),
        ("words", b"one\n\xff\n", "line 2 is not UTF-8"),
        ("substrings", b"# only this\n", "has no entries"),
    ],
)
def test_what_is_no_list_is_one_clear_line(tmp_path, kind, content, message):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(GptkitError) as error:
        UrlLists.load(UrlListFiles(**{kind: (str(tmp_path / "list"),)}))
    assert str(tmp_path / "list") in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_list_a_folder_without_one_and_a_broken_gz(tmp_path):
    with pytest.raises(GptkitError, match="no such file"):
        UrlListFiles(domains=(str(tmp_path / "x"),)).digest()
    with pytest.raises(GptkitError, match="folder without a file 'domains'"):
        UrlListFiles(domains=(str(tmp_path),)).digest()
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a.example\n" * 1000)[:-20])
    with pytest.raises(GptkitError, match="cannot be read"):
        UrlLists.load(UrlListFiles(domains=(str(tmp_path / "a.gz"),)))
