"""Pages of real text in the web's encodings, declared rightly, wrongly and not at all."""

import codecs
import io
import json
import os
import time
from functools import cache
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from gptkit.data.encoding import as_utf8, codec_of, decode, is_utf8

FLORES = (
    Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared")
    / "data"
    / "languages"
    / "flores.jsonl.zst"
)
CHARACTERS = 300
# the web's label, Python's codec, language
ENCODINGS = [
    ("Shift_JIS", "cp932", "jpn_Jpan"),
    ("EUC-JP", "euc_jp", "jpn_Jpan"),
    ("ISO-2022-JP", "iso2022_jp", "jpn_Jpan"),
    ("GBK", "gbk", "zho_Hans"),
    ("gb2312", "gbk", "zho_Hans"),
    ("Big5", "cp950", "zho_Hant"),
    ("EUC-KR", "cp949", "kor_Hang"),
    ("windows-1250", "cp1250", "pol_Latn"),
    ("ISO-8859-2", "iso8859_2", "pol_Latn"),
    ("windows-1251", "cp1251", "rus_Cyrl"),
    ("KOI8-R", "koi8_r", "rus_Cyrl"),
    ("IBM866", "cp866", "rus_Cyrl"),
    ("windows-1252", "cp1252", "deu_Latn"),
    ("ISO-8859-1", "cp1252", "fra_Latn"),
    ("us-ascii", "cp1252", "swe_Latn"),
    ("windows-1253", "cp1253", "ell_Grek"),
    ("windows-1254", "cp1254", "tur_Latn"),
    ("windows-1255", "cp1255", "heb_Hebr"),
    ("windows-1256", "cp1256", "arb_Arab"),
    ("windows-1257", "cp1257", "lit_Latn"),
    ("TIS-620", "cp874", "tha_Thai"),
    ("windows-1258", "cp1258", "vie_Latn"),
]
# where the detector alone fails for some paragraphs of 300 characters: the share it must get
DETECTED = {"ISO-8859-2": 0.9, "TIS-620": 0.9, "windows-1258": 0.8}
LATIN = {"windows-1250", "ISO-8859-2", "windows-1252", "ISO-8859-1", "us-ascii", "windows-1254", "windows-1257"}
needs_text = pytest.mark.skipif(not FLORES.is_file(), reason="GPTKIT_SHARED names no folder with data/languages")
every_encoding = pytest.mark.parametrize(("label", "codec", "language"), ENCODINGS, ids=[row[0] for row in ENCODINGS])


@cache
def sentences():
    found = {}
    with FLORES.open("rb") as stream:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(stream), encoding="utf-8"):
            row = json.loads(line)
            found.setdefault(row["lang"], []).append(row["text"])
    return found


def paragraphs(codec, language):
    """Paragraphs of at least 300 characters that the codec can hold."""
    found = [""]
    for sentence in sentences()[language]:
        found[-1] += sentence.encode(codec, "ignore").decode(codec) + " "
        if len(found[-1]) >= CHARACTERS:
            found.append("")
    return [paragraph.strip() for paragraph in found[:-1]]


def page(text, meta=""):
    return f"<!doctype html>\n<html><head>\n{meta}<title>A page</title></head>\n<body><p>{text}</p></body></html>\n"


def meta(label):
    return f'<meta http-equiv="Content-Type" content="text/html; charset={label}">\n'


@needs_text
@every_encoding
def test_declared_by_the_header(label, codec, language):
    for text in paragraphs(codec, language):
        assert decode(page(text).encode(codec), label.lower()) == page(text)
        assert decode(text.encode(codec), label, html=False) == text


@needs_text
@every_encoding
def test_declared_by_the_page(label, codec, language):
    for text in paragraphs(codec, language):
        for declared in (meta(label), f"<META Charset='{label}' />"):
            assert decode(page(text, declared).encode(codec)) == page(text, declared)
        xml = f'<?xml version="1.0" encoding="{label}"?>\n{page(text)}'
        assert decode(xml.encode(codec)) == xml


@needs_text
@every_encoding
def test_a_right_page_behind_a_wrong_header(label, codec, language):
    """A server's default is the commonest wrong header."""
    wrong = ["utf-8", "utf-16", "nonsense"] + ([] if label in LATIN | {"windows-1258"} else ["iso-8859-1"])
    for text in paragraphs(codec, language):
        for header in wrong:
            assert decode(page(text, meta(label)).encode(codec), header) == page(text, meta(label)), header


@needs_text
@every_encoding
def test_detected(label, codec, language):
    right = [decode(page(text).encode(codec)) == page(text) for text in paragraphs(codec, language)]
    assert sum(right) >= DETECTED.get(label, 1) * len(right)


@needs_text
@every_encoding
def test_a_wrong_declaration_gives_way_to_detection(label, codec, language):
    wrong = ["utf-8", "utf-16le"] + ([] if label in LATIN | {"windows-1258"} else ["iso-8859-1", "windows-1250"])
    for declared in wrong:
        found = [decode(page(text, meta(declared)).encode(codec)) for text in paragraphs(codec, language)]
        right = [
            decoded == page(text, meta(declared))
            for decoded, text in zip(found, paragraphs(codec, language), strict=True)
        ]
        assert sum(right) >= DETECTED.get(label, 1) * len(right), declared


