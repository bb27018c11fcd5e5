import ast
import doctest
import hashlib
import html.entities
import inspect
import io
import json
import os
import random
import unicodedata
from pathlib import Path

import ftfy
import numpy as np
import pyarrow as pa
import pytest
import zstandard
from ftfy import chardata, fixes
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.clean.mend import LONGEST_RUN, NORMALISED, PASSES, STEPS, mend
from gptkit.clean.repair import repair, repair_one
from gptkit.clean.repair_tables import REPLACEABLE, tables
from gptkit.kernels.automaton import FOUND, MIDDLE, START
from gptkit.kernels.repair import MARK, REPLACED, SEGMENT

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"

MOJIBAKE = ["â€™", "Ã©", "Ã ", "Â ", "à²", "Â©", "вЂ™", "β€™", "ā€", "ГўВЂВњ", "â€�", "ÃƒÂ©", "√©", "œ", "×²", "Ãƒ"]
ENTITIES = ["&amp;", "&lt;", "&#39;", "&#x26;", "&amp", "&nbsp;", "&EACUTE;", "&foo;", "&#0;", "&#xD800;", "&#128;"]
REPLACEMENTS = ["“q”", "’", "ʼ", "ﬁ", "ŉ", "Ǆ", "ĳ", "ﾊﾟ", "ﾞ", "　", "，", "＆", "；", "＜", "￣", "\uffa1", "\u2028"]
CONTROLS = ["\r\n", "\r", "\n", "\x85", "\x1b[31m", "\x1b", "[0m", "\x00", "\x0b", "\x7f", "\ufeff", "\ufffc", "\x1a"]
MARKS = ["\u0301", "\u0323", "\u093c", "\u09be", "\u09c7", "\u0958", "\u1161", "\u11a8", "가", "é", "ế", "Å", "\u3099"]
OTHERS = [
    "<",
    "&",
    "#",
    ";",
    "?",
    " ",
    "\xa0",
    "a",
    "la ",
    "A",
    "1",
    "漢",
    "か",
    "Привет",
    "\u037e",
    "\ufffd",
    "😀",
    "°",
]

nasty = st.one_of(
    *map(st.sampled_from, (MOJIBAKE, ENTITIES, REPLACEMENTS, CONTROLS, MARKS, OTHERS)),
    st.text(max_size=5),
    st.text(st.characters(max_codepoint=0x24F), max_size=6),
    st.builds(
        lambda text, codec: text.encode().decode(codec, "ignore"),
        st.text(max_size=6),
        st.sampled_from(chardata.CHARMAP_ENCODINGS),
    ),
)
texts = st.lists(nasty, max_size=10).map("".join)


def lines(name: str) -> list[str]:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"GPTKIT_SHARED names no folder with data/{name}")
    with path.open("rb") as file:
        reader = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8", newline="\n")
        return [json.loads(line)["text"] for line in reader]


def assert_equals_ftfy(documents: list[str]) -> None:
    repaired = repair(pa.array(documents, pa.string())).to_pylist()
    for document, text in zip(documents, repaired, strict=True):
        assert text == ftfy.fix_text(document), ascii(document[:1000])


@settings(max_examples=100)
@given(st.lists(texts, max_size=2))
def test_equals_ftfy(documents):
    assert_equals_ftfy(documents)


def test_equals_ftfy_on_many_pieces():
    drawn = random.Random(9)
    pieces = [*MOJIBAKE, *ENTITIES, *REPLACEMENTS, *CONTROLS, *MARKS, *OTHERS]
    assert_equals_ftfy(["".join(drawn.choices(pieces, k=drawn.randint(1, 12))) for _ in range(2500)])


def test_equals_ftfy_on_its_own_examples():
    found = set()
    for module in (ftfy, fixes):
        for test in doctest.DocTestFinder().find(module):
            for example in test.examples:
                tree = ast.parse(example.source)
                found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    examples = sorted(text for text in found if isinstance(text, str) and "\ud83d" not in text)
    assert len(examples) > 25
    assert_equals_ftfy([text for text in examples if all(not 0xD800 <= ord(c) < 0xE000 for c in text)])


def test_equals_ftfy_on_single_characters():
    codes = [*range(0x3100), *range(0xF900, REPLACEABLE), *range(0x1D100, 0x1D200), *range(0x2F800, 0x2F820)]
    assert_equals_ftfy([f"a{chr(code)}b" for code in codes])


def test_equals_ftfy_on_pairs_of_kinds():
    """One character of each class that the kernel tells apart, beside one of each."""
    kinds = tables().kinds
    every = [chr(np.flatnonzero(tables().classes == number)[-1]) for number in range(len(kinds))]
    every = [character for character in every if not 0xD800 <= ord(character) < 0xE000]
    assert_equals_ftfy([f"{first}{second}a" for first in every for second in every])


def test_equals_ftfy_on_every_entity():
    assert_equals_ftfy([f"x&{name} &{name.upper()}" for name in html.entities.html5])


