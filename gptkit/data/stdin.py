"""Standard input as an input: JSONL is written to a temporary file, and is then a file like any other."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from gptkit.data.inputs import split_name
from gptkit.errors import GptkitError, UsageError

STDIN = "-"
FILE = "stdin.jsonl"  # gives the source its name, and enters the identities of documents


@contextlib.contextmanager
def spooled(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Gives the arguments with `[NAME=]-` replaced by a file that holds standard input, for the block's time.

    The file lies in the folder that TMPDIR names. Its digest is of its content, so a stopped run
    goes on when the same is piped in again.
    Raises UsageError where standard input is named twice or is a terminal, and GptkitError where
    it is empty or does not fit on the disk.
    """
    names = [split_name(argument) for argument in arguments]
    count = sum(path == STDIN for _, path in names)
    if not count:
        yield list(arguments)
        return
    if count > 1:
        raise UsageError("-: standard input can be read only once")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("-: is JSONL on standard input; pipe it in, or redirect a file")
    with tempfile.TemporaryDirectory(prefix="gptkit-") as folder:
        path = Path(folder) / FILE
        try:
            with open(path, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        except OSError as error:
            raise GptkitError(
                f"-: standard input cannot be kept in {tempfile.gettempdir()} ({os.strerror(error.errno or 0)}); "
                "let TMPDIR name a folder with room"
            ) from None
        if path.stat().st_size == 0:
            raise GptkitError("-: standard input is empty")
        yield [
            (f"{name}={path}" if name else str(path)) if given == STDIN else argument
            for argument, (name, given) in zip(arguments, names, strict=True)
        ]