@needs_text
@pytest.mark.parametrize("language", ["eng_Latn", "deu_Latn", "rus_Cyrl", "jpn_Jpan", "arb_Arab", "hin_Deva"])
def test_unicode_whatever_was_declared(language):
    for text in paragraphs("utf-8", language):
        for header in (None, "iso-8859-1", "shift_jis", "utf-8", "utf-16"):
            for document in (page(text), page(text, meta("windows-1251")), page(text, meta("utf-16"))):
                assert decode(document.encode(), header) == document
                assert decode(codecs.BOM_UTF8 + document.encode(), header) == document
                assert decode(document.encode("utf-16-le"), header) == document
                assert decode(document.encode("utf-16-be"), header) == document
                for mark, codec in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
                    assert decode(mark + document.encode(codec), header) == document


@needs_text
def test_utf8_with_a_few_broken_bytes():
    text = page(" ".join(paragraphs("utf-8", "deu_Latn")))
    data = text.encode()
    place = data.index("ä".encode())
    for declared in (None, "iso-8859-1"):
        assert decode(data[: place + 1], declared) == data[:place].decode() + "\ufffd"
        assert decode(data + b"caf\xe9</p>", declared) == text + "caf\ufffd</p>"


def test_utf8_cut_within_its_only_character_outside_ascii():
    assert decode("a plain page with one dash \u2013".encode()[:-1]) == "a plain page with one dash \ufffd"
    assert decode(b"caf\xe9") == "café"  # no continuation: not UTF-8's


def test_the_first_declaration_that_counts():
    text = "Привет, как дела? Всё хорошо, спасибо большое за письмо."
    declared = f'<!-- <meta charset="koi8-r"> --><script>{"x" * 5_000}</script><meta charset="windows-1251">'
    assert decode(page(text, declared).encode("cp1251")) == page(text, declared)
    late = page(f'<meta charset="koi8-r">{text}')  # in the body: no declaration
    assert decode(late.encode("cp1251")) == late


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (b"\xad\xa1\xa4\xa2\xff", "euc-jp", "①あ\ufffd"),
        (b'\x1b$B-!$"\x1b(B!', "iso-2022-jp", "①あ!"),
        (b"\x87\x40\x82\xa0", "shift_jis", "①あ"),
        (b"\x87\x40A\xa3\xe1\xa1\x45", "big5", "䏰A€‧"),
        (b"\xa2\xe3\x81\x30\x84\x36", "gb2312", "€¥"),
        (b"\x8c\x63\xb0\xa1", "ks_c_5601-1987", "\ub620가"),
        (b"\x80\x93\x94", "latin1", "€“”"),
        (b"\xe9\xf1", "x-user-defined", "éñ"),
    ],
)
def test_what_the_web_means_by_a_label(data, label, text):
    assert decode(data, label, html=False) == text


def test_nothing_but_characters_gets_out():
    assert as_utf8(b"a\0 few words more than a line\0 \xc3\xa9\0") == "a few words more than a line é".encode()
    assert as_utf8(codecs.BOM_UTF16_LE + b"a\0\x00\xd8b\0\0\0") == "a\ufffdb".encode()
    assert as_utf8(b"") == b""
    assert as_utf8(codecs.BOM_UTF8) == b""


LABELS = st.sampled_from([None, "", "utf-8", "\x00", "\xe9", "unicode_escape", *(row[0] for row in ENCODINGS)])
PIECES = st.sampled_from(
    [
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x1b$B",
        b"\xed\xa0\x80",
        b"<meta charset=",
        b"<!--",
        b"<?xml encoding='",
        b"a",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=8), max_size=30).map(b"".join), LABELS, st.booleans())
def test_any_bytes_become_utf8(data, label, html):
    found = as_utf8(data, label, html)
    assert "\0" not in found.decode()


@given(st.binary(max_size=60) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_is_utf8_agrees_with_python(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        assert not is_utf8(data)
    else:
        assert is_utf8(data)


@pytest.mark.parametrize(
    "piece", [b"\xff<meta ", b"\xff<!--", b"\xff<meta charset=", b"<?xml \xff", b"\xff\0", b"\xe0\xa4", b"\x1b$B\xff"]
)
def test_time_is_linear(piece):
    started = time.perf_counter()
    as_utf8(piece * (2_000_000 // len(piece)))
    assert time.perf_counter() - started < 5


@given(st.text(max_size=20), st.binary(max_size=30))
@example("\udcff", b"\xff")
@example("utf-8\0", b"\xff")
def test_any_label_may_be_declared(label, data):
    as_utf8(data, label)
    as_utf8(data + f"<meta charset={label}>".encode("utf-8", "replace"))


@pytest.mark.parametrize("label", ["nonsense", "", "\udcff", "ütf-8"])
def test_labels_of_nothing(label):
    assert codec_of(label) is None
    assert codec_of(" Shift_JIS ") == "cp932"
