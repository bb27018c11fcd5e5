"""Settings of `gptkit clean`."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from gptkit.clean.rules import resolve


@dataclass(frozen=True)
class CleanSettings:
    """What is kept of a crawl: which addresses and languages, and pages that read like prose."""

    rules: Annotated[
        tuple[str, ...],
        "Sets of rules (gopher, c4, fineweb, dclm, gpt3, none, and others) and single rules: "
        "NAME, NAME=LIMIT, -NAME, -SET. --list-rules prints them all.",
        "names",
    ] = ("gopher",)
    language: Annotated[tuple[str, ...], "Languages to keep (ISO 639-1 codes), or 'any'.", "codes"] = ("en",)
    language_score: Annotated[float, "Least probability of the language (not asked with 'any').", "0 to 1"] = 0.65
    language_characters: Annotated[int, "Text that is read to tell the language.", "characters"] = 4_000
    extractor: Annotated[Literal["fast", "resiliparse", "trafilatura"], "What finds the main text of a page."] = "fast"
    favor: Annotated[
        Literal["recall", "balanced", "precision"], "What the extractor does in doubt: keep, or leave out."
    ] = "balanced"
    comments: Annotated[bool, "Keep what readers wrote below an article."] = False
    extractor_model: Annotated[
        str | None, "A model of gptkit extract train, in the place of the built-in one.", "path"
    ] = None
    repair: Annotated[bool, "Mend mis-decoded text, as ftfy does."] = True
    quality_model: Annotated[str | None, "A model of gptkit quality train; each document gets its score.", "path"] = (
        None
    )
    pareto: Annotated[float | None, "Keep a document if a Pareto draw exceeds 1 - its score (GPT-3: 9).", "alpha"] = (
        None
    )
    min_quality: Annotated[float | None, "Least score of the quality model.", "0 to 1"] = None
    pii: Annotated[bool, "Replace e-mail addresses and public IPv4 addresses."] = False
    block_domains: Annotated[tuple[str, ...], "Files of domains to leave out, with all below them.", "paths"] = ()
    block_urls: Annotated[tuple[str, ...], "Files of addresses to leave out.", "paths"] = ()
    block_words: Annotated[tuple[str, ...], "Files of words: an address with one is left out.", "paths"] = ()
    soft_words: Annotated[tuple[str, ...], "Files of words: an address with two is left out.", "paths"] = ()
    block_substrings: Annotated[
        tuple[str, ...], "Files of parts of words: an address with one is left out.", "paths"
    ] = ()
    text_column: Annotated[str, "Column of the text in JSONL, Parquet and datasets.", "name"] = "text"
    seed: Annotated[int, "Decides the Pareto draws."] = 0
    keep_rejected: Annotated[bool, "Keep the text of rejected documents beside the reasons."] = False

    # Files count by what is in them, wherever they lie: their digests are among the plan's inputs
    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset(
        {
            "extractor_model",
            "quality_model",
            "block_domains",
            "block_urls",
            "block_words",
            "soft_words",
            "block_substrings",
        }
    )

    def __post_init__(self) -> None:
        """Raises ValueError for what makes no sense."""
        limits = resolve(self.rules)
        for least, most in (("min_words", "max_words"), ("min_word_length", "max_word_length")):
            if limits.get(least, 0) > limits.get(most, float("inf")):
                raise ValueError(f"--rules: {least} {limits[least]:g} is more than {most} {limits[most]:g}")
        if self.language != ("any",) and not all(re.fullmatch("(?!any)[a-z]{2,3}", code) for code in self.language):
            raise ValueError("--language: name ISO 639 codes such as en,de, or 'any' alone")
        if not self.language:
            raise ValueError("--language: name at least one language, or 'any'")
        if self.language_characters < 1:
            raise ValueError("--language-characters must be at least 1")
        for option, value in (("--pareto", self.pareto), ("--min-quality", self.min_quality)):
            if value is not None and self.quality_model is None:
                raise ValueError(f"{option} needs --quality-model (gptkit quality train makes one)")
        if "gpt3" in self.rules and self.quality_model is None:
            raise ValueError("--rules gpt3 is GPT-3's quality filter and needs --quality-model (see gptkit quality)")
        for option, share in (("--language-score", self.language_score), ("--min-quality", self.min_quality)):
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{option} {share:g} is not from 0 to 1")
        if self.extractor_model is not None and self.extractor != "fast":
            raise ValueError(f"--extractor-model is for the fast extractor, not for {self.extractor}")
        if self.favor != "balanced" and self.extractor == "resiliparse":
            raise ValueError("--favor means nothing to resiliparse")
        if self.pareto is not None and self.pareto <= 0:
            raise ValueError("--pareto must be over 0")

    @property
    def alpha(self) -> float | None:
        """Alpha of the Pareto draw; GPT-3's where its rules were asked for and nothing else was said."""
        return 9.0 if self.pareto is None and self.min_quality is None and "gpt3" in self.rules else self.pareto
