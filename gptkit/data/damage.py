"""What could not be read: counted, kept apart, and never a reason to stop."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from gptkit.data.files import atomic_path

RAW_BYTES = 16_000_000
KEPT_BYTES = 100_000  # of each damaged record; those who report one cut it, so that little is held in memory


@dataclasses.dataclass(frozen=True)
class Damage:
    """A place in a file that could not be read."""

    file: str
    offset: int  # byte, or row
    reason: str
    raw: bytes = b""

    def as_json(self) -> dict[str, Any]:
        """One line of the file of damaged records; bytes that are no UTF-8 are shown as \\x escapes."""
        text = self.raw[:KEPT_BYTES].decode("utf-8", "backslashreplace")
        file = self.file.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # a name may hold any bytes
        return {"file": file, "offset": self.offset, "reason": self.reason, "raw": text}


class DamageList(list[Damage]):
    """Damage of one task. Of the records themselves no more than `RAW_BYTES` are held."""

    def __init__(self) -> None:
        super().__init__()
        self._left = RAW_BYTES

    def append(self, entry: Damage) -> None:
        """Adds a place, without its record where too much is held already."""
        self._left -= len(entry.raw)
        super().append(entry if self._left >= 0 else dataclasses.replace(entry, raw=b""))

    def clear(self) -> None:
        """Forgets all."""
        super().clear()
        self._left = RAW_BYTES


def write_damage(path: Path, damage: Sequence[Damage]) -> None:
    """Writes damaged records as JSONL."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        for entry in damage:
            file.write(orjson.dumps(entry.as_json(), option=orjson.OPT_APPEND_NEWLINE))
