import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.clean.repair import repair

MARKS = [
    "&amp;",
    "&lt;",
    "<b>",
    "â€™",
    "Ã©",
    "\r\n",
    "\x85",
    "\ufb01",
    "“q”",
    "\x1b[0m",
    "\u200b",
    "ｆｕｌｌ",
    "plain ",
    "&",
    "\x7f",
    "\ufeff",
    "\ud83d\ude00",
]


@given(
    st.lists(
        st.one_of(
            st.sampled_from(MARKS), st.text(max_size=5), st.text(alphabet=st.characters(max_codepoint=127), max_size=8)
        ),
        max_size=8,
    ).map("".join)
)
def test_equals_ftfy(text):
    assert repair(text) == ftfy.fix_text(text)


@pytest.mark.parametrize("character", [chr(code) for code in range(128)])
def test_equals_ftfy_on_every_ascii_character(character):
    assert repair(f"a{character}b") == ftfy.fix_text(f"a{character}b")
