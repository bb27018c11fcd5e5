"""WARC/1.1 records (ISO 28500:2017), each one gzip member, that hold nothing of the machine or the hour."""

import base64
import gzip
import hashlib
import uuid

DATE = "2024-01-01T00:00:00Z"  # a constant: equal pages must give equal bytes
SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's namespace of URLs


def response(url: str, html: str) -> bytes:
    """A compressed response record: `html` as a server would have answered it."""
    body = html.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    fields = {
        "WARC-Type": "response",
        "WARC-Record-ID": _identity(url),
        "WARC-Date": DATE,
        "WARC-Target-URI": url,
        "WARC-Payload-Digest": _digest(body),
        "WARC-Block-Digest": _digest(head + body),
        "Content-Type": "application/http; msgtype=response",
    }
    return _record(fields, head + body)


def information(filename: str) -> bytes:
    """A compressed warcinfo record, the first of a file."""
    block = b"software: gptkit sample\r\nformat: WARC File Format 1.1\r\n"
    fields = {
        "WARC-Type": "warcinfo",
        "WARC-Record-ID": _identity(filename),
        "WARC-Date": DATE,
        "WARC-Filename": filename,
        "WARC-Block-Digest": _digest(block),
        "Content-Type": "application/warc-fields",
    }
    return _record(fields, block)


def _record(fields: dict[str, str], block: bytes) -> bytes:
    lines = ["WARC/1.1", *(f"{name}: {value}" for name, value in fields.items()), f"Content-Length: {len(block)}"]
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n", 6, mtime=0)


def _identity(name: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(SPACE, name)}>"


def _digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
