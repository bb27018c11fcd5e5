"""Opens local files and addresses, packed or not, as streams of plain bytes."""

import contextlib
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any

from gptkit.data.inputs import InputFile, hide_credentials
from gptkit.errors import GptkitError

GZIP = 31  # zlib's window bits for a gzip header and check value
CHUNK = 1 << 18
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
        lines = str(error).splitlines()
        reason = lines[0] if lines and file.path not in lines[0] else "no such file there, or no network"
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
            yield io.BufferedReader(Gunzip(raw), 1 << 20)
        elif file.compression == "zstd":
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream:
                yield io.BufferedReader(stream, 1 << 20)
        else:
            yield raw


class Gunzip(io.RawIOBase):
    """Unpacks gzip members one after the other, and gives all that is sound before it raises.

    The standard library's reader loses the last whole lines of a file that ends early. Raises
    EOFError where the file ends inside a member and zlib.error where its bytes are damaged.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(GZIP)
        self._rest = b""  # packed bytes not yet looked at
        self._inside = False  # a member has begun and not ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            if not self._rest:
                self._rest = self._packed.read(CHUNK)
                if not self._rest:
                    if self._inside:
                        raise EOFError("the file ends inside a gzip member")
                    return 0
            self._inside = True
            plain = self._inflate.decompress(self._rest, len(view))
            self._rest = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._rest = self._inflate.unused_data.lstrip(b"\0")  # members may be padded
                self._inflate = zlib.decompressobj(GZIP)
                self._inside = False
            if plain:
                view[: len(plain)] = plain
                return len(plain)
