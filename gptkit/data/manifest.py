"""The manifest that closes a stage: what it is, what it was made from, and its digest.

The digest is the SHA-256 of (stage, code version, the settings that affect output, the inputs'
digests, each shard's name, rows, bytes and SHA-256, and the facts later stages build on). Counts,
times, workers, versions and paths stand beside it and do not enter it.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptkit.data.files import read_json, sha256_file, sha256_json, write_json
from gptkit.errors import GptkitError

NAME = "manifest.json"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of a stage's output."""

    name: str  # relative to the stage's folder, with forward slashes
    rows: int  # documents, or pages; 0 where the file has none
    bytes: int  # of the file
    sha256: str
    source: str = ""
    kind: str = "documents"  # documents, crawl, tokens, and whatever a stage writes beside these

    @staticmethod
    def describe(folder: Path, path: Path, rows: int = 0, source: str = "", kind: str = "documents") -> "Shard":
        """Reads size and checksum of a file that has been written."""
        return Shard(path.relative_to(folder).as_posix(), rows, path.stat().st_size, sha256_file(path), source, kind)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that decides a stage's output, known before it runs."""

    stage: str
    version: int
    settings: dict[str, Any]
    limit: int | None
    inputs: list[dict[str, Any]]  # name and digest of each

    def digest(self) -> str:
        """Equal plans give equal outputs."""
        return sha256_json(dataclasses.asdict(self))

    def difference(self, other: "Plan") -> str:
        """Says in words where another plan differs, for the line that refuses to mix the two."""
        if self.stage != other.stage:
            return f"it holds the output of '{other.stage}'"
        if self.version != other.version:
            return f"it was made by version {other.version} of this stage, and this is version {self.version}"
        there, now = ({name: repr(value) for name, value in plan.settings.items()} for plan in (other, self))
        changed = [
            f"{name}: {there.get(name, 'absent')} there, {now.get(name, 'absent')} now"
            for name in sorted(there.keys() | now.keys())
            if there.get(name) != now.get(name)
        ]
        if self.limit != other.limit:
            changed.append(f"limit: {other.limit} there, {self.limit} now")
        if changed:
            return "; ".join(changed)
        return "its input was another one" if self.inputs != other.inputs else "nothing"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A finished stage."""

    plan: Plan
    shards: list[Shard]
    facts: dict[str, Any]  # what later stages need: tokens, dtype, end-of-text id, …
    counts: dict[str, Any]  # what came in, what left and why
    run: dict[str, Any]  # seconds, workers, versions, paths

    @property
    def digest(self) -> str:
        """Identifies the output: equal digests mean equal shards."""
        return sha256_json(
            {
                "plan": dataclasses.asdict(self.plan),
                "facts": self.facts,
                "shards": [[s.name, s.rows, s.bytes, s.sha256, s.source, s.kind] for s in self.shards],
            }
        )

    def of_kind(self, kind: str) -> list[Shard]:
        """The shards of one kind, in order."""
        return [shard for shard in self.shards if shard.kind == kind]

    def as_json(self) -> dict[str, Any]:
        """The manifest as it is written and as `--json` prints it."""
        return {"format": FORMAT, "digest": self.digest, **dataclasses.asdict(self)}

    def write(self, path: Path) -> None:
        """Writes the manifest atomically."""
        write_json(path, self.as_json())


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a finished stage.

    Raises GptkitError where `folder` does not exist, has no manifest or a shard is missing or
    has another size than it should.
    """
    if not folder.is_dir():
        raise GptkitError(f"{folder}: no such folder")
    if not (folder / NAME).is_file():
        unfinished = (folder / ".work").is_dir()
        hint = "run the command that was writing it again" if unfinished else "not the output of a gptkit stage"
        raise GptkitError(f"{folder}: has no {NAME}: {hint}")
    manifest = parse_manifest(folder / NAME)
    for shard in manifest.shards:
        path = folder / shard.name
        if not path.is_file():
            raise GptkitError(f"{path}: is missing, though {folder / NAME} lists it; make the stage again")
        if path.stat().st_size != shard.bytes:
            raise GptkitError(
                f"{path}: has {path.stat().st_size} bytes and should have {shard.bytes}; make the stage again"
            )
    return manifest


def verify(folder: Path, shards: Sequence[Shard]) -> None:
    """Reads shards whole and raises GptkitError at the first whose checksum is not the one on record."""
    for shard in shards:
        if sha256_file(folder / shard.name) != shard.sha256:
            raise GptkitError(
                f"{folder / shard.name}: is damaged: its checksum is not the manifest's; make the stage again"
            )


def parse_manifest(path: Path) -> Manifest:
    """Reads a manifest file without looking at its shards. Raises GptkitError where it is broken."""
    value = read_json(path)
    try:
        shards = [Shard(**shard) for shard in value["shards"]]
        manifest = Manifest(Plan(**value["plan"]), shards, value["facts"], value["counts"], value["run"])
        names_stay_inside = all(map(stays_inside, [shard.name for shard in shards] + manifest.run.get("beside", [])))
        sound = value["digest"] == manifest.digest and value["format"] == FORMAT and names_stay_inside
    except (KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise GptkitError(f"{path}: is not a manifest of this version of gptkit, or was changed by hand")
    return manifest


def stays_inside(name: str) -> bool:
    """Whether a name that was read from a file is one of a file below the folder it is relative to."""
    path = Path(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
