"""HTML: the main content where one can be told from menus, else all that is visible."""

import re
from collections.abc import Sequence
from typing import Any, Final

from lxml import etree
from lxml import html as lxml_html

from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.encoding import SAMPLE, decode
from adapters.parsing.failures import no_text
from adapters.parsing.html_article import article_text, content
from adapters.parsing.html_blocks import Piece, visible_pieces
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
MAX_ARTICLE: Final = 5_000_000  # characters of source that the article finder, which is slow, is asked about


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Headings, paragraphs, lists, tables and code, with the title and the language the page gives itself."""
    data = source.read()
    page = decode(data, declared_encoding(data))
    root = tree(page)
    pieces = visible_pieces(root)
    if len(page) <= MAX_ARTICLE:
        pieces = content(pieces, article_text(_DECLARATION.sub("", page.replace("\0", "\ufffd"), count=1)))
    builder = DocumentBuilder(limits)
    add_pieces(builder, pieces)
    return builder.finish(
        title=title_of(root), language=root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")
    )


def add_pieces(builder: DocumentBuilder, pieces: Sequence[Piece], *, below: int = 0) -> None:
    """Write blocks of HTML into a document, headings `below` levels deeper."""
    for piece in pieces:
        builder.add(piece.kind, piece.text, level=piece.level + below if piece.kind is BlockKind.HEADING else 0)


def declared_encoding(data: bytes) -> str | None:
    """What the page's own `meta` says, as browsers read it: Latin-1 means Windows-1252."""
    match = _CHARSET.search(data[: SAMPLE // 32])
    if match is None:
        return None
    name = match.group(1).decode("ascii", "ignore").lower()
    return {
        "iso-8859-1": "cp1252",
        "latin-1": "cp1252",
        "us-ascii": "cp1252",
        "gb2312": "gb18030",
        "gbk": "gb18030",
    }.get(name, name)


def tree(source: str) -> Any:
    """The root of a page's elements, however broken; `no_text_found` where there are none."""
    source = _DECLARATION.sub("", source.replace("\0", "\ufffd"), count=1)
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = lxml_html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise no_text("The page holds no text.") from error
    return root


def title_of(root: Any) -> str | None:
    """What the page calls itself."""
    found = root.find(".//head/title")
    if found is None:
        found = root.find(".//title")
    return one_line(found.text_content()) if found is not None else None