def test_a_less_than_sign_keeps_the_entities_from_there_on():
    documents = ["&amp;\n&lt;b\n", "&amp;\n< &amp;\n&amp;’\n", "&amp; <\n&amp;", "＜\n&amp;", "&lt;\n&amp;", "&amp;"]
    assert_equals_ftfy(documents)
    assert repair_one(documents[1]) == "&\n< &amp;\n&amp;'\n"


@pytest.mark.parametrize(("before", "tail"), [(1, "e\u0301’"), (1, "\r\n&amp;"), (3, "&amp;Ã©"), (5, "&amp;<\n&amp;")])
def test_segments_end_after_a_million_characters(before, tail):
    assert_equals_ftfy(["x" * (SEGMENT - before) + tail + "\n&lt;b>\n&amp;"])


def test_segments_are_counted_in_characters():
    assert_equals_ftfy(["漢" * (SEGMENT - 1) + "e\u0301\r\n’"])


def test_real_text():
    drawn = random.Random(3)
    assert_equals_ftfy(drawn.sample(lines("text/mixed.jsonl.zst"), 60))


def test_many_languages():
    assert_equals_ftfy(lines("languages/flores.jsonl.zst")[::8])


def test_mail():
    assert_equals_ftfy(lines("mail/spamassassin.jsonl.zst")[::30])


@pytest.mark.parametrize("codec", chardata.CHARMAP_ENCODINGS)
def test_mis_decoded_text(codec):
    once = [line.encode().decode(codec, "ignore") for line in lines("languages/flores.jsonl.zst")[::120]]
    twice = [line.encode().decode("sloppy-windows-1252") for line in once[::4]]
    assert_equals_ftfy(once + twice)


def test_text_in_order_is_not_copied():
    column = pa.array(["Grüße aus Köln – schön", "Привет, мир", "日本語。"])
    assert repair(column) is column


def test_slices_and_types_are_kept():
    column = pa.array(["“a”", "b", "“c”", "", "&lt;", "e\u0301"], pa.large_string())
    repaired = repair(column.slice(1, 4))
    assert repaired.type == pa.large_string()
    assert repaired.to_pylist() == ["b", '"c"', "", "<"]
    assert repair(column.slice(0, 0)).to_pylist() == []
    assert repair(pa.array(["", ""])).to_pylist() == ["", ""]
    with pytest.raises(ValueError, match="nulls"):
        repair(pa.array(["a", None]))


def test_work_is_limited():
    levels = 10 * PASSES
    assert mend("&" + "amp;" * (PASSES // 4), True) == "&"
    assert mend("&" + "amp;" * levels, True).startswith("&amp;amp;")
    assert len(mend("Â" * levels + "©", True)) > levels // 2
    piled = "e" + "\u0301" * (LONGEST_RUN + 1)
    assert repair_one(piled) == piled
    assert repair_one(piled[:LONGEST_RUN]) == "é" + piled[2:LONGEST_RUN]


def test_steps_are_those_of_ftfy():
    """What is relied on besides ftfy's tables: if this fails, compare `mend` with the new ftfy, then renew the digest."""
    relied_on = (
        ftfy.fix_text,
        ftfy.fix_and_explain,
        ftfy.fix_encoding_and_explain,
        ftfy._fix_encoding_one_step_and_explain,
        fixes.unescape_html,
        fixes._unescape_fixup,
        fixes.decode_inconsistent_utf8,
        *STEPS,
    )
    source = "".join(map(inspect.getsource, relied_on)) + chardata.HTML_ENTITY_RE.pattern + fixes.ANSI_RE.pattern
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    assert digest == "aecfc67ed829c123", f"ftfy {ftfy.__version__} works otherwise than the one this is written for"
    assert ftfy.TextFixerConfig().max_decode_length == SEGMENT


def test_ftfy_finds_nothing_in_ascii_alone():
    reached, states = {START, MIDDLE}, [START, MIDDLE]
    for state in states:
        for code in range(128):
            after = int(tables().transitions[state, tables().classes[code]])
            assert after != FOUND
            if after not in reached:
                reached.add(after)
                states.append(after)


def test_replaced_characters_take_no_part_in_normalisation():
    kinds, classes = tables().kinds, tables().classes
    replaced = {chr(code) for code in np.flatnonzero(kinds[classes] & REPLACED)}
    for character in replaced:
        assert not unicodedata.combining(character)
        assert unicodedata.normalize("NFD", character) == character
    for code in range(NORMALISED):
        normal = unicodedata.normalize("NFD", chr(code))
        assert normal == chr(code) or replaced.isdisjoint(normal + unicodedata.normalize("NFC", chr(code)))
    assert np.array_equal(np.flatnonzero(kinds[classes] & MARK), np.flatnonzero(tables().orders))


def test_planes_beyond_the_tables_are_never_changed():
    far = "\n".join(map(chr, range(REPLACEABLE, 0x110000)))
    for step in STEPS:
        assert step(far) == far
    far = "\n".join(map(chr, range(NORMALISED, 0x110000)))
    for form in ("NFC", "NFD"):
        assert unicodedata.is_normalized(form, far)
    assert not any(unicodedata.combining(character) for character in far)
