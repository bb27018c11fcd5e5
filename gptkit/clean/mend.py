"""ftfy's repair of one segment of text, with a limit to its work.

ftfy repeats its steps until nothing changes. Text can be made so that this takes as many rounds as it
has characters, which is hours for a line of a megabyte: `&amp;amp;amp;…`, `ÂÂÂ…©`. And composing a
run of marks takes the square of its length. So the same steps are taken here, up to a limit that
only such text meets; it is left as it then is.
"""

import dataclasses
import re
import unicodedata

import ftfy
from ftfy import fixes
from ftfy.badness import is_bad
from ftfy.chardata import UTF8_DETECTOR_RE

PASSES = 64  # how often, at most, the text of a segment is gone through
LONGEST_RUN = 1_000  # marks in a row that are still composed; Unicode's stream-safe text has 30
NORMALISED = 0x30000  # no character from here on is composed or decomposed, or has a combining class

# What ftfy does to characters, in its order
STEPS = (
    fixes.fix_c1_controls,
    fixes.fix_latin_ligatures,
    fixes.fix_character_width,
    fixes.uncurl_quotes,
    fixes.fix_line_breaks,
    fixes.fix_surrogates,
    fixes.remove_terminal_escapes,
    fixes.remove_control_chars,
)
CONFIG = ftfy.TextFixerConfig(decode_inconsistent_utf8=False)
MARKS = "".join(chr(code) for code in range(NORMALISED) if unicodedata.combining(chr(code)))
RUN = re.compile(f"[{MARKS}]{{{LONGEST_RUN + 1},}}")


@dataclasses.dataclass
class Work:
    """How many characters may still be gone through."""

    left: int

    def take(self, text: str) -> bool:
        """Whether `text` may be gone through once more; counts it."""
        self.left -= len(text) + 1
        return self.left >= 0


def mend(text: str, entities: bool) -> str:
    """The text of one segment as `ftfy.fix_text_segment` gives it, its entities decoded or not."""
    work = Work(PASSES * (len(text) + 1))
    while work.take(text):
        before = text
        if entities:
            text = fixes.unescape_html(text)
        text = _decode(text, work)
        for step in STEPS:
            text = step(text)
        text = compose(text)
        if text == before:
            break
    return text


def compose(text: str) -> str:
    """The text in Unicode's normalisation form C, unless marks pile up in it beyond LONGEST_RUN."""
    return text if RUN.search(text) else unicodedata.normalize("NFC", text)


def _decode(text: str, work: Work) -> str:
    """Mis-decoded text decoded anew, as often as that is called for."""
    while is_bad(text) and work.take(text):
        before = text
        text = _decode_once(text, work)
        if text == before:
            break
    return text


def _decode_once(text: str, work: Work) -> str:
    """Text that looks mis-decoded after one step: whole, else piece by piece, else single characters."""

    def piece(match: re.Match[str]) -> str:
        found = match[0]
        return _decode(found, work) if len(found) < len(text) else found

    fixed, plan = ftfy._fix_encoding_one_step_and_explain(text, CONFIG)
    if plan and plan[-1].parameter.startswith("utf-8"):
        return fixed
    pieces = UTF8_DETECTOR_RE.sub(piece, text)
    return fixed if pieces == text else pieces
