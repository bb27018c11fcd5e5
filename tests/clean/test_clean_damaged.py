"""`gptkit clean` as a command over hostile input: it costs only itself, and little memory.

Each case is a file with good documents before and behind what is hostile. `bench_hostile.py` in
tests/benchmarks measures every case by itself.
"""

import gzip
import io
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

WEB = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "web"
needs_web = pytest.mark.skipif(not WEB.is_dir(), reason="GPTKIT_SHARED names no folder with data/web")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is told in another unit")

MEMORY_MB = 1_000
MEGABYTE = 1_000_000
EVERYTHING = ("--rules", "none", "--language", "any", "--keep-rejected")
ALL_RULES = ("--rules", "gopher,c4,fineweb,dclm", "--language", "any", "--keep-rejected", "--pii")
PROSE = (
    "The ferry left the quay before sunrise, and most of those on board were asleep until the lights of the far shore "
    "came into view. An old man who had made this crossing every week for thirty years told anyone willing to listen "
    "that the channel used to be wider, that the pilots knew each sandbank by name, and that nobody had drowned here "
    "since the lighthouse was built.\nHis daughter, who had heard all of this before, poured tea from a flask and "
    "watched the gulls. When the engine slowed down she folded her newspaper, helped him to his feet, and asked "
    "whether he would like to walk to the market or wait for a bus. They walked, as they always did."
)
# Runs a command and prints its exit code and the most memory that it or a process below it had, in MB.
# A process begins with the peak of the one that started it, so this small one stands between.
MEASURE = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print("\\nMEASURED", os.waitstatus_to_exitcode(status), used.ru_maxrss // 1024)
"""


@dataclass(frozen=True)
class Run:
    """What a command gave."""

    code: int
    peak_mb: int
    seconds: float
    talk: str  # on standard error
    manifest: dict
    kept: list[dict]
    rejected: list[dict]
    damaged: list[dict]

    def of(self, name: str) -> tuple[list[dict], list[dict], list[dict]]:
        """What was kept, rejected and damaged of one source."""
        return (
            [row for row in self.kept if row["source"] == name],
            [row for row in self.rejected if row["shard"].startswith(f"{name}-")],
            [row for row in self.damaged if row["shard"].startswith(f"{name}-")],
        )


def clean(inputs: Sequence[Path | str], output: Path, options: Sequence[str] = EVERYTHING, **further) -> Run:
    """Runs `gptkit clean` with one worker."""
    arguments = ["-m", "gptkit", "clean", *map(str, inputs), "-o", str(output), "--workers", "1", *options]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, *arguments], capture_output=True, text=True, **further
    )
    seconds = time.monotonic() - started
    code, peak_mb = map(int, done.stdout.rpartition("MEASURED")[2].split())
    manifest = json.loads((output / "manifest.json").read_text()) if (output / "manifest.json").exists() else {}
    kept = [row for path in sorted(output.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    rejected = [
        {**row, "shard": path.name}
        for path in sorted(output.glob("rejected/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    damaged = [
        {**json.loads(line), "shard": path.name}
        for path in sorted(output.glob("damaged/*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return Run(code, peak_mb, seconds, done.stderr, manifest, kept, rejected, damaged)


# -- files ----------------------------------------------------------------------------------------


def document(name: str, text: str = PROSE) -> bytes:
    return json.dumps({"id": name, "text": f"{name}. {text}"}).encode() + b"\n"


def page(name: str, text: str = PROSE) -> bytes:
    return f"<html><body><article><p>{name}. {text}</p></article></body></html>".encode()


def record(body: bytes, *headers: str, url: str = "https://a.example/", length: int | None = None) -> bytes:
    """A response record of WARC with the page `body`."""
    http = "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", *headers, "", ""]).encode()
    size = len(http) + len(body) if length is None else length
    lines = [
        "WARC/1.0",
        "WARC-Type: response",
        f"WARC-Target-URI: {url}",
        "WARC-Date: 2024-01-01T00:00:00Z",
        "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>",
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {size}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + http + body + b"\r\n\r\n"


def archive(path: Path, *members: bytes) -> None:
    """A .warc.gz of records, already packed or not, between two good ones."""
    good = (gzip.compress(record(page(name), url=f"https://{name}.example/"), 1) for name in ("first", "last"))
    first, last = good
    packed = (member if member.startswith(b"\x1f\x8b") else gzip.compress(member, 1) for member in members)
    path.write_bytes(b"".join([first, *packed, last]))


def lines(path: Path, *hostile: bytes) -> None:
    """A JSONL file of lines between two good ones."""
    path.write_bytes(b"".join([document("first"), *hostile, document("last")]))


def packed_lines(path: Path, parts: Iterable[bytes]) -> None:
    """A packed JSONL file, of gzip members or zstd frames that hold `parts`, between two good lines."""
    pack = zstandard.ZstdCompressor().compress if path.suffix == ".zst" else gzip.compress
    cache: dict[bytes, bytes] = {}  # a bomb is one member many times
    with path.open("wb") as file:
        for part in (document("first"), *parts, document("last")):
            file.write(cache.setdefault(part, pack(part)))


def gzip_bomb(size: int, layers: int = 1) -> bytes:
    """`size` zero bytes, packed again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MEGABYTE)
    data = b"".join([packer.compress(zeros) for _ in range(size // MEGABYTE)] + [packer.flush()])
    for _ in range(layers - 1):
        data = gzip.compress(data)
    return data


def zstd_bomb(size: int) -> bytes:
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        for _ in range(size // MEGABYTE):
            writer.write(bytes(MEGABYTE))
    return out.getvalue()


# -- cases ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A hostile file: its ending, what writes it, what becomes of what is hostile in it, and how many there are."""

    ending: str
    make: Callable[[Path], object]
    outcome: str  # "kept", or what `reason` says, or how the reason of the damage begins
    count: int = 1
    slow: bool = False


def html(text: bytes | str, encoding: str = "utf-8") -> Callable[[Path], object]:
    body = text if isinstance(text, bytes) else text.encode(encoding)
    return lambda path: archive(path, record(body + page("hostile")))


def text_line(text: str) -> Callable[[Path], object]:
    return lambda path: lines(path, document("hostile", text))


def written(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def jsonl(*hostile: bytes) -> Callable[[Path], object]:
    return lambda path: lines(path, *(line + b"\n" for line in hostile))


def packed_body(body: bytes, *headers: str) -> Callable[[Path], object]:
    return lambda path: archive(path, record(body, *headers))


def sparse_line(path: Path) -> None:
    """A line of 2 GB of zero bytes that take no room on the disk."""
    with path.open("wb") as file:
        file.write(document("first"))
        file.seek(2_000_000_000, os.SEEK_CUR)
        file.write(b"\n" + document("last"))


M = MEGABYTE
GZIPPED = "Content-Encoding: gzip"
NESTED = 100_000
CASES = {
    # bombs
    "line_2gb_gz": Case(
        ".jsonl.gz", lambda p: packed_lines(p, [bytes(50 * M)] * 40 + [b"\n"]), "a line of over", slow=True
    ),
    "line_10gb_zst": Case(
        ".jsonl.zst", lambda p: packed_lines(p, [bytes(50 * M)] * 200 + [b"\n"]), "a line of over", slow=True
    ),
    "line_100mb_gz": Case(".jsonl.gz", lambda p: packed_lines(p, [bytes(50 * M)] * 2 + [b"\n"]), "a line of over"),
    "line_2gb_plain": Case(".jsonl", sparse_line, "a line of over", slow=True),
    "packed_twice": Case(
        ".jsonl.gz", lambda p: p.write_bytes(gzip.compress(gzip.compress(document("a")))), "is packed, and once more"
    ),
    "body_gzip_1gb": Case(".warc.gz", packed_body(gzip_bomb(1000 * M), GZIPPED), "the body unpacks to over"),
    "body_gzip_gzip_1gb": Case(".warc.gz", packed_body(gzip_bomb(1000 * M, 2), GZIPPED), "the body unpacks to over"),
    "body_zstd_1gb": Case(
        ".warc.gz", packed_body(zstd_bomb(1000 * M), "Content-Encoding: zstd"), "the body unpacks to over"
    ),
    "body_packed_twice": Case(
        ".warc.gz", packed_body(gzip.compress(gzip.compress(page("hostile"))), "Content-Encoding: gzip, gzip"), "kept"
    ),
    "body_packed_6_times": Case(".warc.gz", packed_body(gzip_bomb(M, 6), GZIPPED), "packed more than"),
    "record_1gb": Case(
        ".warc.gz",
        lambda p: archive(p, gzip.compress(record(b"", length=1000 * M) + bytes(1000 * M), 1)),
        "a record of over",
    ),
    "warc_header_50mb": Case(".warc.gz", lambda p: archive(p, b"WARC/1.0\r\nX: " + b"a" * 50 * M + b"\r\n\r\n"), "?"),
    "warc_headers_1m": Case(".warc.gz", lambda p: archive(p, b"WARC/1.0\r\n" + b"X: a\r\n" * M + b"\r\n"), "?"),
    "http_header_30mb": Case(".warc.gz", packed_body(page("hostile"), "X: " + "a" * 30 * M), "?"),
    "http_headers_1m": Case(".warc.gz", packed_body(page("hostile"), *["X: a"] * M), "?"),
    "chunks_1m": Case(".warc.gz", packed_body(b"1\r\na\r\n" * M + b"0\r\n\r\n", "Transfer-Encoding: chunked"), "?"),
    # JSON
    "json_deep": Case(".jsonl", jsonl(b'{"text": "a", "x": ' + b"[" * NESTED + b"]" * NESTED + b"}"), "?"),
    "json_deep_text": Case(".jsonl", jsonl(b"[" * 3 * M), "?"),
    "json_keys": Case(".jsonl", jsonl(b'{"text": "a"' + b"".join(b',"k%d":1' % n for n in range(100_000)) + b"}"), "?"),
    "json_keys_3m": Case(
        ".jsonl", jsonl(b'{"text": "a"' + b"".join(b',"k%d":1' % n for n in range(3_900_000)) + b"}"), "?", slow=True
    ),
    "json_number": Case(".jsonl", jsonl(b'{"text": "a", "x": 1' + b"0" * M + b"}"), "?"),
    "json_nul": Case(".jsonl", jsonl(b'{"text": "a\x00b"}'), "no JSON"),
    "json_nul_escaped": Case(".jsonl", jsonl(b'{"text": "a\\u0000b"}'), "kept"),
    "json_surrogate": Case(".jsonl", jsonl(b'{"text": "a \\ud800 b"}'), "no JSON"),
    "json_values": Case(".jsonl", jsonl(b'{"text": "a", "x": [' + b"[]," * 10 * M + b"1]}"), "a line of over"),
    "json_text_63mb": Case(".jsonl", jsonl(b'{"text": "\xf0\x9f\x98\x80' + b"a" * 63 * M + b'"}'), "too_long"),
    "json_text_10x63mb": Case(
        ".jsonl.gz",
        lambda p: packed_lines(p, [b'{"text": "\xf0\x9f\x98\x80' + b"a " * 31 * M + b'"}\n'] * 10),
        "too_long",
        10,
        slow=True,
    ),
    "broken_lines_8m": Case(".jsonl", jsonl(*[b"x"] * 8 * M), "?"),
    "broken_lines_gz_20m": Case(".jsonl.gz", lambda p: packed_lines(p, [b"x\n" * M] * 20), "?", slow=True),
    "broken_long_lines_gz": Case(
        ".jsonl.gz", lambda p: packed_lines(p, [(b"x" * 99_999 + b"\n") * 500] * 40), "?", slow=True
    ),
    "keys_new_each_line": Case(
        ".jsonl",
        jsonl(*[b'{"text": "a"' + b"".join(b',"k%d_%d":1' % (m, n) for n in range(1000)) + b"}" for m in range(200)]),
        "?",
    ),
    # pages
    **{f"nested_{t}": Case(".warc.gz", html(f"<{t}>" * NESTED), "?") for t in ("div", "span", "table")},
    "nested_div_utf16": Case(".warc.gz", html("\ufeff" + "<div>" * NESTED, "utf-16-le"), "?"),
    "nested_span_utf16": Case(".warc.gz", html("\ufeff" + "<span>" * NESTED, "utf-16-le"), "?"),
    "nested_article": Case(".warc.gz", html("<article>" * NESTED), "?", slow=True),
    "formatting_3000": Case(".warc.gz", html("".join(f"<p><font size={n}>" for n in range(3_000))), "?"),
    "formatting_8000": Case(".warc.gz", html("".join(f"<p><font size={n}>" for n in range(8_000))), "?", slow=True),
    "breaks_8m": Case(".warc.gz", html("<br>" * 7 * M), "?"),
    "comments": Case(".warc.gz", html("<!--" * 5 * M), "?"),
    "comment_20mb": Case(".warc.gz", html("<!-- " + "a" * 20 * M), "?"),
    "attributes": Case(".warc.gz", html("<div " + " ".join(f"a{n}=b" for n in range(M)) + ">"), "?"),
    "less_than_30mb": Case(".warc.gz", html("<" * 30 * M), "?"),
    "paragraphs_3m": Case(".warc.gz", html("<p>a" * 3 * M), "?"),
    "nul_10mb": Case(".warc.gz", html(b"\0" * 10 * M), "?"),
    "page_nul": Case(".warc.gz", html(b"<p>a\0b"), "?"),
    "page_surrogates": Case(".warc.gz", html(b"<p>\xed\xa0\x80"), "?"),
    # texts
    "punctuation_15mb": Case(".jsonl", text_line("." * 15 * M), "?"),
    "punctuation_mixed_15mb": Case(".jsonl", text_line("!?.,;:-… " * (3 * M // 2)), "?"),
    "one_word_15mb": Case(".jsonl", text_line("a" * 15 * M), "?"),
    "same_word_15mb": Case(".jsonl", text_line("word " * 3 * M), "?"),
    "letters_15mb": Case(".jsonl", text_line("a b " * (15 * M // 4)), "?"),
    "lines_15mb": Case(".jsonl", text_line("\n" * 15 * M), "?"),
    "one_letter_lines_15mb": Case(".jsonl", text_line("a\n" * (15 * M // 2)), "?"),
    "amp_amp_15mb": Case(".jsonl", text_line("&" + "amp;" * (15 * M // 4)), "?"),
    "amps_15mb": Case(".jsonl", text_line("&amp;" * 3 * M), "?"),
    "marks_15mb": Case(
        ".jsonl",
        lambda p: lines(
            p,
            json.dumps({"id": "hostile", "text": "e" + "\u0301" * (15 * M // 2)}, ensure_ascii=False).encode() + b"\n",
        ),
        "?",
    ),
    "marks_two_15mb": Case(
        ".jsonl",
        lambda p: lines(
            p,
            json.dumps({"id": "hostile", "text": "e" + "\u0301\u0323" * (15 * M // 4)}, ensure_ascii=False).encode()
            + b"\n",
        ),
        "?",
    ),
    "e_mail_15mb": Case(".jsonl", text_line("a." * (15 * M // 2) + "@"), "?"),
    "e_mail_ats_15mb": Case(".jsonl", text_line("a@" * (15 * M // 2)), "?"),
    "mojibake_15mb": Case(
        ".jsonl",
        lambda p: lines(
            p, json.dumps({"id": "hostile", "text": "Ã‚" * (3 * M) + "©"}, ensure_ascii=False).encode() + b"\n"
        ),
        "?",
    ),
    "mojibake_short_lines": Case(
        ".jsonl",
        lambda p: lines(
            p, json.dumps({"id": "hostile", "text": "donâ€™t\n" * (M)}, ensure_ascii=False).encode() + b"\n"
        ),
        "?",
    ),
    "html_file_40mb": Case(".html", lambda p: p.write_bytes(b"<p>a" * 10 * M), "a document of over"),
}
