"""The body of an HTTP response as it was archived, with its encodings undone.

Archives often hold a body that is already unpacked under the headers it came with, or one that was
packed once more than they say. So what the bytes are decides, and what the headers say only where
the bytes do not tell. Every step has a limit to what it unpacks.
"""

import io
import zlib

from gptkit.data.streams import Unpacked

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MEMBERS = 64  # of gzip, one behind the other
LAYERS = 4  # of packing, one in the other; more are an attack
HEX = b"0123456789abcdefABCDEF"


def decode_body(body: bytes, transfer: str, content: str, limit: int) -> bytes:
    """Undoes Transfer-Encoding and Content-Encoding, given as in the headers.

    Raises OSError with the reason where the bytes are damaged or unpack to more than `limit`.
    """
    if "chunked" in transfer.lower():
        body = join_chunks(body)
    named = [name.strip().lower() for name in content.split(",")]
    for name in reversed(named[-LAYERS:]):
        if name == "deflate":
            body = _inflate(body, limit)
        elif name == "br":
            body = _brotli(body, limit)
    for _ in range(LAYERS):
        if body.startswith(GZIP_MAGIC):
            body = _gunzip(body, limit)
        elif body.startswith(ZSTD_MAGIC):
            body = _read_zstd(body, limit)
        else:
            return body
    raise OSError(f"packed more than {LAYERS} times")


def join_chunks(body: bytes) -> bytes:
    """The data of the chunks of RFC 9112, 7.1; a body that begins with no chunk is given as it is."""
    parts: list[bytes] = []
    place = 0
    while True:
        line_end = body.find(b"\n", place, place + 1_000)
        size = body[place:line_end].partition(b";")[0].strip() if line_end >= 0 else b""
        if not size or len(size) > 8 or size.strip(HEX):
            if not parts:
                return body
            raise OSError("damaged chunks of the transfer encoding")
        length = int(size, 16)
        if length == 0:
            return b"".join(parts)
        if line_end + 1 + length > len(body):
            if not parts and length > len(body):
                return body  # text that happens to begin with a number
            raise OSError("the body ends inside a chunk of the transfer encoding")
        parts.append(body[line_end + 1 : line_end + 1 + length])
        place = line_end + 1 + length
        place += 2 if body.startswith(b"\r\n", place) else 1
        if place >= len(body):
            return b"".join(parts)  # the last chunk is missing, and nothing else


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members; what follows them and is none is left out, as browsers do."""
    plain = b""
    for _ in range(MEMBERS):
        unpacker = zlib.decompressobj(31)
        plain += _unpack(unpacker, body, limit, len(plain))
        body = unpacker.unused_data
        if not body.startswith(GZIP_MAGIC):
            return plain
    raise OSError(f"packed in more than {MEMBERS} gzip members")


def _inflate(body: bytes, limit: int) -> bytes:
    """`deflate` with zlib's header, as it must be, or without, as some send it; what is neither is given as it is."""
    if len(body) >= 2 and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0:
        return _unpack(zlib.decompressobj(15), body, limit)
    try:
        return _unpack(zlib.decompressobj(-15), body, limit)
    except _NotPackedError:
        return body


class _NotPackedError(OSError):
    """The bytes are damaged, or something else."""


def _unpack(unpacker: "zlib._Decompress", body: bytes, limit: int, before: int = 0) -> bytes:
    """Unpacks what may have no more than `limit` bytes, of which `before` are there already."""
    try:
        plain = unpacker.decompress(body, limit - before + 1)
    except zlib.error as error:
        raise _NotPackedError(f"damaged packing of the body: {error}") from None
    _check_size(before + len(plain), limit)
    if not unpacker.eof:
        raise OSError("the body ends inside its packed data")
    return plain


def _brotli(body: bytes, limit: int) -> bytes:
    """Brotli has no mark to know it by: a body that is damaged from its first bytes on is given as it is."""
    from fastwarc.stream_io import BrotliReader

    reader = BrotliReader(io.BytesIO(body))
    plain = b""
    try:
        while len(plain) <= limit and (part := reader.read(limit + 1 - len(plain))):
            plain += part
    except OSError as error:
        if not plain:
            return body
        raise OSError(f"damaged packing of the body: {error}") from None
    _check_size(len(plain), limit)
    return plain


def _read_zstd(body: bytes, limit: int) -> bytes:
    plain = io.BufferedReader(Unpacked(io.BytesIO(body), "zstd")).read(limit + 1)
    _check_size(len(plain), limit)
    return plain


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise OSError(f"the body unpacks to over {limit:,} bytes")
