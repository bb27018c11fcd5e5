"""`gptkit clean` as a command over hostile input: it costs only itself, and little memory.

Each case is a file with good documents before and behind what is hostile. `bench_hostile.py` in
tests/benchmarks measures every case by itself.
"""

import gzip
import io
import json
import os
import signal
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
PARSED = (*EVERYTHING, "--extractor", "resiliparse")
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


def record(
    body: bytes,
    *headers: str,
    url: str = "https://a.example/",
    charset: str = "utf-8",
    length: int | None = None,
) -> bytes:
    """A response record of WARC with the page `body`."""
    http = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Type: text/html; charset={charset}", *headers, "", ""]).encode()
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
    outcome: str  # "kept", "rejected: RULE|RULE" or "damaged: HOW THE REASON BEGINS"; without a reason, any
    count: int = 1  # of what is hostile; -1 where too many lines are broken for each to be told
    slow: bool = False
    alone: bool = False  # no good documents stand beside it


def html(text: bytes | str, charset: str = "utf-8") -> Callable[[Path], object]:
    """A page that begins with `text`."""
    body = text + page("hostile") if isinstance(text, bytes) else (text + page("hostile").decode()).encode(charset)
    return lambda path: archive(path, record(body, charset=charset))


def text_line(text: str) -> Callable[[Path], object]:
    return lambda path: lines(path, json.dumps({"id": "hostile", "text": text}, ensure_ascii=False).encode() + b"\n")


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
BOMB_50MB = bytes(50 * M)
CASES = {
    # packed
    "line_100mb_gz": Case(".jsonl.gz", lambda p: packed_lines(p, [BOMB_50MB] * 2 + [b"\n"]), "damaged: a line of over"),
    "line_2gb_gz": Case(
        ".jsonl.gz", lambda p: packed_lines(p, [BOMB_50MB] * 40 + [b"\n"]), "damaged: a line of over", slow=True
    ),
    "line_10gb_zst": Case(
        ".jsonl.zst", lambda p: packed_lines(p, [BOMB_50MB] * 200 + [b"\n"]), "damaged: a line of over", slow=True
    ),
    "line_2gb_plain": Case(".jsonl", sparse_line, "damaged: a line of over", slow=True),
    "packed_twice": Case(
        ".jsonl.gz",
        lambda p: p.write_bytes(gzip.compress(gzip.compress(document("a")))),
        "damaged: is packed, and once more",
        alone=True,
    ),
    "body_gzip_1gb": Case(".warc.gz", packed_body(gzip_bomb(1000 * M), GZIPPED), "damaged: the body unpacks to over"),
    "body_gzip_in_gzip_1gb": Case(
        ".warc.gz", packed_body(gzip_bomb(1000 * M, 2), GZIPPED), "damaged: the body unpacks to over"
    ),
    "body_zstd_1gb": Case(
        ".warc.gz",
        packed_body(zstd_bomb(1000 * M), "Content-Encoding: zstd"),
        "damaged: the body unpacks to over",
    ),
    "body_gzip_twice": Case(
        ".warc.gz",
        packed_body(gzip.compress(gzip.compress(page("hostile"))), "Content-Encoding: gzip, gzip"),
        "kept",
    ),
    "body_gzip_6_times": Case(".warc.gz", packed_body(gzip_bomb(M, 6), GZIPPED), "damaged: packed more than"),
    "record_200mb": Case(
        ".warc.gz",
        lambda p: archive(p, gzip.compress(record(b"", length=200 * M) + bytes(200 * M), 1)),
        "damaged: a record of over",
    ),
    "warc_header_50mb": Case(
        ".warc.gz",
        lambda p: archive(p, b"WARC/1.0\r\nX: " + b"a" * 50 * M + b"\r\n\r\n"),
        "damaged: Maximum header length exceeded",
    ),
    "http_headers_1m": Case(
        ".warc.gz", packed_body(page("hostile"), *["X: a"] * M), "damaged: HTTP headers: Maximum header length"
    ),
    "chunks_1m": Case(
        ".warc.gz", packed_body(b"1\r\na\r\n" * M + b"0\r\n\r\n", "Transfer-Encoding: chunked"), "rejected"
    ),
    # JSON
    "json_deep": Case(
        ".jsonl", jsonl(b'{"text": "a", "x": ' + b"[" * NESTED + b"]" * NESTED + b"}"), "damaged: no JSON"
    ),
    "json_keys_100k": Case(
        ".jsonl", jsonl(b'{"text": "a"' + b"".join(b',"k%d":1' % n for n in range(NESTED)) + b"}"), "rejected"
    ),
    "json_keys_4m": Case(
        ".jsonl",
        jsonl(b'{"text": "a"' + b"".join(b',"k%d":1' % n for n in range(3_900_000)) + b"}"),
        "damaged: a line of over",
        slow=True,
    ),
    "json_keys_new_in_each_line": Case(
        ".jsonl",
        jsonl(*[b'{"text": "a"' + b"".join(b',"k%d_%d":1' % (m, n) for n in range(1000)) + b"}" for m in range(100)]),
        "rejected",
        100,
    ),
    "json_number": Case(".jsonl", jsonl(b'{"text": "a", "x": 1' + b"0" * M + b"}"), "damaged: no JSON"),
    "json_nul": Case(".jsonl", jsonl(b'{"text": "a\x00b"}'), "damaged: no JSON"),
    "json_nul_escaped": Case(".jsonl", jsonl(b'{"text": "a\\u0000b"}'), "rejected"),
    "json_surrogate": Case(".jsonl", jsonl(b'{"text": "a \\ud800 b"}'), "damaged: no JSON"),
    "json_values": Case(".jsonl", jsonl(b'{"text": "a", "x": [' + b"[]," * 10 * M + b"1]}"), "damaged: a line of over"),
    "json_text_30mb": Case(
        ".jsonl", jsonl(b'{"text": "\xf0\x9f\x98\x80' + b"a" * 30 * M + b'"}'), "rejected: too_long", slow=True
    ),
    "json_texts_30mb": Case(
        ".jsonl.gz",
        lambda p: packed_lines(p, [b'{"text": "\xf0\x9f\x98\x80' + b"a " * 15 * M + b'"}\n'] * 10),
        "rejected: too_long",
        10,
        slow=True,
    ),
    "broken_lines_8m": Case(".jsonl", jsonl(*[b"x"] * 8 * M), "damaged", -1, slow=True),
    "broken_lines_20m_gz": Case(".jsonl.gz", lambda p: packed_lines(p, [b"x\n" * M] * 20), "damaged", -1, slow=True),
    "broken_long_lines_gz": Case(
        ".jsonl.gz",
        lambda p: packed_lines(p, [(b"x" * 99_999 + b"\n") * 500] * 40),
        "damaged",
        -1,
        slow=True,
    ),
    # pages
    "nested_article": Case(".warc.gz", html("<article>" * NESTED), "kept"),
    "page_nul": Case(".warc.gz", html(b"<p>a\0b"), "kept"),
    "page_surrogates": Case(".warc.gz", html(b"<p>\xed\xa0\x80"), "kept"),
    "page_nul_10mb": Case(".warc.gz", html(bytes(10 * M)), "kept"),
    "nested_div": Case(".warc.gz", html("<div>" * NESTED), "kept"),
    "nested_span": Case(".warc.gz", html("<span>" * NESTED), "kept"),
    "nested_span_utf16": Case(".warc.gz", html("<span>" * NESTED, "utf-16"), "kept"),
    "nested_table": Case(".warc.gz", html("<table>" * NESTED), "kept"),
    "comments": Case(".warc.gz", html("<!--" * 5 * M), "rejected: empty"),
    "less_than_30mb": Case(".warc.gz", html("<" * 30 * M), "rejected", slow=True),
    "nested_div_utf16": Case(".warc.gz", html("<div>" * NESTED, "utf-16"), "kept"),
    "attributes_1m": Case(
        ".warc.gz", html("<div " + " ".join(f"a{n}=b" for n in range(M)) + ">"), "rejected", slow=True
    ),
    "paragraphs_3m": Case(".warc.gz", html("<p>a" * 3 * M), "rejected", slow=True),
    "breaks_7m": Case(".warc.gz", html("<br>" * 7 * M), "rejected", slow=True),
    "formatting_3000": Case(
        ".warc.gz",
        html("".join(f"<p><font size={n}>" for n in range(3_000))),
        "kept",
        slow=True,
    ),
    # texts
    **{
        name: Case(
            ".jsonl",
            text_line(text),
            "rejected",
            slow=name not in ("e_mail", "one_word"),
        )
        for name, text in {
            "punctuation": "." * 15 * M,
            "punctuation_and_spaces": "!?.,;:-) " * (15 * M // 9),
            "one_word": "a" * 15 * M,
            "same_word": "word " * 3 * M,
            "letters": "a b " * (15 * M // 4),
            "line_breaks": "\n" * 15 * M,
            "letters_on_lines": "a\n" * (15 * M // 2),
            "amp_amp": "&" + "amp;" * (15 * M // 4),
            "amps": "&amp;" * 3 * M,
            "marks": "e" + "\u0301" * (15 * M // 2),
            "two_marks": "e" + "\u0301\u0323" * (15 * M // 4),
            "e_mail": "a." * (15 * M // 2) + "@",
            "at_signs": "a@" * (15 * M // 2),
            "mojibake": "Ã‚" * 3 * M + "©",
            "mojibake_on_lines": "donâ€™t\n" * M,
        }.items()
    },
}


# -- tests ----------------------------------------------------------------------------------------


def check(name: str, found: Run) -> None:
    """What became of a case, and that nothing was lost beside it."""
    case = CASES[name]
    kept, rejected, damaged = found.of(name)
    text = [row["text"].partition(".")[0] for row in kept]
    wanted, _, reason = case.outcome.partition(": ")
    sound = [] if case.alone else ["first", "last"]
    assert [name for name in text if name != "hostile"] == sound
    count = {"kept": len(kept) - len(sound), "rejected": len(rejected), "damaged": len(damaged)}
    expected = {"kept": 0, "rejected": 0, "damaged": 0} | {wanted: case.count if case.count >= 0 else count[wanted]}
    assert count == expected
    assert not reason or all(row["rule"] in reason.split("|") for row in rejected)
    assert all(row["reason"].startswith(reason) and row["offset"] >= 0 for row in damaged)
    assert all(row["file"] == f"{name}{case.ending}" for row in damaged)


def made(names: Iterable[str], folder: Path) -> list[Path]:
    paths = [folder / f"{name}{CASES[name].ending}" for name in names]
    for name, path in zip(names, paths, strict=True):
        CASES[name].make(path)
    return paths


def assert_one_line(found: Run) -> None:
    """The command's last word on what it skipped is one line, and a user sees no traceback."""
    said = [line for line in found.talk.splitlines() if line.startswith("gptkit: ")]
    assert len(said) == (found.code != 0)
    assert "Traceback" not in found.talk


@linux
@pytest.mark.parametrize("damage", [False, True])
def test_hostile_files_cost_only_themselves(tmp_path, damage):
    names = [name for name, case in CASES.items() if not case.slow and case.outcome.startswith("damaged") == damage]
    found = clean(made(names, tmp_path), tmp_path / "out", ALL_RULES)
    assert found.code == damage
    assert_one_line(found)
    for name in names:
        check(name, found)
    assert found.peak_mb < MEMORY_MB
    assert found.manifest["counts"]["quarantine"] == []


@linux
def test_what_a_parser_of_others_cannot_bear_is_rejected_before_it(tmp_path):
    found = clean(made(["nested_article", "nested_div_utf16", "comments"], tmp_path), tmp_path / "out", PARSED)
    assert found.code == 0
    assert_one_line(found)
    assert {row["rule"] for row in found.rejected} == {"extract"}
    assert len(found.rejected) == 3
    assert found.peak_mb < MEMORY_MB


@linux
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name",
    [name for name, case in CASES.items() if case.slow],
)
def test_a_large_hostile_file_costs_only_itself(tmp_path, name):
    found = clean(made([name], tmp_path), tmp_path / "out", ALL_RULES)
    assert found.code == CASES[name].outcome.startswith("damaged")
    assert_one_line(found)
    check(name, found)
    assert found.peak_mb < MEMORY_MB


# name -> documents, and the places of damage; see test_damaged_archives.py in tests/data for the reasons
ARCHIVES = {
    "block-sized-records.warc": (0, []),
    "block-sized-records.warc.gz": (0, []),
    "block-sized-records.warc.lz4": (0, []),
    "clipped.warc.gz": (0, [0]),
    "clueweb-quirk.warc.gz": (29, []),
    "example-bad-non-chunked.warc.gz": (1, []),
    "example-digest.warc": (0, []),
    "example-iana.org-chunked.warc": (1, []),
    "example-resource.warc.gz": (1, []),
    "example-space-in-target-uri.warc.gz": (0, []),
    "example-trunc.warc": (0, [1197, 2564]),
    "example-wget-bad-target-uri.warc.gz": (1, []),
    "example-wrong-chunks.warc.gz": (1, []),
    "example.warc": (1, []),
    "example.warc.gz": (1, []),
    "made-flipped-byte.warc.gz": (5, [11297]),
    "made-truncated.warc.gz": (4, [37105]),
    "post-test.warc.gz": (0, []),
    "warcfile.warc.lz4": (16, []),
}
REFUSED = ("bad.arc", "example-space-in-url.arc", "example.arc", "example.arc.gz", "example-bad.warc.gz.bad")


@needs_web
def test_all_damaged_archives_in_one_folder_with_good_ones(tmp_path):
    folder = tmp_path / "crawl"
    folder.mkdir()
    for path in (WEB / "damaged").iterdir():
        (folder / path.name).symlink_to(path)
    for name in ("a-first", "n-between", "z-last"):  # n: behind the file that ends early
        (folder / f"{name}.warc.gz").write_bytes(gzip.compress(record(page(name), url=f"https://{name}.example/")))
    found = clean([folder], tmp_path / "out")
    assert found.code == 1
    assert_one_line(found)
    counts = found.manifest["counts"]
    assert counts["documents_in"] == 3 + sum(count for count, _ in ARCHIVES.values())
    assert {row["url"] for row in found.kept} >= {f"https://{n}.example/" for n in ("a-first", "n-between", "z-last")}
    expected = [(name, place) for name, (_, places) in ARCHIVES.items() for place in places]
    assert sorted((row["file"], row["offset"]) for row in found.damaged) == sorted(expected)
    assert counts["damaged"] == len(expected)
    assert len(found.kept) + len(found.rejected) == counts["documents_in"]


@needs_web
@pytest.mark.slow
@pytest.mark.parametrize("name", [*ARCHIVES, *REFUSED])
def test_each_damaged_archive_by_itself(tmp_path, name):
    found = clean([WEB / "damaged" / name], tmp_path / "out")
    documents, places = ARCHIVES.get(name, (0, []))
    assert found.code == (1 if places or not documents else 0)  # nothing at all could be read: a mistake too
    assert_one_line(found)
    if documents:
        assert len(found.kept) + len(found.rejected) == documents
        assert [(row["file"], row["offset"]) for row in found.damaged] == [(name, place) for place in places]
    else:
        assert name in found.talk.splitlines()[-1]


HANG = "<div " + " ".join(f"a{n}=b" for n in range(300_000)) + ">"  # each name is compared with all before: minutes


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_page_that_hangs_the_extractor_is_left_out_and_a_second_run_does_not_wait_for_it(tmp_path):
    """The last resort behind the checks of `extract`: should one catch this page, another has to be found."""
    path, out = tmp_path / "pages.warc.gz", tmp_path / "out"
    archive(path, record(HANG.encode() + page("hostile"), url="https://hang.example/"))
    arguments = [sys.executable, "-m", "gptkit", "clean", str(path), "-o", str(out), "--workers", "1", *PARSED]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, start_new_session=True) as first:
        started = time.monotonic()
        while not list(out.rglob("*.quarantine.json")):
            assert time.monotonic() - started < 150
            time.sleep(0.01)
        os.killpg(first.pid, signal.SIGKILL)
    assert time.monotonic() - started > 59
    assert not (out / "manifest.json").exists()
    found = clean([path], out, PARSED)
    assert found.code == 0
    assert found.seconds < 40
    assert [row["url"] for row in found.kept] == ["https://first.example/", "https://last.example/"]
    ((row,), (entry,)) = found.rejected, found.manifest["counts"]["quarantine"]
    assert (row["url"], row["rule"], row["detail"]) == ("https://hang.example/", "quarantine", "took over 60 s")
    assert entry == ["pages-00000", 1, "took over 60 s"]
