"""The words a last-word task asks for."""

import re

WORD = re.compile(r"\b[^\W\d_]{4,}\b")
# words of four letters and more that say little of what a passage is about
STOP_WORDS = frozenset(
    """
    about above according across actually after again against almost along already also although always among another
    anything around away back became because become becomes been before behind being below between both came cannot
    come comes could does doing done down during each either else enough even ever every everything example first
    following from further gave getting give given gives goes going gone have having hence here herself himself however
    into itself just keep kept know known later least less like likely made make makes making many maybe might mine
    more most much must myself near need needs neither never next none nothing often once only onto other others
    otherwise ourselves over part particular perhaps possible quite rather really said same says second seem seems
    seen several shall should similar simply since some something sometimes soon still such sure take taken takes tell
    than that their theirs them themselves then there therefore these they thing things think this those though three
    through thus till together took toward towards under unless until upon used useful uses using usually various very
    want wants well went were what whatever when where whether which while whole whom whose will with within without
    would your yours yourself
    """.split()
)


def content_words(text: str) -> set[str]:
    """The distinct words of a text with four letters or more that are no stop words, as they are written."""
    return {word for word in WORD.findall(text) if word.lower() not in STOP_WORDS}
