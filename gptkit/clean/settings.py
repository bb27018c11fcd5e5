"""Settings of `gptkit clean`."""

import re
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class CleanSettings:
    """What is kept of a crawl: one language, and pages that read like prose.

    The quality rules and their limits are Gopher's (arXiv 2112.11446, table A1).
    """

    language: Annotated[tuple[str, ...], "Languages to keep (ISO 639-1 codes), or 'any'.", "codes"] = ("en",)
    language_score: Annotated[float, "Least probability of the language.", "0 to 1"] = 0.65
    language_characters: Annotated[int, "Text that is read to tell the language.", "characters"] = 1_000
    min_words: Annotated[int, "Fewest words that are no symbols.", "words"] = 50
    max_words: Annotated[int, "Most words that are no symbols.", "words"] = 100_000
    min_word_length: Annotated[float, "Least mean length of these words.", "characters"] = 3.0
    max_word_length: Annotated[float, "Greatest mean length of these words.", "characters"] = 10.0
    max_hashes: Annotated[float, "Most '#' for each word.", "ratio"] = 0.1
    max_ellipses: Annotated[float, "Most ellipses for each word.", "ratio"] = 0.1
    max_bullet_lines: Annotated[float, "Greatest share of lines that begin with a bullet.", "0 to 1"] = 0.9
    max_ellipsis_lines: Annotated[float, "Greatest share of lines that end in an ellipsis.", "0 to 1"] = 0.3
    min_alpha_words: Annotated[float, "Least share of words with a letter.", "0 to 1"] = 0.8
    min_stop_words: Annotated[int, "Fewest distinct words of: the be to of and that have with.", "words"] = 2
    keep_rejected: Annotated[bool, "Keep the text of rejected documents beside the reasons."] = False

    def __post_init__(self) -> None:
        """Raises ValueError for limits that nothing can meet."""
        if self.language != ("any",) and not all(re.fullmatch("(?!any)[a-z]{2,3}", code) for code in self.language):
            raise ValueError("--language: name ISO 639 codes such as en,de, or 'any' alone")
        if not self.language:
            raise ValueError("--language: name at least one language, or 'any'")
        if self.language_characters < 1:
            raise ValueError("--language-characters must be at least 1")
        if self.min_words > self.max_words:
            raise ValueError(f"--min-words {self.min_words} is more than --max-words {self.max_words}")
        if self.min_word_length > self.max_word_length:
            raise ValueError(
                f"--min-word-length {self.min_word_length} is more than --max-word-length {self.max_word_length}"
            )
