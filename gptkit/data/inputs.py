"""From what a user typed to the files to read, each with a source name, an identity and a digest."""

import dataclasses
import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptkit.data import manifest as manifests
from gptkit.data.addresses import ADDRESS, DATASET, DatasetName, hide_credentials, is_dataset, shown
from gptkit.data.files import safe_name, sha256_file, sha256_json
from gptkit.data.formats import COMPRESSIONS, FORMATS, LOOSE, READABLE, Compression, Format, format_of, look_up
from gptkit.errors import GptkitError, UsageError

NAMED = re.compile(r"([A-Za-z0-9_.-]+)=(.+)", re.DOTALL)
LOCAL_ADDRESS = "file://"


@dataclasses.dataclass(frozen=True)
class InputFile:
    """One file to read."""

    source: str
    path: str  # a local path, an address, or the name of a data set
    relative: str  # to the argument it came from: the part of the path that enters identities
    bytes: int  # on disk; 0 where it is not known
    format: Format
    compression: Compression
    digest: str  # of the content; of the address where it is remote
    text_column: str = "text"  # the name its column of text has
    state: tuple[int, ...] | None = None  # see `_state`, when the digest was made; None where it was read elsewhere

    def check(self) -> None:
        """Raises GptkitError where a local file is no longer what it was when it was found or made."""
        if self.remote or self.format == "dataset" or self.state == _state(Path(self.path)):
            return
        if sha256_file(Path(self.path)) != self.digest:
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

    def in_one_order(self) -> "Inputs":
        """The same inputs in an order that does not depend on that of the arguments."""
        files = sorted(self.files, key=lambda file: file.source)  # those of a source stay as they are
        return Inputs(files, sorted(self.digests, key=lambda entry: (entry["name"], entry["digest"])))


def find_inputs(arguments: Sequence[str], text_column: str = "text") -> Inputs:
    """Resolves `[NAME=]PATH` arguments: files, addresses, data sets, folders of files, outputs of stages.

    Standard input is replaced by a file before (see `stdin.spooled`).
    Raises GptkitError for what is missing, empty or not readable here, and UsageError where two
    arguments have one name.
    """
    files: list[InputFile] = []
    digests: list[dict[str, Any]] = []
    seen: set[str] = set()
    for argument in arguments:
        name, path = split_name(argument)
        path = path.removeprefix(LOCAL_ADDRESS)
        found, digest = find_one(name, path)
        for source in {file.source for file in found}:
            if source in seen:
                raise UsageError(
                    f"{shown(path)}: another input is named '{source}' too; "
                    f"write NAME={shown(path)} with a name of its own"
                )
        seen |= {file.source for file in found}
        if not (Path(path) / manifests.NAME).exists():  # a stage's documents have their text in `text`
            found = [dataclasses.replace(file, text_column=text_column) for file in found]
        files += found
        place = _local_place(path)
        digests.append({"name": name, "digest": digest} | ({"path": place} if place else {}))
    return Inputs(files, digests)


def _local_place(path: str) -> str | None:
    """Where an input lies on this machine, if it does."""
    if is_dataset(path):
        known = DatasetName.parse(path)
        return known.name if known.local else None
    return None if ADDRESS.match(path) else path


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


def weight_of(text: str) -> float | None:
    """The number in an argument such as NAME=WEIGHT:PATH; None for what is none above 0."""
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if 0 < weight < float("inf") else None


def _own_name(path: str) -> str:
    """The name of an input that was given none: of the file, or of the folder that holds a pattern's files."""
    if ADDRESS.match(path):
        return default_name(_above_wildcards(hide_credentials(path)))
    return default_name(str(Path(_above_wildcards(path) if glob.has_magic(path) else path).resolve()))


def _above_wildcards(pattern: str) -> str:
    return re.split(r"/?[^/]*[*?\[]", pattern, maxsplit=1)[0]


