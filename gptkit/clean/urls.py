"""Block lists of addresses: domains, whole addresses, words, soft words and substrings.

A list is a file of one entry a line (see `lists`). A folder stands for one category of the Toulouse
lists (UT1): its file `domains` or `urls` is read.

- A domain blocks itself and everything below it.
- An address blocks itself, without scheme, user, default port (80, 443), fragment, dots behind the
  host and slashes at the end of a path without a query; the host in lower case.
- A word blocks every address that has it among its runs of letters and digits.
- Soft words block where at least `soft_least` different ones are there.
- A substring blocks where it stands in the letters and digits of the address, read without a break.

The rules are asked in this order. The last three read the whole address in lower case.

Meant as datatrove's URLFilter (0.10), from which it differs on purpose: every parent domain counts,
not only the registered one and the whole host, and no list of public suffixes is needed for it;
`HTTP://`, ports and slashes at the end do not hide an address; words are found whatever their case
(there, an address with capitals has none of them); percent escapes are undone before words are
sought (`%20` is a break, not the word 20); letters beyond ASCII are letters; an address that is
missing is kept (there, an error).
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gptkit.clean.lists import read_list
from gptkit.data.arrays import distinct
from gptkit.data.files import sha256_file, sha256_json
from gptkit.errors import GptkitError
from gptkit.kernels import urls as kernels
from gptkit.kernels.columns import string_arrays

RULES = (None, "url_domain", "url_list", "url_word", "url_soft_words", "url_substring")
# What an entry of each list must look like
FIT = {
    "domains": r"^(\*\.)?[^\s/:@?#*]*[^\s/:@?#*.][^\s/:@?#*]*$",
    "urls": r"\S",
    "words": r"[\p{L}\p{N}]",
    "soft_words": r"[\p{L}\p{N}]",
    "substrings": r"[\p{L}\p{N}]",
}

Hashing = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class UrlListFiles:
    """The files of each kind of list, and how many different soft words block."""

    domains: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    soft_words: tuple[str, ...] = ()
    substrings: tuple[str, ...] = ()
    soft_least: int = 2

    def digest(self) -> str:
        """Identifies what the lists say, wherever they lie. Raises GptkitError where one is missing."""
        kinds = ("domains", "urls", "words", "soft_words", "substrings")
        digests = {kind: [sha256_file(_file(path, kind)) for path in getattr(self, kind)] for kind in kinds}
        return sha256_json({**digests, "soft_least": self.soft_least})

    @property
    def given(self) -> bool:
        """Whether there is any list."""
        return bool(self.domains or self.urls or self.words or self.soft_words or self.substrings)


@functools.cache
def load(files: UrlListFiles, digest: str) -> "UrlLists":
    """The lists of `files`, read once in a process. `digest`: of `files.digest()`, so that changed lists are read again."""
    return UrlLists.load(files)


@dataclasses.dataclass(frozen=True)
class Substrings:
    """Substrings as `kernels.urls.judge_urls` wants them."""

    table: np.ndarray
    present: np.ndarray  # a Bloom filter of how they begin
    masks: np.ndarray  # uint64: the bytes of these beginnings, for each of their lengths
    shortest: int  # bytes; of those longer than their beginnings, that of the beginnings
    longest: int

    @classmethod
    def of(cls, hashes: np.ndarray, packed: np.ndarray, longest: int) -> "Substrings":
        """From the hashes, the packed beginnings, and the bytes of the longest."""
        sizes = {(int(size).bit_length() + 7) // 8 for size in packed}
        masks = np.array([(1 << 8 * size) - 1 for size in sorted(sizes)], np.uint64)
        return cls(kernels.make_table(hashes), kernels.make_filter(packed), masks, min(sizes, default=0), longest)


@dataclasses.dataclass(frozen=True)
class UrlLists:
    """Lists as tables of hashes (see `kernels.urls`), 16 to 32 bytes an entry."""

    domains: np.ndarray
    urls: np.ndarray
    words: np.ndarray
    soft_words: np.ndarray
    soft_least: int
    substrings: Substrings

    @classmethod
    def load(cls, files: UrlListFiles) -> "UrlLists":
        """Reads the files. Raises GptkitError for one that is missing, empty or not what it should be."""
        if files.soft_least < 1:
            raise GptkitError("soft words: at least 1 must be asked for")
        return cls(
            kernels.make_table(_hashes(files.domains, "domains", kernels.hash_domains)),
            kernels.make_table(_hashes(files.urls, "urls", kernels.hash_urls)),
            kernels.make_table(_hashes(files.words, "words", kernels.hash_words)),
            kernels.make_table(_hashes(files.soft_words, "soft_words", kernels.hash_words)),
            files.soft_least,
            Substrings.of(
                _hashes(files.substrings, "substrings", kernels.hash_words),
                _hashes(files.substrings, "substrings", kernels.anchors),
                int(_hashes(files.substrings, "substrings", _longest).max(initial=0)),
            ),
        )

    def judge(self, urls: pa.Array) -> tuple[pa.Array, pa.Array]:
        """For each address the rule that blocks it and the part of it that the rule found; strings, null where it is kept."""
        text, starts = string_arrays(urls.fill_null(""))
        tables = (self.domains, self.urls, self.words, self.soft_words, self.soft_least)
        parts = self.substrings
        sought = (parts.table, parts.present, parts.masks, parts.shortest, parts.longest)
        found = kernels.judge_urls(text, starts, *tables, *sought)
        rules: list[str | None] = [None] * len(urls)
        matched: list[str | None] = [None] * len(urls)
        for place in np.flatnonzero(found[:, 0]):
            kind, first, behind = found[place]
            rules[place] = RULES[kind]
            matched[place] = text[first:behind].tobytes().decode("utf-8", "replace")
        return pa.array(rules, pa.string()), pa.array(matched, pa.string())


def _file(path: str, kind: str) -> Path:
    found = Path(path)
    if found.is_dir():
        if kind not in ("domains", "urls") or not (found / kind).is_file():
            raise GptkitError(f"{path}: is a folder without a file '{kind}'; name a file with one entry a line")
        found = found / kind
    if not found.is_file():
        raise GptkitError(f"{path}: no such file")
    return found


def _longest(text: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.diff(starts).max(initial=0, keepdims=True).astype(np.uint64)


def _hashes(paths: tuple[str, ...], kind: str, hashing: Hashing) -> np.ndarray:
    """What `hashing` makes of the entries of all files, each once and in order; uint64."""
    found = [np.empty(0, np.uint64)]
    for path in paths:
        for entries in read_list(_file(path, kind), FIT[kind], kind.replace("_", " ")):
            known = _as_hosts(entries) if kind == "domains" else entries
            found.append(distinct(hashing(*string_arrays(known))))
    return distinct(np.concatenate(found))


def _as_hosts(domains: pa.Array) -> pa.Array:
    """Domains as addresses have them: without `*.` and dots at the ends; beyond ASCII as IDNA writes them."""
    plain = pc.utf8_trim(pc.replace_substring_regex(domains, r"^\*\.", ""), ".")
    foreign = np.flatnonzero(pc.invert(pc.string_is_ascii(plain)).to_numpy(zero_copy_only=False))
    if not len(foreign):
        return plain
    names = plain.to_pylist()
    for place in foreign:
        with contextlib.suppress(UnicodeError):  # no name a host can have: it stays and matches none
            names[place] = names[place].encode("idna").decode()
    return pa.array(names, pa.string())
