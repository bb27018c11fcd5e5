"""What documentation is made of, whatever markup it was written in."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """Running text with inline markup."""

    text: str


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the highest within the text."""

    level: int
    text: str


@dataclasses.dataclass(frozen=True)
class Code:
    """Text to be shown as it is."""

    text: str


@dataclasses.dataclass(frozen=True)
class Items:
    """A list, each item being blocks."""

    items: tuple[tuple["Block", ...], ...]
    ordered: bool = False


@dataclasses.dataclass(frozen=True)
class Terms:
    """Definitions: parameters with what they mean, and the like."""

    entries: tuple[tuple[str, tuple["Block", ...]], ...]


Block = Paragraph | Heading | Code | Items | Terms
