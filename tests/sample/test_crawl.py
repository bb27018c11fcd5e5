import gzip
import io
import zlib

from fastwarc.warc import ArchiveIterator, WarcRecordType

from gptkit.sample import crawl


def test_fastwarc_reads_records_and_their_digests_are_right():
    data = (
        crawl.information("a.warc.gz")
        + crawl.response("https://a.example/ü", "<p>Grüße</p>")
        + crawl.response("https://b.example/", "")
    )
    records = list(ArchiveIterator(io.BytesIO(data), parse_http=False, func_filter=lambda r: r.verify_block_digest()))
    assert [record.record_type for record in records] == [WarcRecordType.warcinfo, *[WarcRecordType.response] * 2]
    bodies = []
    for record in ArchiveIterator(io.BytesIO(data), record_types=WarcRecordType.response):
        assert record.verify_payload_digest()
        assert record.http_headers.status_code == 200
        assert record.http_content_type == "text/html"
        assert record.http_charset == "utf-8"
        bodies.append((record.headers["WARC-Target-URI"], record.reader.read().decode()))
    assert bodies == [("https://a.example/ü", "<p>Grüße</p>"), ("https://b.example/", "")]


def test_every_record_is_a_gzip_member_of_its_own_without_a_time():
    first, second = crawl.response("https://a.example/", "x"), crawl.response("https://b.example/", "x")
    for member in (first, second):
        stream = zlib.decompressobj(31)
        text = stream.decompress(member)
        assert stream.eof
        assert stream.unused_data == b""
        assert member[4:8] == bytes(4)  # RFC 1952: MTIME
        assert text.startswith(b"WARC/1.1\r\n")
        assert text.endswith(b"\r\n\r\n")
    assert gzip.decompress(first) != gzip.decompress(second)
    assert crawl.response("https://a.example/", "x") == first
