"""`gptkit extract`: text on standard output, talk on standard error, mistakes in one line."""

import gzip
import io
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import zstandard

from gptkit.cli import main
from gptkit.data.page import PAGE_BYTES
from gptkit.extraction.page import read_page
from gptkit.kernels import jit

SENTENCE = "It is said that the river has to be crossed with care, and that few of those who have tried it came back. "
PAGE = f"""<html><head><title>The river</title></head><body><nav><ul><li><a href=/>Home</a></ul></nav>
<article><h1>The river</h1><p>{SENTENCE * 3}</p><p>See <b>also</b> <a href="further">this</a>. {SENTENCE}</p></article>
<footer><a href=/terms>Terms</a></footer></body></html>"""
TEXT = f"The river\n\n{(SENTENCE * 3).strip()}\n\nSee also this. {SENTENCE.strip()}\n"


def extract(capfd, monkeypatch, *arguments, stdin=None):
    """Exit code, standard output and the lines of standard error."""
    monkeypatch.setattr(sys, "argv", ["gptkit", "extract", *map(str, arguments)])
    if stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    with pytest.raises(SystemExit) as left:
        main.main()
    out, err = capfd.readouterr()
    return left.value.code or 0, out, err.splitlines()


@pytest.fixture
def run(capfd, monkeypatch):
    return lambda *arguments, stdin=None: extract(capfd, monkeypatch, *arguments, stdin=stdin)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """What says nothing of compiling, as it would in a new environment."""
    read_page(b"<p>A <a href=b>link")


def record(url, html, kind="text/html"):
    body = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(html)}\r\n\r\n".encode() + html
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
    head += "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


@pytest.fixture
def warc(tmp_path):
    other = f"<title>Реки</title><p>{'Это русский текст о реке и о людях, которые её переходят. ' * 5}".encode("cp1251")
    pages = [
        record("http://x.org/a", PAGE.encode()),
        record("http://x.org/b.png", b"no", "image/png"),
        record("http://x.org/c", other, "text/html; charset=windows-1251"),
    ]
    path = tmp_path / "crawl.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, pages)))
    return path


def test_text_and_nothing_else_is_on_standard_output(run, page):
    code, out, err = run(page)
    assert (code, out) == (0, TEXT)
    assert len(err) == 1
    assert err[0].startswith("The river: ")
    assert "3 of 5 blocks, of probability 0." in err[0]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("page.html.gz", gzip.compress),
        ("page.html.zst", zstandard.compress),
        ("page.php", bytes),
        ("page", gzip.compress),
        ("page.txt", bytes),
    ],
)
def test_files_of_any_name_packed_or_not(run, tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(PAGE.encode()))
    assert run(tmp_path / name)[:2] == (0, TEXT)


def test_standard_input(run):
    assert run("-", stdin=PAGE.encode())[:2] == (0, TEXT)
    assert run("-", stdin=gzip.compress(PAGE.encode()))[:2] == (0, TEXT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe(run, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for content, code in ((PAGE.encode(), 0), (gzip.compress(PAGE.encode()), 0), (b"x" * (PAGE_BYTES + 1), 1)):
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        found, out, err = run(pipe)
        writer.join()
        assert (found, out) == (code, "" if code else TEXT)
    assert "a document of over" in err[0]


def test_compiling_is_said(run, page, monkeypatch):
    """In the first run, which is when there is something to compile."""
    monkeypatch.setattr(jit, "compile_kernels", lambda say, warm_up, name: (warm_up(), say(f"compiled for {name}")))
    assert run(page)[2][0] == "compiled for extract-fast"
    assert run(page, "--extractor", "resiliparse")[2][0] == "compiled for extract-facts"


def test_a_page_of_a_warc_file(run, warc):
    assert run(warc)[1] == TEXT
    assert run(warc, "--url", "http://x.org/a")[1] == TEXT
    code, out, err = run(warc, "--index", 1)  # the image is no page
    assert code == 0
    assert out.startswith("Это русский текст")
    assert err[0].startswith("Реки: ")
    assert run(warc, "--url", "http://x.org/c")[1] == out


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        pages = {
            "/page": ("text/html", PAGE.encode()),
            "/packed": ("text/html", gzip.compress(PAGE.encode())),
            "/koi": ("text/html; charset=koi8-r", ("<p>" + "Это текст о реке и о людях. " * 8).encode("koi8-r")),
            "/image": ("image/png", b"\x89PNG"),
            "/empty": ("text/html", b""),
        }
        self.path = self.path.partition("?")[0]
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/page")
            self.end_headers()
        elif self.path in pages:
            kind, body = pages[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            if self.path == "/packed":
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404 if self.path == "/missing" else 500)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses(run, site):
    assert run(f"{site}/page")[:2] == (0, TEXT)
    assert run(f"{site}/packed")[:2] == (0, TEXT)
    assert run(f"{site}/koi")[1].startswith("Это текст о реке")
    code, out, _ = run(f"{site}/moved", "--format", "markdown")
    assert code == 0
    assert f"See **also** [this]({site}/further)." in out  # where it came from in the end


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/missing", "no such file there"),
        ("/broken", "cannot be reached"),
        ("/image", "is image/png"),
        ("/empty", "is empty"),
    ],
)
def test_addresses_that_have_no_page(run, site, path, part):
    code, out, err = run(f"{site}{path}?key=secret")
    assert (code, out, len(err)) == (1, "", 1)
    assert part in err[0]
    assert "secret" not in err[0]


