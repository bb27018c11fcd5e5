import os
import re
import sys
from io import TextIOWrapper
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gptkit.kernels import c4_lines
from gptkit.kernels.c4_lines import C4Limits, edit_c4
from gptkit.kernels.characters import TERMINAL, UNSPACED, character_flags
from gptkit.kernels.words import sentence_counts, split_words

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data"
MIXED, FLORES = SHARED / "text" / "mixed.jsonl.zst", SHARED / "languages" / "flores.jsonl.zst"
ALL = C4Limits(sentences=10**9)
NONE = C4Limits(0, False, False, 0, False, False, False, False, 10**9)
POLICIES = "terms of use,privacy policy,cookie policy,uses cookies,use of cookies,use cookies".split(",")
CLOSERS = ")]\"'»’‘›“〉》】〕）\u200b\u200c\u200d\u200e\u200f"


def ends(line, wide):
    if line.endswith("..."):
        return False
    if line.endswith((".", "?", "!", '"', "'")):
        return True
    if not wide:
        return False
    if any("\u0e00" <= c <= "\u0fff" for c in line):
        return True
    while line and (line[-1] in CLOSERS or line[-1].isspace()):
        line = line[:-1]
    if line.endswith(("”", "」", "』")):
        return True
    before = line[:-1].rstrip()[-1:]
    if line.endswith(":"):
        return "\u0531" <= before <= "\u058f"
    if line.endswith("|"):
        return "\u0900" <= before <= "\u0dff"
    if line.endswith("\u1361"):
        return before == "\u1361"
    code = ord(line[-1]) if line else 0
    return bool(code < len(character_flags()) and character_flags()[code] & TERMINAL) or code == 0x9F7


def words_of(line, wide):
    flags = character_flags()
    if wide and any(ord(c) >= len(flags) or flags[ord(c)] & UNSPACED for c in line):
        return split_words(pa.array([line]))[0]
    return line.split()


def reference(text, wide=False, limits=ALL):
    """The rules in the order of datatrove 0.10, with its own words and expressions replaced by plain Python."""
    row = np.zeros(c4_lines.COLUMNS, np.int64)
    kept = []
    for line in text.splitlines():
        line = line.strip()
        words = words_of(line, wide)
        row[c4_lines.LINES] += 1
        if limits.max_word_characters and max(map(len, words), default=0) > limits.max_word_characters:
            row[c4_lines.LONG_WORD] += 1
            continue
        if limits.citations:
            line = re.sub(r"\[(?:[0-9]|[^\W\D])*\]|\[edit\]|\[citation needed\]", "", line)
        lower = line.lower()
        if limits.end_mark and not ends(line, wide):
            row[c4_lines.END_MARK] += 1
        elif len(words) < limits.min_line_words:
            row[c4_lines.FEW_WORDS] += 1
        elif limits.lorem_ipsum and "lorem ipsum" in lower:
            row[c4_lines.LOREM_IPSUM] = 1
            return "", row.tolist()
        elif limits.javascript and "javascript" in lower:
            row[c4_lines.JAVASCRIPT] += 1
        elif limits.curly_bracket and "{" in line:
            row[c4_lines.CURLY_BRACKET] = 1
            return "", row.tolist()
        elif limits.policy and any(policy in lower for policy in POLICIES):
            row[c4_lines.POLICY] += 1
        else:
            if row[c4_lines.SENTENCES] < limits.sentences:
                row[c4_lines.SENTENCES] += sentence_counts(pa.array([line]))[0]
            kept.append(line)
    return "\n".join(kept).strip(), row.tolist()


def check(texts, wide=False, limits=ALL, kind=None):
    column = pa.array(texts, kind or pa.string())
    flags = np.full(len(texts), wide)
    edited, rows = edit_c4(column, flags, limits)
    edited.validate(full=True)
    assert edited.type == column.type
    expected = [reference(text, wide, limits) for text in texts]
    assert edited.to_pylist() == [text for text, _ in expected]
    assert rows.tolist() == [row for _, row in expected]


