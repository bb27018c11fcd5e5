"""Names of inputs that are no local paths: addresses (fsspec) and data sets (`hf:`), fit to be shown."""

import dataclasses
import re
from pathlib import Path

from gptkit.errors import UsageError

ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
DATASET = "hf:"
DEFAULT_SPLIT = "train"


def hide_credentials(address: str) -> str:
    """An address without user, password, query and fragment, fit for manifests and messages."""
    return re.split(r"[?#]", re.sub(r"(?<=://)[^/]*@", "", address), maxsplit=1)[0]


def shown(path: str) -> str:
    """A path or address as messages may show it."""
    return hide_credentials(path) if ADDRESS.match(path) else path


def is_dataset(path: str) -> bool:
    """Whether a path is the name of a data set (`hf:NAME`), rather than of a file on the hub (`hf://…`)."""
    return path.startswith(DATASET) and not ADDRESS.match(path)


@dataclasses.dataclass(frozen=True)
class DatasetName:
    """`hf:NAME[:CONFIG][@SPLIT]` on the hub, or `hf:FOLDER[@SPLIT]` on this machine."""

    name: str
    config: str | None
    split: str | None  # None where none is named
    local: bool

    @classmethod
    def parse(cls, path: str) -> "DatasetName":
        """Reads a name; a folder of that name on this machine comes before the hub.

        Raises UsageError where there is no name.
        """
        rest = path.removeprefix(DATASET)
        if not rest or rest.startswith(("@", ":")):
            raise UsageError(f"{path}: name a data set of the hub or a folder: hf:NAME[:CONFIG][@SPLIT]")
        if Path(rest).is_dir():
            return cls(rest, None, None, True)
        name, _, split = rest.rpartition("@") if "@" in rest else (rest, "", "")
        local = Path(name).is_dir()
        name, _, config = (name, "", "") if local else name.partition(":")
        return cls(name, config or None, split or None, local)

    @property
    def part(self) -> str:
        """What is read of the data set: its split, behind its config where one is named."""
        split = self.split or DEFAULT_SPLIT
        return f"{self.config}/{split}" if self.config else split