def test_markdown(run, page):
    out = run(page, "--format", "markdown", "--url", "https://example.org/river/")[1]
    assert out.startswith("# The river\n\nIt is said")
    assert "See **also** [this](https://example.org/river/further). It" in out


def test_blocks(run, page):
    code, out, err = run(page, "--blocks")
    lines = out.splitlines()[1:]
    assert code == 0
    assert [line[0] for line in lines] == ["-", "+", "+", "+", "-"]
    assert "h1" in lines[1]
    assert "The river" in lines[1]
    assert "…" in lines[2]
    assert all(len(line) <= 190 for line in lines)
    assert len(err) == 1


@pytest.mark.parametrize("extractor", ["fast", "resiliparse"])
def test_json_and_view_hold_no_keys(run, page, extractor):
    url = "https://me:pass@example.org/a?token=secret"
    code, out, err = run(page, "--url", url, "--extractor", extractor, "--json")
    assert code == 0
    assert json.loads(out)["url"] == "https://example.org/a"
    assert "html_language" in json.loads(out)
    page.write_text(PAGE.replace("<title>The river</title>", ""), encoding="utf-8")
    view = run(page, "--url", url, "--html")[1]
    markdown = run(page, "--url", url, "--format", "markdown")[1]
    assert "See **also** this." in markdown
    for shown in (out, view, markdown, *err):
        assert "secret" not in shown
        assert "pass@" not in shown


def test_json(run, page):
    code, out, _ = run(page, "--json", "--blocks", "--url", "https://example.org/")
    found = json.loads(out)
    assert code == 0
    assert (found["title"], found["url"], found["truncated"]) == ("The river", "https://example.org/", None)
    assert found["text"] == TEXT.strip()
    assert found["counts"]["blocks"] == len(found["blocks"]) == 5
    assert [block["kept"] for block in found["blocks"]] == [False, True, True, True, False]
    assert set(found["blocks"][0]["reasons"][0]) == {"feature", "value", "weight"}
    assert "blocks" not in json.loads(run(page, "--json")[1])
    assert json.loads(run(page, "--json", "--format", "markdown")[1])["text"].startswith("# The river")


def test_the_view_goes_to_standard_output_or_a_file(run, page, tmp_path):
    out = run(page, "--html")[1]
    assert out.startswith("<!DOCTYPE html>")
    code, nothing, _ = run(page, "--html", "-o", tmp_path / "view.html")
    assert (code, nothing) == (0, "")
    assert (tmp_path / "view.html").read_text(encoding="utf-8") == out


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_other_extractors(run, page, extractor):
    if extractor == "trafilatura":
        pytest.importorskip("trafilatura")
    code, out, err = run(page, "--extractor", extractor)
    assert code == 0
    assert SENTENCE.strip() in out
    assert err[0].startswith("The river: ")
    found = json.loads(run(page, "--extractor", extractor, "--json")[1])
    assert (found["extractor"], found["text"]) == (extractor, out.strip())


def test_a_charset_that_is_given_counts(run, tmp_path):
    text = "Это текст о реке и о людях, которые её переходят. " * 4
    (tmp_path / "page.html").write_bytes(f"<p>{text}".encode("koi8-r"))
    assert run(tmp_path / "page.html", "--charset", "koi8-r")[1] == text.strip() + "\n"


def test_an_own_model(run, page, tmp_path):
    from gptkit.extraction.model import own_model

    own_model().save(tmp_path / "model.npz")
    assert run(page, "--model", tmp_path / "model.npz")[:2] == (0, TEXT)


