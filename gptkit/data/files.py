"""Writing so that a file is whole or absent, checksums, and names that are safe."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptkit.errors import GptkitError

TEMPORARY = ".gptkit-tmp"
UMASK = os.umask(0o022)  # it can only be read by setting it
os.umask(UMASK)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; when the block ends well it is synced and renamed.

    On any error the temporary file is removed and `path` is as it was. An OSError without a file's name gets this one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fchmod(file.fileno(), 0o666 & ~UMASK)  # some libraries create files for their owner alone
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def beside(stem: Path, ending: str) -> Path:
    """STEM + ending. (`with_suffix` would take what follows the last dot of a name for an ending, and replace it.)"""
    return stem.with_name(stem.name + ending)


def sync_folder(folder: Path) -> None:
    """Makes the renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, with sorted keys, so that equal values give equal bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads a JSON file of ours. Raises GptkitError where it is absent or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GptkitError(f"{path}: no such file") from None
    except (ValueError, OSError, RecursionError) as error:
        raise GptkitError(f"{path}: cannot be read as JSON ({error})") from None


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, as `sha256sum` prints it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def check_free_space(folder: Path, needed: int) -> None:
    """Raises GptkitError where the disk of `folder` has less than `needed` bytes free."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise GptkitError(
            f"{folder}: about {needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free; "
            "make room or name another output folder"
        )


def safe_name(name: str) -> str:
    """A name that is one plain path component: letters, digits, dot, dash and underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "unnamed"
