"""From what a user typed to the files to read, each with a source name, an identity and a digest."""

import dataclasses
import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from gptkit.data import manifest as manifests
from gptkit.data.files import safe_name, sha256_file, sha256_json
from gptkit.errors import GptkitError, UsageError

Format = Literal["warc", "jsonl", "parquet"]
Compression = Literal["", "gzip", "zstd"]
FORMATS: dict[str, Format] = {".warc": "warc", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
READABLE = ".warc, .jsonl (each plain, .gz or .zst) and .parquet"
NAMED = re.compile(r"([A-Za-z0-9_.-]+)=(.+)", re.DOTALL)
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class InputFile:
    """One file to read."""

    source: str
    path: str  # a local path or an address
    relative: str  # to the argument it came from: the part of the path that enters identities
    bytes: int  # on disk; 0 where it is not known
    format: Format
    compression: Compression
    digest: str  # of the content; of the address where it is remote

    def check(self) -> None:
        """Raises GptkitError where a local file is no longer what it was when it was found or made."""
        if not self.remote and sha256_file(Path(self.path)) != self.digest:
            raise GptkitError(f"{self.path}: its checksum is not the one on record; make it again")

    @property
    def remote(self) -> bool:
        """Whether `path` is an address rather than a local path."""
        return bool(ADDRESS.match(self.path))


@dataclasses.dataclass(frozen=True)
class Inputs:
    """All files of a command line, and the digest of each argument for the plan."""

    files: list[InputFile]
    digests: list[dict[str, Any]]

    @property
    def bytes(self) -> int:
        """Bytes on disk of the local files."""
        return sum(file.bytes for file in self.files)


def find_inputs(arguments: Sequence[str]) -> Inputs:
    """Resolves `[NAME=]PATH` arguments: files, addresses, folders of files, outputs of stages.

    Raises GptkitError for what is missing, empty or not readable here, and UsageError where two
    arguments have one name.
    """
    files: list[InputFile] = []
    digests: list[dict[str, Any]] = []
    seen: set[str] = set()
    for argument in arguments:
        name, path = split_name(argument)
        found, digest = find_one(name, path)
        for source in {file.source for file in found}:
            if source in seen:
                raise UsageError(
                    f"{shown(path)}: another input is named '{source}' too; "
                    f"write NAME={shown(path)} with a name of its own"
                )
        seen |= {file.source for file in found}
        files += found
        digests.append({"name": name, "digest": digest} | ({} if ADDRESS.match(path) else {"path": path}))
    return Inputs(files, digests)


def split_name(argument: str) -> tuple[str, str]:
    """Splits `NAME=PATH`; the name is empty where there is none."""
    match = NAMED.fullmatch(argument)
    if match is None or ADDRESS.match(argument) or Path(argument).exists():
        return "", argument
    return match[1], match[2]


def default_name(path: str) -> str:
    """The source name of a path: its last part without the endings of formats."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    while (suffix := Path(name).suffix) in FORMATS or suffix in COMPRESSIONS:
        name = name[: -len(suffix)]
    return safe_name(name)


def _own_name(path: str) -> str:
    """The name of an input that was given none: of the file, or of the folder that holds a pattern's files."""
    if ADDRESS.match(path):
        return default_name(hide_credentials(path))
    plain = re.split(r"/?[^/]*[*?\[]", path, maxsplit=1)[0] if glob.has_magic(path) else path
    return default_name(str(Path(plain).resolve()))


def hide_credentials(address: str) -> str:
    """An address without user, password, query and fragment, fit for manifests and messages."""
    return re.split(r"[?#]", re.sub(r"(?<=://)[^/]*@", "", address), maxsplit=1)[0]


def shown(path: str) -> str:
    """A path or address as messages may show it."""
    return hide_credentials(path) if ADDRESS.match(path) else path


def find_one(name: str, path: str) -> tuple[list[InputFile], str]:
    """The files of one argument, and its digest. Without a name the source is named by the path."""
    if not name and not (Path(path).is_dir() and (Path(path) / manifests.NAME).exists()):
        name = _own_name(path)  # a stage's shards know their sources
    if ADDRESS.match(path):
        plain = hide_credentials(path)
        form, compression = _format(plain)
        if form == "parquet":
            raise GptkitError(f"{plain}: Parquet is read from local files only; fetch it first")
        file = InputFile(name, path, plain.rsplit("/", 1)[-1], 0, form, compression, sha256_json(plain))
        return [file], file.digest
    local = Path(path)
    if local.is_file():
        file = _describe(local, local.name, name)
        return [file], sha256_json([file.relative, file.digest])  # its name enters identities
    if not local.is_dir():
        return _find_pattern(name, path)
    if (local / manifests.NAME).exists() or (local / ".work").exists():
        return _find_stage(name, local)
    files = [
        _describe(inside, inside.relative_to(local).as_posix(), name)
        for inside in sorted(local.rglob("*"))
        if inside.is_file() and _suffixes(inside.name) is not None and not _of_a_stage(inside, local)
    ]
    if not files:
        raise GptkitError(f"{path}: holds no file that is read here ({READABLE}) and no {manifests.NAME}")
    return files, sha256_json([[file.relative, file.digest] for file in files])


def _of_a_stage(path: Path, top: Path) -> bool:
    """Whether a file lies in a stage's folder below `top`: it is a result, not an input."""
    between = path.parents[: len(path.relative_to(top).parts) - 1]
    return any(
        folder.name == ".work" or (folder / manifests.NAME).exists() or (folder / ".work").exists()
        for folder in between
    )


def _find_pattern(name: str, pattern: str) -> tuple[list[InputFile], str]:
    """The files that a pattern like crawl/*.warc.gz matches, named from the folder before the first wildcard."""
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True)) if Path(match).is_file()]
    if not matches:
        raise GptkitError(f"{pattern}: no such file or folder")
    parts = Path(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    folder = Path(*parts[:fixed])
    files = [_describe(match, match.relative_to(folder).as_posix(), name) for match in matches]
    return files, sha256_json([[file.relative, file.digest] for file in files])


def _find_stage(name: str, folder: Path) -> tuple[list[InputFile], str]:
    manifest = manifests.read_manifest(folder)
    shards = manifest.of_kind("crawl") + manifest.of_kind("documents")
    if not shards:
        raise GptkitError(f"{folder}: holds the output of '{manifest.plan.stage}', which are no documents")
    files = [
        InputFile(
            name or shard.source or default_name(str(folder)),
            str(folder / shard.name),
            shard.name,
            shard.bytes,
            *_format(shard.name),
            shard.sha256,
        )
        for shard in shards
    ]
    return files, manifest.digest


def _describe(path: Path, relative: str, source: str) -> InputFile:
    size = path.stat().st_size
    if size == 0:
        raise GptkitError(f"{path}: is empty")
    return InputFile(source, str(path), relative, size, *_format(str(path)), sha256_file(path))


def _suffixes(name: str) -> tuple[Format, Compression] | None:
    stem = name.lower()
    compression: Compression = ""
    for ending, kind in COMPRESSIONS.items():
        if stem.endswith(ending):
            stem, compression = stem.removesuffix(ending), kind
    form = next((form for ending, form in FORMATS.items() if stem.endswith(ending)), None)
    return None if form is None else (form, compression)


def _format(name: str) -> tuple[Format, Compression]:
    found = _suffixes(name)
    if found is None or (found[0] == "parquet" and found[1]):
        raise GptkitError(f"{name}: is read by its ending, and this one is none of {READABLE}")
    return found
