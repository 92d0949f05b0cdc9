"""HTML: the main content where one can be told from menus, else all that is visible."""

import re
from pathlib import Path
from typing import Any, Final

from lxml import etree
from lxml import html as lxml_html

from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.encoding import SAMPLE, decode
from adapters.parsing.failures import no_text
from adapters.parsing.html_article import article_text, content
from adapters.parsing.html_blocks import visible_pieces
from adapters.parsing.limits import Limits
from domain.passages import ParsedDocument

_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
MAX_ARTICLE: Final = 5_000_000  # characters of source that the article finder, which is slow, is asked about


def read(path: Path, limits: Limits) -> ParsedDocument:
    """Headings, paragraphs, lists, tables and code, with the title and the language the page gives itself."""
    data = path.read_bytes()
    source = _DECLARATION.sub("", decode(data, declared_encoding(data)).replace("\0", "\ufffd"), count=1)
    root = _tree(source)
    pieces = visible_pieces(root)
    if len(source) <= MAX_ARTICLE:
        pieces = content(pieces, article_text(source))
    builder = DocumentBuilder(limits)
    for piece in pieces:
        builder.add(piece.kind, piece.text, level=piece.level)
    return builder.finish(
        title=_title(root), language=root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")
    )


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


def _tree(source: str) -> Any:
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = lxml_html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise no_text("The page holds no text.") from error
    return root


def _title(root: Any) -> str | None:
    found = root.find(".//head/title")
    if found is None:
        found = root.find(".//title")
    return one_line(found.text_content()) if found is not None else None
