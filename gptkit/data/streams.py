"""Opens local files and addresses, packed or not, as streams of plain bytes."""

import contextlib
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from gptkit.data.addresses import hide_credentials
from gptkit.data.formats import Compression
from gptkit.data.inputs import InputFile
from gptkit.errors import GptkitError

GZIP = 31  # zlib's window bits for a gzip header and check value
CHUNK = {"gzip": 1 << 16, "zstd": 1 << 11}  # packed bytes at a time; 1 KB of zstd can be 33 MB of zeros
PLAIN_CHUNK = 1 << 22  # unpacked bytes at a time, of gzip


@contextlib.contextmanager
def open_raw(file: InputFile) -> Iterator[IO[bytes]]:
    """Opens the bytes as they are stored. Raises GptkitError where an address does not answer, now or later."""
    if not file.remote:
        with open(file.path, "rb") as stream:
            yield stream
        return
    import fsspec

    with _reaching(file.path):
        opened = fsspec.open(file.path, "rb", cache_type="readahead").open()
    with opened:
        yield io.BufferedReader(_Remote(opened, file.path), 1 << 20)


class Response(NamedTuple):
    """What a web server answered."""

    stream: IO[bytes]  # the body, unpacked from what it was sent in
    url: str  # where it came from in the end
    content_type: str  # as the header has it; empty where there is none


@contextlib.contextmanager
def open_response(address: str) -> Iterator[Response]:
    """Asks for an http(s) address once, and reads the answer as it comes. Raises GptkitError as `open_raw` does."""
    import fsspec

    with _reaching(address):
        files, path = fsspec.core.url_to_fs(address)
        opened = files.open(path, "rb", block_size=0, size=1)  # a size spares the request that asks for it
        answer = opened.r
    with opened:
        yield Response(
            io.BufferedReader(_Remote(opened, address), 1 << 20),
            str(answer.url),
            answer.headers.get("Content-Type", ""),
        )


def list_addresses(pattern: str) -> list[str]:
    """The addresses that a pattern with * matches, in order. Raises GptkitError where it is none, or no place to list."""
    import fsspec

    with _reaching(pattern):
        files, path = fsspec.core.url_to_fs(pattern)
        found = [files.unstrip_protocol(name) for name in sorted(files.glob(path))]
    if not found:
        raise GptkitError(f"{hide_credentials(pattern)}: no file there has such a name")
    return found


@contextlib.contextmanager
def _reaching(address: str) -> Iterator[None]:
    """Turns what an address's library raises into one line: its own text may hold what is secret in the address."""
    try:
        yield
    except Exception as error:  # each protocol's library has errors of its own
        reason = {
            FileNotFoundError: "no such file there, or no network",
            ImportError: "fsspec needs a package of its own for this kind of address",
        }.get(type(error), type(error).__name__)
        raise GptkitError(f"{hide_credentials(address)}: cannot be reached ({reason})") from None


class _Remote(io.RawIOBase):
    """A stream of an address. A connection that breaks raises GptkitError: it is no damage to the file."""

    def __init__(self, stream: Any, address: str) -> None:
        self._stream = stream
        self._address = address
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = self._ask(self._stream.seek, offset, whence)
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._ask(self._stream.read, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _ask(self, call: Any, *arguments: int) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            name = hide_credentials(self._address)
            raise GptkitError(f"{name}: the connection broke ({type(error).__name__})") from None


@contextlib.contextmanager
def open_plain(file: InputFile) -> Iterator[IO[bytes]]:
    """Opens the unpacked bytes. Reading raises OSError where they are damaged or end early."""
    with open_raw(file) as raw:
        if file.compression:
            yield io.BufferedReader(Unpacked(raw, file.compression), 1 << 20)
        else:
            yield raw  # the only form in which a place can be sought


class Unpacked(io.RawIOBase):
    """The plain bytes of gzip members or zstd frames, one after the other.

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
            self._rest = self._rest or self._packed.read(CHUNK[self._compression])
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
        import zstandard

        gzip = self._compression == "gzip"
        if self._unpacker is None:
            self._unpacker = zlib.decompressobj(GZIP) if gzip else zstandard.ZstdDecompressor().decompressobj()
        packed, self._rest = self._rest, b""
        try:
            if gzip:
                plain: bytes = self._unpacker.decompress(packed, PLAIN_CHUNK)
                self._rest = self._unpacker.unconsumed_tail
            else:
                plain = self._unpacker.decompress(packed)
        except (zlib.error, zstandard.ZstdError) as error:
            raise OSError(f"damaged {self._compression} data: {error}") from None
        if self._unpacker.eof:
            self._rest = self._unpacker.unused_data.lstrip(b"\0")  # members may be padded
            self._unpacker = None
        return plain