def find_one(name: str, path: str) -> tuple[list[InputFile], str]:
    """The files of one argument, and its digest. Without a name the source is named by the path."""
    if is_dataset(path):
        return _find_dataset(name, path)
    if not name and not (Path(path).is_dir() and (Path(path) / manifests.NAME).exists()):
        name = _own_name(path)  # a stage's shards know their sources
    if ADDRESS.match(path):
        return _find_address(name, path)
    local = Path(path)
    if local.is_file():
        file = _describe(local, local.name, name)
        if file.bytes == 0:
            raise GptkitError(f"{path}: is empty")
        return [file], sha256_json([file.relative, file.digest])  # its name enters identities
    if not local.is_dir():
        return _find_pattern(name, path)
    if (local / manifests.NAME).exists() or (local / ".work").exists():
        return _find_stage(name, local)
    inside = [
        path
        for path in sorted(local.rglob("*"))
        if path.is_file() and look_up(path.name) is not None and not _of_a_stage(path, local)
    ]
    return _together(name, path, local, _without_notes(inside))


def _without_notes(paths: list[Path]) -> list[Path]:
    """The files of a folder to read: text files only where there is nothing else, for else they are notes about it."""
    data = [path for path in paths if format_of(path.name)[0] != "text"]
    return data or paths


def _together(name: str, argument: str, folder: Path, paths: Sequence[Path]) -> tuple[list[InputFile], str]:
    """The files of a folder or pattern, each named from `folder`, and the digest of them all."""
    files = [_describe(path, path.relative_to(folder).as_posix(), name) for path in paths]
    if not files:
        raise GptkitError(f"{argument}: holds no file that is read here ({READABLE}) and no {manifests.NAME}")
    for file in files:
        if file.bytes == 0 and file.format not in LOOSE:  # an empty page is no reason to stop
            raise GptkitError(f"{file.path}: is empty")
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
    return _together(name, pattern, Path(*parts[:fixed]), matches)


def _find_address(name: str, address: str) -> tuple[list[InputFile], str]:
    """One file, or those that a pattern (*) matches where the place can be listed."""
    if "*" not in hide_credentials(address):
        plain = hide_credentials(address)
        file = InputFile(name, address, plain.rsplit("/", 1)[-1], 0, *format_of(plain), sha256_json(plain))
        return [file], file.digest
    from gptkit.data.streams import list_addresses

    folder = _above_wildcards(hide_credentials(address)) + "/"
    files = []
    for found in list_addresses(address):
        plain = hide_credentials(found)
        relative = plain.removeprefix(folder)
        files.append(InputFile(name, found, relative, 0, *format_of(plain), sha256_json(plain)))
    return files, sha256_json([[file.relative, file.digest] for file in files])


def _find_dataset(name: str, path: str) -> tuple[list[InputFile], str]:
    """A data set of the hub or of a local folder: one stream. The digest of a folder is of its files."""
    known = DatasetName.parse(path)
    if known.local:
        inside = [file for file in sorted(Path(known.name).rglob("*")) if file.is_file()]
        content = [[file.relative_to(known.name).as_posix(), sha256_file(file)] for file in inside]
        digest, size = sha256_json([known.part, content]), sum(file.stat().st_size for file in inside)
    else:
        digest, size = sha256_json([DATASET, known.name, known.part]), 0
    source = name or default_name(str(Path(known.name).resolve()) if known.local else known.name)
    return [InputFile(source, path, known.part, size, "dataset", "", digest)], digest


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
            *format_of(shard.name),
            shard.sha256,
        )
        for shard in shards
    ]
    return files, manifest.digest


def _describe(path: Path, relative: str, source: str) -> InputFile:
    state = _state(path)
    return InputFile(source, str(path), relative, state[0], *format_of(str(path)), sha256_file(path), state=state)


def _state(path: Path) -> tuple[int, ...]:
    """Bytes of a file, and what is another number when it is another file or was written to. (Nobody can set the
    time of the last change, as the time of the last writing can be.)"""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev
