"""Opens local files and addresses, packed or not, as streams of plain bytes."""

import contextlib
import gzip
import io
from collections.abc import Iterator
from typing import IO

from gptkit.data.inputs import InputFile, hide_credentials
from gptkit.errors import GptkitError

REMOTE_LIBRARIES = ("aiohttp", "fsspec", "botocore", "s3fs", "gcsfs")


@contextlib.contextmanager
def open_raw(file: InputFile) -> Iterator[IO[bytes]]:
    """Opens the bytes as they are stored. Raises GptkitError where an address does not answer."""
    if not file.remote:
        with open(file.path, "rb") as stream:
            yield stream
        return
    import fsspec

    try:
        opened = fsspec.open(file.path, "rb", cache_type="readahead").open()
    except Exception as error:  # each protocol's library has errors of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GptkitError(f"{hide_credentials(file.path)}: cannot be reached ({reason})") from None
    with opened:
        try:
            yield opened
        except Exception as error:
            if not type(error).__module__.startswith(REMOTE_LIBRARIES):
                raise
            raise GptkitError(f"{hide_credentials(file.path)}: the connection broke ({error})") from None


@contextlib.contextmanager
def open_plain(file: InputFile) -> Iterator[IO[bytes]]:
    """Opens the unpacked bytes. Reading may raise OSError, EOFError or zlib.error where they are damaged."""
    with open_raw(file) as raw:
        if file.compression == "gzip":
            with gzip.open(raw, "rb") as stream:
                yield io.BufferedReader(stream, 1 << 20)
        elif file.compression == "zstd":
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream:
                yield io.BufferedReader(stream, 1 << 20)
        else:
            yield raw
