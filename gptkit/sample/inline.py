"""Markup within a line, as docstrings and READMEs have it (reStructuredText, Markdown, or both), to HTML."""

import html
import re

# One pass over the text, first match wins; everything between matches is escaped
MARKUP = re.compile(
    r"``(?P<literal>.{1,1000}?)``(?!`)"
    r"|:(?:[\w+-]+:){1,2}`(?P<role>[^`]+)`"
    r"|`(?P<named>[^`<]+?)\s*<(?P<address>[^>\s]+)>`_{0,2}"
    r"|\[`(?P<cross>[^`\]]+)`\](?:\([^)\s]*\))?"  # [`Class`], as Hugging Face writes it
    r"|`(?P<single>[^`]+)`_{0,2}"
    r"|\[(?P<text>[^\[\]\n]*)\]\((?P<target>[^()\s]+)(?: \"[^\"]*\")?\)"
    r"|(?<![\w*])\*\*(?P<strong>[^*\s](?:[^*]*[^*\s])?)\*\*(?![\w*])"
    r"|(?<![\w*])\*(?P<em>[^*\s](?:[^*\n]*[^*\s])?)\*(?![\w*])"
    r"|<(?P<bare>https?://[^>\s]+)>"
    r"|<!--.{0,2000}?-->|</?[a-zA-Z][^<>]{0,300}>"  # HTML in Markdown
    r"|\s?\[#?(?:\d{1,2}|[A-Za-z]+\d*|\*)\]_"  # reference to a footnote
    r"|\|[A-Za-z][\w .-]{0,60}\|",  # substitution, mostly a badge
    re.DOTALL,
)
IMAGE = re.compile(r"!\[[^\]\n]{0,300}\](?:\([^)\s]*(?: \"[^\"]*\")?\)|\[[^\]\n]{0,300}\])")
EMAIL = re.compile(r"\s?<?\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+\b>?")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{7,}\b")
PLACEHOLDER = re.compile(r"^ *(?:%\(\w+\)s|\{\w+\}) *$", re.MULTILINE)  # filled when the module is imported
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Text without control characters, lone surrogates, placeholders, e-mail addresses and memory addresses."""
    text = PLACEHOLDER.sub("", CONTROL.sub("", text.replace("\r\n", "\n").replace("\f", "\n")))
    return ADDRESS.sub("0x...", EMAIL.sub("", text)) if "@" in text or "0x" in text else text


def to_html(text: str) -> str:
    """One paragraph's text as HTML. Only http(s) targets become links."""
    text = IMAGE.sub("", text)  # first, since badges are images within links
    out, position = [], 0
    for match in MARKUP.finditer(text):
        out.append(html.escape(text[position : match.start()], quote=False))
        out.append(_element(match))
        position = match.end()
    out.append(html.escape(text[position:], quote=False))
    return " ".join("".join(out).split())


def _element(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    value = html.escape(match[kind].strip(), quote=False) if kind else ""
    if kind in ("literal", "single", "cross"):
        return f"<code>{value.lstrip('~')}</code>"
    if kind == "role":
        # :func:`~package.name` shows `name`; :ref:`words <label>` shows its words
        words = re.sub(r"\s*&lt;.*&gt;$", "", value, flags=re.DOTALL)
        return f"<code>{words.rsplit('.', 1)[-1] if words.startswith('~') else words.lstrip('!')}</code>"
    if kind in ("strong", "em"):
        return f"<{kind}>{value}</{kind}>"
    if kind == "bare":
        return f'<a href="{html.escape(match["bare"])}">{value}</a>'
    if kind in ("address", "target"):
        label = to_html(match["named"] if kind == "address" else match["text"])
        link = match[kind]
        if not label:
            return ""
        return f'<a href="{html.escape(link)}">{label}</a>' if link.startswith(("http://", "https://")) else label
    return ""


def plain(markup: str) -> str:
    """The words of an HTML fragment made by `to_html`."""
    return html.unescape(re.sub(r"<[^>]+>", "", markup))