PIECES = (
    "one two three|A line that stays.|word|.|...|?|!|\"|'|…|[1]|[]|[٣२]|[²]|[edit]|[citation needed]|[|]|edit]|"
    "java|JavaScript|script|javaſcript|privacy policy|Use of Coo\u212aies|use cookies|İ|terms of|use|uses COOKIES|"
    "lorem|ipsum|LOREM IPSUM|{|語|。|我们在一起|ไทย|”|」|»|)|।|մի:|की |::|፡|৷|\u200b|\u0301|\U00020000|\U0001f600|é|xxxxxxxx|"
    "\n|\n|\r\n|\r|\x85|\u2028|\x0b|\x1c| | |\u00a0|\u3000|\t|. \n|! "
).split("|")
nasty = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40).map("".join)
limits = st.builds(
    C4Limits,
    max_word_characters=st.sampled_from([0, 8, 1000]),
    citations=st.booleans(),
    end_mark=st.booleans(),
    min_line_words=st.sampled_from([0, 1, 3]),
    javascript=st.booleans(),
    policy=st.booleans(),
    lorem_ipsum=st.booleans(),
    curly_bracket=st.booleans(),
    sentences=st.sampled_from([0, 2, 10**9]),
)


@given(st.lists(nasty, max_size=4), st.booleans(), st.sampled_from([pa.string(), pa.large_string()]))
def test_equals_datatroves_definition(texts, wide, kind):
    check(texts, wide, kind=kind)


@given(st.lists(nasty, min_size=1, max_size=3), st.booleans(), limits)
def test_every_check_can_be_switched_off_or_tuned(texts, wide, limits):
    check(texts, wide, limits)


def test_what_lower_can_make_of_a_character_is_covered():
    made = {chr(code) for code in range(128, sys.maxunicode + 1) if any(c < "\x80" for c in chr(code).lower())}
    assert made == {"İ", "\u212a"}  # an i with a dot above it, and k: no phrase ends in i
    check(["We use coo\u212aies here.", "javascrİpt is on here.", "A javascri\u0307pt is here.", "The terms of uſe."])


def test_a_slice_of_a_column_and_documents_beside_each_other():
    texts = [
        "unseen and cut.",
        " \n",
        "",
        "Kept as it is.\nAnd this one too.",
        "Not {this one here}.",
        "x" * 2000 + " a b.",
    ]
    column = pa.array(texts)[1:]
    edited, rows = edit_c4(column, np.zeros(5, bool), ALL)
    assert edited.to_pylist() == ["", "", texts[3], "", ""]
    assert rows.tolist() == [reference(text)[1] for text in texts[1:]]
    edited, rows = edit_c4(column[:0], np.zeros(0, bool), ALL)
    assert (len(edited), rows.shape) == (0, (0, c4_lines.COLUMNS))


def test_sentences_are_counted_until_there_are_enough():
    text = "One is here. Two is there.\nThree is gone. Four is back.\nFive is last."
    counted = [edit_c4(pa.array([text]), np.zeros(1, bool), C4Limits(sentences=n))[1][0, 0] for n in (0, 1, 3, 5, 99)]
    assert counted == [0, 2, 4, 5, 5]


def test_flags_for_each_document_are_needed():
    with pytest.raises(ValueError, match="2 flags for 1 documents"):
        edit_c4(pa.array(["a"]), np.zeros(2, bool), ALL)


def test_nothing_asked_is_only_stripped_lines():
    check([" a\r\n\n b {lorem ipsum} javascript[1] \n"], limits=NONE)


def lines_of(path, count):
    with path.open("rb") as file:
        reader = TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True), "utf-8")
        return [orjson.loads(line) for line, _ in zip(reader, range(count), strict=False)]


@pytest.mark.skipif(not MIXED.exists(), reason="GPTKIT_SHARED names no folder with data/text")
@pytest.mark.parametrize("wide", [False, True])
def test_equals_datatroves_definition_on_real_text(wide):
    check([document["text"] for document in lines_of(MIXED, 300)], wide, C4Limits())


@pytest.mark.skipif(not FLORES.exists(), reason="GPTKIT_SHARED names no folder with data/languages")
def test_most_lines_of_most_languages_end_as_sentences_do():
    documents = lines_of(FLORES, 10**9)
    wide = np.array([not document["lang"].startswith("eng") for document in documents])
    rows = edit_c4(pa.array([document["text"] for document in documents]), wide, C4Limits())[1]
    stays = rows[:, c4_lines.SENTENCES] > 0
    names = np.array([document["lang"] for document in documents])
    poor = {name for name in np.unique(names).tolist() if stays[names == name].mean() < 0.8}
    # the first three are often without end marks there, and Tibetan's words have no spaces between them
    assert poor <= {"ewe_Latn", "pbt_Arab", "bam_Latn", "bod_Tibt"}