def test_what_rules_a_terminal_is_not_said(run, tmp_path):
    (tmp_path / "page.html").write_text(f"<title>a\x1b]0;x\x07[red]b\u202e</title><p>[bold]\x1b[31m{SENTENCE * 3}")
    for options in ([], ["--blocks"]):
        _, out, err = run(tmp_path / "page.html", *options)
        assert "\x1b" not in out + err[0]
        assert "[bold]" in out
        assert "[red]" in err[0]
        assert "\u202e" not in err[0]


@pytest.mark.parametrize("html", [b"\x89PNG\r\n\x1a\n\0\0\0", b"<script>alert(1)</script>", b"   "])
def test_pages_without_text(run, tmp_path, html):
    (tmp_path / "page.html").write_bytes(html)
    code, out, err = run(tmp_path / "page.html")
    assert code == 0
    assert "alert" not in out
    assert len(err) == 1
    assert run(tmp_path / "page.html", "--blocks", "--json")[0] == 0


def test_a_page_that_is_cut_off_is_named(run, tmp_path):
    (tmp_path / "page.html").write_text(f"<p>{SENTENCE}" + "<p>x" * 25_000)
    assert "WARNING: beyond the limit of blocks, what is behind is left out" in run(tmp_path / "page.html")[2][0]
    found = json.loads(run(tmp_path / "page.html", "--json")[1])
    assert (found["truncated"], found["counts"]["blocks"]) == ("blocks", 20_000)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["missing.html"], 1, "missing.html: no such file"),
        (["folder"], 1, "folder: is a folder"),
        (["empty.html"], 1, "is empty"),
        (["texts.jsonl"], 1, "holds texts, no pages"),
        (["crawl.wat.gz"], 1, "holds metadata only"),
        (["renamed.html"], 1, "is a WARC file"),
        (["cut.html.gz"], 1, "the file ends inside its gzip data"),
        (["empty.warc"], 1, "has 0 pages"),
        (["crawl.warc.gz", "--index", "9"], 1, "has 2 pages; --index starts at 0"),
        (["crawl.warc.gz", "--url", "http://x.org/z"], 1, "none of its 2 pages has the url http://x.org/z"),
        (["crawl.warc.gz", "--url", "a", "--index", "0"], 2, "both pick a page"),
        (["page.html", "--index", "0"], 2, "--index names a page of a WARC file"),
        (["page.html", "--html", "--json"], 2, "--html cannot be had together with --json"),
        (["page.html", "--html", "--blocks"], 2, "--html cannot be had together with --blocks"),
        (["page.html", "--extractor", "resiliparse", "--blocks"], 2, "--blocks is of the fast extractor's blocks"),
        (["page.html", "--extractor", "trafilatura", "--format", "markdown"], 2, "--format markdown is of"),
        (["page.html", "--extractor", "trafilatura", "--html"], 2, "--html is of"),
        (["page.html", "--extractor", "trafilatura", "--model", "x"], 2, "--model is of"),
        (["page.html", "--extractor", "resiliparse", "--favor", "recall"], 2, "--favor means nothing to resiliparse"),
        (["page.html", "--blocks", "--format", "markdown"], 2, "--format markdown means nothing to --blocks"),
        (["page.html", "--html", "--format", "markdown"], 2, "--format markdown means nothing to --html"),
        (["page.html", "--charset", "nonsense"], 2, "--charset 'nonsense': no encoding"),
        (["page.html", "--charset", "\udcff"], 2, r"--charset '\udcff': no encoding"),
        (["page.html", "--favor", "much"], 2, "'much'"),
        (["page.html", "--model", "page.html"], 1, "page.html: is no model of extraction"),
        (["-"], 1, "-: is empty"),
        (["http://127.0.0.1:9/x?key=secret"], 1, "http://127.0.0.1:9/x: cannot be reached"),
    ],
)
def test_mistakes_are_one_line(run, monkeypatch, page, warc, tmp_path, arguments, code, part):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.html").touch()
    (tmp_path / "texts.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "crawl.wat.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "renamed.html").write_bytes(gzip.decompress(warc.read_bytes()))
    (tmp_path / "cut.html.gz").write_bytes(gzip.compress(PAGE.encode())[:-20])
    (tmp_path / "empty.warc").write_bytes(record("http://x.org/b.png", b"no", "image/png"))
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*arguments, stdin=b"" if arguments == ["-"] else None)
    assert (found, out) == (code, "")
    assert len(err) == 1
    assert err[0].startswith("gptkit: ")
    assert part in err[0]
    assert "secret" not in err[0]
