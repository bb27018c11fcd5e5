"""From bytes of unknown encoding to UTF-8.

The order is that of browsers (https://encoding.spec.whatwg.org, and "determining the character encoding" in the HTML
standard), but for two things: valid UTF-8 is UTF-8 whatever was declared, because a wrong declaration is far commoner
than such an accident, and a declaration that makes of the bytes what nobody writes gives way to detection.
"""

import codecs
import re
from itertools import islice

import numpy as np
import pyarrow as pa
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

HEAD_BYTES = 16_384  # where a page may declare its encoding; browsers look at 1,024, but scripts often come first
MOSTLY = 10  # so many right characters to a broken one make UTF-8
STRANGE = 0.05  # the share of the characters outside ASCII above which a declaration is doubted
RUNS = 5_000  # of characters outside ASCII that are looked at for it

COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
BODY = re.compile(rb"<body\b", re.IGNORECASE)
META = re.compile(rb"<meta\b[^<>]*?\bcharset\s*=[\s\"']*([^\s\"'<>;]+)", re.IGNORECASE)
XML = re.compile(rb"\s*<\?xml\b[^<>]*?\bencoding\s*=\s*[\"']([^\s\"'<>]+)", re.IGNORECASE)
JAPANESE = re.compile(rb"\x1b(?:\$[@B]|\([IJ])")  # the escapes of ISO-2022-JP, all of whose bytes are ASCII

# Python's codec for an encoding, where resiliparse names a narrower one than WHATWG's, or none
CODECS = {
    "big5": "cp950",
    "euc_kr": "cp949",
    "gbk": "gb18030",
    "iso2022_jp": "iso2022_jp_ext",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
}
UNKNOWN = {"windows-1258": "cp1258", "x-mac-cyrillic": "mac_cyrillic", "x-user-defined": "cp1252"}
# The detector's names that are no labels of the web's, or miss the quotation marks that pages have
DETECTED = {"cp949": "cp949", "uhc": "cp949", "iso8859-13": "cp1257"}

ACCENTED = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
ALPHABETS = "\u0386-\u03ff\u0400-\u052f\u05d0-\u05ea\u0620-\u064a\u0e01-\u0e30"
OUTSIDE = re.compile("[^\x00-\x7f]+")
ODD = re.compile(
    "[\x80-\x9f\ufffd\ue000-\uf8ff]"  # undefined or private
    f"|[A-Za-z{ACCENTED}][{ALPHABETS}]|[{ALPHABETS}][A-Za-z{ACCENTED}\u2500-\u259f]"  # scripts mixed in a word
    "|[\u0430-\u045f][\u0400-\u042f]|[\u0400-\u042f]{4,}|[\u03b1-\u03c9][\u0391-\u03a9]"  # KOI8-R as windows-1251
    f"|[{ACCENTED}]{{3,}}|[\xa1-\u02dd]{{4,}}"  # another script as a Latin one
    f"|[A-Za-z{ACCENTED}][\xa1-\xa9\xab\xac\xae-\xb6\xb8\xb9\xbb-\xbf\xd7\xf7](?=[A-Za-z{ACCENTED}])"
    "|[a-z][\u3400-\ud7a3](?=[a-z])"  # a sign or an ideograph within a word
)


def decode(data: bytes, charset: str | None = None, html: bool = True) -> str:
    """The characters of a page or text; see `as_utf8`."""
    return as_utf8(data, charset, html).decode()


