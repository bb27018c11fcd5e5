"""What this Python has: the standard library and installed distributions, and which files are theirs.

Nothing is imported, and nothing depends on the order in which a file system lists files.
"""

import dataclasses
import importlib.metadata
import json
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

# gptkit's own code changes, and the tools that install packages are no package of the user's
LEFT_OUT = frozenset({"gptkit", "pip", "setuptools", "wheel", "hatchling"})
# tests, copies of other packages, and stubs without documentation
SKIPPED = re.compile(
    r"(?:^|/)(?:__pycache__|tests?|idle_test|test_?data|_?vendor(?:ed)?|extern(?:als)?|third_party|typeshed|lib2to3|"
    r"site-packages|dist-packages|lib-dynload|ensurepip)/"
)
LARGEST_FILE = 1_000_000  # bytes; beyond lie generated tables
LICENCE = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|AUTHORS)", re.IGNORECASE)
README = re.compile(r"README(\.\w+)?", re.IGNORECASE)
TEXT_SUFFIXES = frozenset({"", ".txt", ".md", ".rst"})


@dataclasses.dataclass(frozen=True, order=True)
class Module:
    """A source file and the name it would be imported by."""

    name: str
    path: Path
    size: int  # bytes


@dataclasses.dataclass(frozen=True)
class Distribution:
    """An installed package, or Python itself."""

    name: str  # normalised as in PEP 503
    version: str
    modules: tuple[Module, ...]  # in the order of their names
    texts: tuple[tuple[str, Path], ...] = ()  # READMEs and licences: name within the distribution, file
    metadata: Path | None = None  # the METADATA file


def standard_library() -> Distribution:
    """Python's own modules, without tests. A standard library in a zip file has none."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [
        path.relative_to(root).as_posix()
        for top in sorted(sys.stdlib_module_names)
        for path in [root / f"{top}.py", *(root / top).rglob("*.py")]
    ]
    version = ".".join(map(str, sys.version_info[:2]))
    return Distribution("python", version, tuple(_modules(root, files)))


def installed() -> tuple[list[Distribution], Counter[str]]:
    """The installed distributions in the order of their names, and why others were left out.

    Only site-packages folders are looked at: the current folder must not change the result.
    """
    found: dict[str, Distribution] = {}
    skipped: Counter[str] = Counter()
    for entry in sys.path:
        if Path(entry).name not in ("site-packages", "dist-packages"):
            continue
        here: dict[str, list[importlib.metadata.Distribution]] = {}
        for distribution in importlib.metadata.distributions(path=[entry]):
            name = re.sub(r"[-_.]+", "-", _field(distribution, "Name")).lower()
            here.setdefault(name, []).append(distribution)
        for name in sorted(here.keys() - found.keys()):
            # a broken upgrade leaves two: take the same one everywhere
            distribution = max(here[name], key=lambda d: _field(d, "Version"))
            reason = _unusable(name, distribution)
            if reason:
                skipped[reason] += 1
            else:
                found[name] = _describe(name, distribution)
    return [found[name] for name in sorted(found)], skipped


def _field(distribution: importlib.metadata.Distribution, name: str) -> str:
    """A field of the metadata; empty where there is none, which some versions of the library raise for."""
    try:
        return distribution.metadata[name] or ""
    except (KeyError, TypeError):
        return ""


def _unusable(name: str, distribution: importlib.metadata.Distribution) -> str:
    if not name or not _field(distribution, "Version"):
        return "no name or version"
    if name in LEFT_OUT:
        return "left out"
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            return "editable"
    except (ValueError, AttributeError):
        return "broken metadata"
    if distribution.files is None:
        return "no list of files"
    return ""


def _describe(name: str, distribution: importlib.metadata.Distribution) -> Distribution:
    root = Path(str(distribution.locate_file("")))
    files = sorted({PurePosixPath(file).as_posix() for file in distribution.files or []})
    files = [file for file in files if not file.startswith(("..", "/"))]
    texts = []
    metadata = None
    for file in files:
        path = PurePosixPath(file)
        if path.name == "METADATA" and path.parent.suffix == ".dist-info" and len(path.parts) == 2:
            metadata = root / file
        is_text = README.fullmatch(path.name) or (LICENCE.match(path.name) and path.suffix != ".py")
        if is_text and path.suffix.lower() in TEXT_SUFFIXES and not SKIPPED.search(file):
            # the folder's name holds the version, which would change every address
            inside = [part for part in path.parts if not part.endswith((".dist-info", ".egg-info"))]
            texts.append(("/".join(inside), root / file))
    return Distribution(name, distribution.version, tuple(_modules(root, files)), tuple(texts), metadata)


def _modules(root: Path, files: Iterable[str]) -> list[Module]:
    """The modules among files given relative to `root`; a stub counts where there is no source."""
    chosen: dict[str, Module] = {}
    for file in sorted(files):  # a.py comes before a.pyi
        path = PurePosixPath(file)
        if path.suffix not in (".py", ".pyi") or SKIPPED.search(file):
            continue
        if path.stem.startswith("test_") or path.stem.endswith("_test") or path.stem == "conftest":
            continue
        parts = path.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        try:
            size = (root / file).stat().st_size
        except (OSError, ValueError):  # listed but gone, or inside a zip file
            continue
        if name and name not in chosen and 0 < size <= LARGEST_FILE:
            chosen[name] = Module(name, root / file, size)
    return sorted(chosen.values())
