"""The names that the extractor knows: tags and what they do, attributes, and words that tell what an element is for."""

from functools import cache

import numpy as np

from gptkit.kernels.html_syntax import hash_table

# What a tag does
BLOCK = 1  # begins and ends a block of text, and closes an open <p>
VOID = 2  # has no end tag
SILENT = 4  # its text is not read on the page
RAW = 8  # holds no tags: everything up to its end tag
FOREIGN = 16  # SVG and MathML: `/>` closes
LINK = 32
STRONG = 64
PREFORMATTED = 128
CELL = 256
TABLE = 512  # a part of a table's structure
HEADING = 1024
CODE = 2048
EMPHASIS = 4096
BREAKS_OUT = 8192  # ends SVG and MathML that is not closed
INTEGRATES = 16384  # a part of SVG or MathML that holds HTML
SCOPE = 32768  # what is open outside is not ended inside

_BLOCKS = """address article aside blockquote body center details dialog dir div dl dd dt fieldset figcaption figure
    footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup html legend li listing main menu nav noscript ol p pre search section summary ul table caption colgroup tbody thead tfoot tr td th hr"""
_VOIDS = "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
_SILENT = """script style textarea title iframe noembed noframes template svg select datalist object video audio
    canvas applet annotation annotation-xml rt rp rtc map"""
_RAW = "script style textarea title iframe noembed noframes"
_OTHERS = """a b strong i em cite dfn var code kbd samp tt span font small big sup sub button label abbr time q math ruby
    u s strike nobr"""
# The standard's "rules for parsing tokens in foreign content"; <font> does so only with some attributes
_BREAKS_OUT = """b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing
    menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"""
_INTEGRATES = "foreignobject desc title annotation-xml mi mo mn ms mtext"


def _tags() -> dict[str, int]:
    flags: dict[str, int] = {}
    for names, flag in (
        (_OTHERS, 0),
        (_BLOCKS, BLOCK),
        (_VOIDS, VOID),
        (_SILENT, SILENT),
        (_RAW, RAW),
        ("svg math", FOREIGN),
        ("a", LINK),
        ("b strong", STRONG),
        ("i em", EMPHASIS),
        ("code kbd samp tt", CODE),
        ("pre listing", PREFORMATTED),
        ("td th", CELL | TABLE),
        ("table caption colgroup col tbody thead tfoot tr", TABLE),
        ("h1 h2 h3 h4 h5 h6", HEADING),
        (_BREAKS_OUT, BREAKS_OUT),
        (_INTEGRATES, INTEGRATES),
        (f"{_INTEGRATES} applet marquee object select template", SCOPE),
    ):
        for name in names.split():
            flags[name] = flags.get(name, 0) | flag
    return flags


TAG_FLAGS = _tags()
TAG_NAMES = ("", *sorted(TAG_FLAGS))  # a tag's number is its place here; 0 is any other tag
TAG = {name: number for number, name in enumerate(TAG_NAMES)}

ATTRIBUTES = (
    "",
    "class",
    "id",
    "role",
    "itemprop",
    "href",
    "hidden",
    "style",
    "aria-hidden",
    "start",
)
ATTRIBUTE = {name: number for number, name in enumerate(ATTRIBUTES)}