def as_utf8(data: bytes, charset: str | None = None, html: bool = True) -> bytes:
    """A page or text as valid UTF-8, without a byte order mark and without NULs (HTML parsers drop them too).

    `charset` is what the server declared; where `html` is true, the page's <meta> and XML declaration count as well.
    Bytes that stand for no character become U+FFFD. Nothing is raised.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _clean(data.decode("utf-16", "replace"))
    if b"\0" in data and (codec := _utf16(data)):
        return _clean(data.decode(codec, "replace"))
    if is_utf8(data):
        if b"\x1b" in data and JAPANESE.search(data) and data.isascii():
            return _clean(_text(data, "iso2022_jp_ext"))
        return data.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"")
    text = data.decode("utf-8-sig", "replace")
    return _clean(text if _mostly_right(data, text) else _declared_or_detected(data, charset, html))


def is_utf8(data: bytes) -> bool:
    """Whether bytes are valid UTF-8; in a third of the time of decoding them."""
    ends = np.array([0, len(data)], np.int64)
    try:
        pa.LargeStringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _clean(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-8", "replace")  # "replace" is for lone surrogates


def _utf16(data: bytes) -> str | None:
    """UTF-16 without a mark has the NULs of its ASCII all in even or all in odd places."""
    units = np.frombuffer(data, np.uint8, len(data) // 2 * 2).reshape(-1, 2) == 0
    even, odd = np.count_nonzero(units, axis=0).tolist()
    if max(even, odd) * 5 < len(units) or min(even, odd) * 10 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _mostly_right(data: bytes, text: str) -> bool:
    """Whether invalid UTF-8 is UTF-8 with a few broken characters, or cut within its last one."""
    broken = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", "ignore")) - broken >= MOSTLY * broken:
        return True
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return len(data) - error.start > 1 or not data[: error.start].isascii()
    return False


def _declared_or_detected(data: bytes, charset: str | None, html: bool) -> str:
    """The first declaration that does not turn out strange; the detector decides between two, and where none is left."""
    labels = [charset or "", *(_labels(data[:HEAD_BYTES]) if html else [])]
    if b"\0" not in data:  # then it is not UTF-16, whatever it says
        labels = ["utf-8" if re.match(r"\s*utf-16", label, re.IGNORECASE) else label for label in labels]
    names = list(dict.fromkeys(codec for label in labels if (codec := codec_of(label))))
    if len(names) == 1 and _strangeness(text := _text(data, names[0])) <= STRANGE:
        return text
    label = detect_encoding(data, from_html_meta=False, html5_compatible=False) or ""
    found = DETECTED.get(label) or codec_of(label) or "cp1252"
    names = [found, *names] if found in names else [*names, found]
    texts = [_text(data, name) for name in dict.fromkeys(names)]
    strangeness = [_strangeness(text) for text in texts]
    least = min(range(len(texts)), key=lambda place: max(STRANGE, strangeness[place]))
    return texts[least]


def _labels(head: bytes) -> list[str]:
    """The encodings that a page declares."""
    declared = [match[1] for match in [XML.match(head)] if match]
    head = COMMENT.sub(b"", head)
    body = BODY.search(head)
    declared[:0] = META.findall(head[: body.start()] if body else head)
    return [label.decode("latin-1") for label in declared]


def codec_of(label: str) -> str | None:
    """Python's codec for a label of the web's; None where it is unknown."""
    label = label.strip().lower()
    if not label.isascii():
        return None
    name = UNKNOWN.get(label) or map_encoding_to_html5(label, fallback_utf8=False)
    return CODECS.get(name, name) if name else None


def _text(data: bytes, codec: str) -> str:
    return data.decode(codec, SECOND.get(codec, "replace"))


def _strangeness(text: str) -> float:
    """The share of the characters outside ASCII that come of a wrong encoding, by themselves or by their neighbours."""
    runs = [text[max(0, run.start() - 1) : run.end() + 1] for run in islice(OUTSIDE.finditer(text), RUNS)]
    near = "\n".join(runs)
    outside = len(near) - len(near.encode("ascii", "ignore"))
    return sum(map(len, ODD.findall(near))) / max(1, outside)


def _from_cp932(error: UnicodeError) -> tuple[str | bytes, int]:
    """Circled digits and the like, which the web's EUC-JP and ISO-2022-JP have and Python's only in Shift-JIS."""
    assert isinstance(error, UnicodeDecodeError)
    pair = error.object[error.start : error.start + 2]
    row, cell = (byte & 0x7F for byte in pair.ljust(2, b"\0"))
    if min(row, cell) < 0x21 or (pair[0] ^ pair[1]) & 0x80:
        return codecs.replace_errors(error)
    lead = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)
    trail = cell + (0x1F + (cell >= 0x60) if row % 2 else 0x7E)
    return _second(bytes([lead, trail]), "cp932", error)


def _from_hong_kong(error: UnicodeError) -> tuple[str | bytes, int]:
    """The characters that Hong Kong added to Big5."""
    assert isinstance(error, UnicodeDecodeError)
    return _second(error.object[error.start : error.start + 2], "big5hkscs", error)


def _second(pair: bytes, codec: str, error: UnicodeDecodeError) -> tuple[str | bytes, int]:
    try:
        return pair.decode(codec), error.start + len(pair)
    except UnicodeDecodeError:
        return codecs.replace_errors(error)


codecs.register_error("gptkit.cp932", _from_cp932)
codecs.register_error("gptkit.hong_kong", _from_hong_kong)
SECOND = {"cp950": "gptkit.hong_kong", "euc_jp": "gptkit.cp932", "iso2022_jp_ext": "gptkit.cp932"}
