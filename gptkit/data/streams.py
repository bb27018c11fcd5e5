"""Opens local files and addresses, packed or not, as streams of plain bytes."""

import contextlib
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any

from gptkit.data.inputs import Compression, InputFile, hide_credentials
from gptkit.errors import GptkitError

GZIP = 31  # zlib's window bits for a gzip header and check value
CHUNK = 1 << 16  # packed bytes at a time
PLAIN_CHUNK = 1 << 22  # unpacked bytes at a time
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
        # its text may hold the whole address, with what is secret in it
        reason = {
            FileNotFoundError: "no such file there, or no network",
            ImportError: "fsspec needs a package of its own for this kind of address",
        }.get(type(error), type(error).__name__)
        raise GptkitError(f"{hide_credentials(file.path)}: cannot be reached ({reason})") from None
    with opened:
        try:
            yield opened
        except Exception as error:
            if not type(error).__module__.startswith(REMOTE_LIBRARIES):
                raise
            raise GptkitError(f"{hide_credentials(file.path)}: the connection broke ({type(error).__name__})") from None


@contextlib.contextmanager
def open_plain(file: InputFile) -> Iterator[IO[bytes]]:
    """Opens the unpacked bytes. Reading raises OSError where they are damaged or end early."""
    with open_raw(file) as raw:
        if file.compression or file.remote:
            yield io.BufferedReader(Unpacked(raw, file.compression), 1 << 20)
        else:
            yield raw  # the only form in which a place can be sought


class Unpacked(io.RawIOBase):
    """The plain bytes of gzip members or zstd frames, one after the other, or of what is not packed.

    Gives all that is sound before it raises OSError (the standard library's reader loses the last
    whole lines of a file that ends early), and never unpacks much more than it is asked for.
    """

    def __init__(self, packed: IO[bytes], compression: Compression) -> None:
        self._packed = packed
        self._compression = compression
        self._unpacker: Any = None  # of the member that has begun
        self._rest = b""  # packed bytes not yet looked at
        self._plain = memoryview(b"")  # unpacked bytes not yet given

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while not self._plain:
            self._rest = self._rest or self._packed.read(CHUNK)
            if not self._rest:
                if self._unpacker is not None:
                    raise OSError(f"the file ends inside its {self._compression} data")
                return 0
            self._plain = memoryview(self._unpack())
        size = min(len(view), len(self._plain))
        view[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def _unpack(self) -> bytes:
        packed, self._rest = self._rest, b""
        if not self._compression:
            return packed
        import zstandard

        if self._unpacker is None:
            gzip = self._compression == "gzip"
            self._unpacker = zlib.decompressobj(GZIP) if gzip else zstandard.ZstdDecompressor().decompressobj()
        try:
            if self._compression == "gzip":
                plain = self._unpacker.decompress(packed, PLAIN_CHUNK)
                self._rest = self._unpacker.unconsumed_tail
            else:
                plain = self._unpacker.decompress(packed)
        except (zlib.error, zstandard.ZstdError) as error:
            raise OSError(f"damaged {self._compression} data: {error}") from None
        if self._unpacker.eof:
            self._rest = self._unpacker.unused_data.lstrip(b"\0")  # members may be padded
            self._unpacker = None
        return plain
