import contextlib
import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.http import decode_body, join_chunks

PAGE = b"<p>a page</p>" * 9
LIMIT = 10_000


def chunked(*parts):
    return b"".join(b"%x;name=value\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def brotli(data):
    """Stored, not packed: a first meta-block of bytes as they are, and an empty last one (RFC 7932, 9.2)."""
    bits = 0 | (0 << 1) | (0 << 2) | ((len(data) - 1) << 4) | (1 << 20)  # 16-bit window, not the last, 4 nibbles
    return bits.to_bytes(3, "little") + data + b"\x03"


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (PAGE, ""),
        (gzip.compress(PAGE), "gzip"),
        (gzip.compress(PAGE), "x-gzip"),
        (gzip.compress(PAGE), ""),  # not declared
        (gzip.compress(gzip.compress(PAGE)), "gzip, gzip"),
        (gzip.compress(gzip.compress(PAGE)), "gzip"),  # declared once, applied twice
        (gzip.compress(PAGE), "gzip, gzip"),  # declared twice, applied once
        (PAGE, "gzip"),  # the archive holds it unpacked
        (gzip.compress(PAGE) + b"behind it", "gzip"),
        (gzip.compress(PAGE[:9]) + gzip.compress(PAGE[9:]), "gzip"),
        (zlib.compress(PAGE), "deflate"),
        (zlib.compress(PAGE)[2:-4], "deflate"),
        (PAGE, "deflate"),
        (zstandard.compress(PAGE), "zstd"),
        (gzip.compress(zstandard.compress(PAGE)), "zstd, gzip"),
        (brotli(PAGE), "br"),
        (PAGE, "br"),
        (PAGE, "utf-8"),
    ],
)
def test_what_is_packed_is_unpacked_whatever_the_headers_say(body, content):
    assert decode_body(body, "", content, LIMIT) == PAGE
    assert decode_body(chunked(body[:5], body[5:]), "chunked", content, LIMIT) == PAGE


@pytest.mark.parametrize(
    ("body", "content", "reason"),
    [
        (gzip.compress(bytes(LIMIT + 1)), "gzip", "over 10,000 bytes"),
        (gzip.compress(gzip.compress(bytes(10**8))), "gzip, gzip", "over 10,000 bytes"),
        (gzip.compress(bytes(LIMIT)) * 2, "gzip", "over 10,000 bytes"),
        (gzip.compress(b"") * 100, "gzip", "more than 64 gzip members"),
        (zstandard.compress(bytes(10**8)), "zstd", "over 10,000 bytes"),
        (zlib.compress(bytes(10**8)), "deflate", "over 10,000 bytes"),
        (brotli(b"x" * (LIMIT + 1)), "br", "over 10,000 bytes"),
        (gzip.compress(PAGE)[:-12], "gzip", "ends inside"),
        (zstandard.compress(PAGE)[:-3], "zstd", "ends inside"),
        (gzip.compress(PAGE)[:-8] + bytes(8), "gzip", "damaged packing"),
        (zlib.compress(PAGE)[:-4] + bytes(4), "deflate", "damaged packing"),
    ],
)
def test_bombs_and_damage_have_a_reason(body, content, reason):
    with pytest.raises(OSError, match=reason):
        decode_body(body, "", content, LIMIT)


def test_packing_in_packing_has_an_end():
    body = PAGE
    for _ in range(9):
        body = gzip.compress(body)
    with pytest.raises(OSError, match="more than 4 times"):
        decode_body(body, "", "gzip", LIMIT)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1))
def test_chunks_are_joined(parts):
    assert join_chunks(chunked(*parts)) == b"".join(parts)
    assert join_chunks(chunked(*parts).removesuffix(b"0\r\n\r\n")) == b"".join(parts)


@pytest.mark.parametrize("body", [b"", b"<html>", b"no chunk", b"ffffffffffffffff\r\nx", b"ff\r\nx", b"\n"])
def test_what_is_not_in_chunks_is_left_as_it_is(body):
    assert join_chunks(body) == body


def test_chunks_that_break_are_damage():
    with pytest.raises(OSError, match="damaged chunks"):
        join_chunks(b"3\r\nabc\r\nzz\r\nabc\r\n")
    with pytest.raises(OSError, match="ends inside a chunk"):
        join_chunks(b"3\r\nabc\r\nff\r\nabc\r\n")


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "br", "deflate", "zstd", "gzip, br, deflate"]))
def test_any_bytes_are_a_body_or_damage(body, content):
    for prefix in (b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x78\x9c"):
        with contextlib.suppress(OSError):
            assert isinstance(decode_body(prefix + body, "chunked", content, LIMIT), bytes)
