"""Settings of `gptkit remove`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar


@dataclass(frozen=True)
class RemoveSettings:
    """Which documents go: those with a listed id, and those with a listed address."""

    ids: Annotated[str | None, "File of ids, one a line.", "file"] = None
    urls: Annotated[str | None, "File of addresses, one a line; http and https are one.", "file"] = None

    OUTSIDE_DIGEST: ClassVar[frozenset[str]] = frozenset({"ids", "urls"})  # what the files say is an input

    def __post_init__(self) -> None:
        """Raises ValueError where there is no list."""
        if not self.ids and not self.urls:
            raise ValueError("name a list: --ids FILE, --urls FILE, or both")