# Words in class, id, role and itemprop, by their beginnings; `$` ends a whole word
WORD_GROUPS = {
    "comment": "comment disqus reply replies respond discussion livefyre komment coment kommentar intensedebate",
    "post": "post$ posts$ postbody message$ messages$ msg$ thread question answer topic$ bbs forum review",
    "article": "article artikel articulo story$ storybody beitrag entry entries hentry newstext blogpost",
    "content": "content contents contenido inhalt contenu",
    "body": "body text$ texte$ textblock richtext wysiwyg prose markdown paragraph absatz copy$ bodytext fliesstext",
    "main": "main$ maincontent maintext primary hauptinhalt",
    "nav": "nav menu menue breadcrumb crumb pagination pager paging tabs tab$ toc$ sitemap skip$ jump",
    "header": "header head$ masthead topbar banner kopf banniere",
    "footer": "footer foot$ bottom colophon copyright impressum legal imprint fuss",
    "sidebar": "sidebar side$ sidecol rail aside widget marginal secondary complementary sidemenu",
    "related": "related more$ moreon recommend similar teaser also$ seealso readmore weiter mehr popular trending "
    "latest recent recirc outbrain taboola suggest upsell crosssell ywidget linklist",
    "share": "share sharing social facebook twitter whatsapp pinterest linkedin addthis follow sociable shariff like$",
    "ad": "ad$ ads$ adv$ advert adsense adslot adbox anzeige sponsor promo werbung banner$ dfp outstream commercial",
    "cookie": "cookie consent gdpr privacy modal popup overlay lightbox cmp$ onetrust dialog alert notice",
    "newsletter": "newsletter subscribe subscription signup abo$ abonn paywall login signin register account",
    "caption": "caption legend bildunterschrift credit credits wpcaption imagecaption copyrightnotice",
    "figure": "figure image img$ photo picture gallery galerie slide carousel slider thumb media video player bild foto",
    "meta": "meta metadata byline author autor auteur date datum time$ timestamp published publish info$ infos$ dateline",
    "tags": "tag$ tags$ tagcloud taglist category categories cat$ cats$ keyword rubrik kategorie label labels",
    "title": "title headline heading titel titre subtitle subhead subline kicker deck dachzeile ueberschrift",
    "summary": "summary excerpt lead lede leadin intro teasertext abstract standfirst vorspann description descr",
    "form": "form$ search suche input button btn$ field control dropdown toolbar tool$ tools$ action print",
    "product": "product price cart shop basket buy sku offer spec specs feature details",
    "list": "list$ listing grid card cards item$ items$ feed stream archive index$ results result",
    "quote": "quote blockquote pullquote zitat citation",
    "table": "table data$ datatable infobox spreadsheet",
    "note": "note notes footnote footnotes reference references references$ bibliography source$ sources$",
    "rating": "rating ratings stars vote votes score poll quiz",
    "biography": "bio$ biography aboutauthor profile avatar vcard user username member signature",
    "hidden": "hidden hide$ invisible sronly screenreader visually noprint printonly offscreen assistive",
}
TAG_GROUPS = {
    "article": "article",
    "main": "main",
    "nav": "nav menu",
    "header": "header hgroup",
    "footer": "footer address",
    "aside": "aside",
    "section": "section",
    "form": "form fieldset button label",
    "list": "ul ol dir",
    "item": "li",
    "definition": "dl dt dd",
    "table": "table",
    "cell": "td th",
    "figure": "figure figcaption caption",
    "quote": "blockquote",
    "code": "pre code listing samp kbd tt",
    "heading": "h1 h2 h3 h4 h5 h6",
    "paragraph": "p",
    "link": "a",
    "emphasis": "b strong i em",
    "details": "details summary dialog",
    "aside-inline": "small sup sub time cite span font",
    "div": "div",
    "noscript": "noscript",
}
HIDDEN, ARIA_HIDDEN = "display none", "aria-hidden"
GROUPS = (*(f"word:{name}" for name in WORD_GROUPS), *(f"<{name}>" for name in TAG_GROUPS), HIDDEN, ARIA_HIDDEN)
BIT = {name: number for number, name in enumerate(GROUPS)}
assert len(GROUPS) <= 64  # bits of an element's mask


@cache
def tag_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Keys and values for `look_up` (name -> number), flags (int64) and group masks (uint64) by number."""
    keys, values = hash_table({name.encode(): TAG[name] for name in TAG_FLAGS})
    flags = np.array([TAG_FLAGS.get(name, 0) for name in TAG_NAMES], np.int64)
    masks = np.zeros(len(TAG_NAMES), np.uint64)
    for group, names in TAG_GROUPS.items():
        for name in names.split():
            masks[TAG[name]] |= np.uint64(1 << BIT[f"<{group}>"])
    return keys, values, flags, masks


@cache
def attribute_tables() -> tuple[np.ndarray, np.ndarray]:
    """Keys and values for `look_up` of the attributes that count."""
    return hash_table({name.encode(): number for name, number in ATTRIBUTE.items() if name})


@cache
def word_trie() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A trie of the groups' words: next states (uint16 [states, 26]; 0 is none, 1 the root), and the groups as bits
    (uint64 [states]) of words that begin so, and of those that are so."""
    steps = [[0] * 26, [0] * 26]
    begins, whole = [0, 0], [0, 0]
    for group, words in WORD_GROUPS.items():
        for word in words.split():
            state = 1
            for letter in word.rstrip("$"):
                index = ord(letter) - 97
                if not steps[state][index]:
                    steps.append([0] * 26)
                    begins.append(0)
                    whole.append(0)
                    steps[state][index] = len(steps) - 1
                state = steps[state][index]
            (whole if word.endswith("$") else begins)[state] |= 1 << BIT[f"word:{group}"]
    return np.array(steps, np.uint16), np.array(begins, np.uint64), np.array(whole, np.uint64)
