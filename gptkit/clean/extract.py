"""From the bytes of a page to its main text (resiliparse)."""

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding


def decode(page: bytes, charset: str | None) -> str:
    """The characters of a page: UTF-8 where it is valid, else what the header, the page or its bytes say."""
    try:
        return page.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    encoding = charset or detect_encoding(page, from_html_meta=True) or "utf-8"
    try:
        return bytes_to_str(page, encoding, errors="replace")
    except LookupError:  # the header names an encoding that does not exist
        return bytes_to_str(page, detect_encoding(page, from_html_meta=True) or "utf-8", errors="replace")


def extract(page: bytes, charset: str | None) -> str:
    """The main text of a page, paragraphs and list items on lines of their own; empty where there is none."""
    html = decode(page, charset)
    text = extract_plain_text(html, main_content=True, alt_texts=False, list_bullets=False, preserve_formatting=True)
    return str(text).strip()
