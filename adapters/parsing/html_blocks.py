"""Blocks of text out of an HTML tree: all that a browser would show."""

import re
from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from adapters.parsing.building import one_line
from domain.passages import BlockKind

_UNSEEN_TAGS: Final = """
    script style template noscript head meta link svg math canvas iframe object embed select datalist input button
    textarea audio video map
"""
_INLINE_TAGS: Final = """
    a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark nobr q rp rt ruby s samp small
    span strike strong sub sup time tt u var wbr
"""
_UNSEEN: Final = frozenset(_UNSEEN_TAGS.split())
_INLINE: Final = frozenset(_INLINE_TAGS.split())
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_ITEMS: Final = frozenset(("li", "dt", "dd"))
_AROUND: Final = frozenset(("nav", "aside", "footer", "form", "dialog"))
_LINK_SHARE: Final = 0.5  # of a block's characters, above which it leads elsewhere
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MAX_DEPTH: Final = 400
_MAX_CELL_PARAGRAPHS: Final = 3  # of a table of facts


@frozen
class Piece:
    """A block before it has a place."""

    kind: BlockKind
    text: str
    level: int = 0
    is_around: bool = False  # in a menu, a margin or a footer, or mostly links


def visible_pieces(root: Any) -> list[Piece]:
    """All text that a browser would show, menus included."""
    walk = _Walk()
    body = root.find("body") if root.tag == "html" else root
    walk.element(body if body is not None else root, BlockKind.PARAGRAPH, 0)
    walk.flush()
    return walk.pieces


class _Walk:
    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._parts: list[str] = []
        self._kind = BlockKind.PARAGRAPH
        self._level = 0
        self._linked = 0  # characters of the block under way that are links
        self._around = 0  # how deep in menus and margins

    def flush(self, kind: BlockKind = BlockKind.PARAGRAPH, level: int = 0) -> None:
        """Close the block under way; what follows is of `kind`."""
        text = "".join(self._parts)
        text = text if self._kind is BlockKind.CODE else "\n".join(one_line(line) for line in text.split("\0")).strip()
        if text and not text.isspace():
            around = self._around > 0 or self._linked > _LINK_SHARE * len(text)
            self.pieces.append(Piece(self._kind, text, self._level, around))
        self._parts.clear()
        self._linked = 0
        self._kind, self._level = kind, level

    def element(self, element: Any, kind: BlockKind, depth: int) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in _UNSEEN or depth > _MAX_DEPTH or _hidden(element):
            return
        if tag == "table" and _is_data(element):
            self._table(element)
        elif tag == "br":
            self._parts.append("\n" if self._kind is BlockKind.CODE else "\0")
        elif tag in _INLINE:
            before = len(self._parts)
            self._parts.append(element.text or "")
            self._children(element, kind, depth)
            if tag == "a":
                self._linked += sum(len(part) for part in self._parts[before:])
        else:
            own, level = _kind(tag, kind)
            self.flush(own, level)
            self._around += tag in _AROUND
            self._parts.append(element.text or "")
            self._children(element, own if own is not BlockKind.HEADING else kind, depth)
            self.flush(kind, 0)
            self._around -= tag in _AROUND

    def _children(self, element: Any, kind: BlockKind, depth: int) -> None:
        for child in element:
            self.element(child, kind, depth + 1)
            self._parts.append(child.tail or "")

    def _table(self, table: Any) -> None:
        self.flush()
        first = True
        for row in table.iter("tr"):
            cells = [cell for cell in row if cell.tag in {"td", "th"}]
            texts = [one_line(" ".join(_texts(cell))) for cell in cells]
            if any(texts):
                names = first and len(cells) > 1 and all(cell.tag == "th" for cell in cells)
                self.pieces.append(Piece(BlockKind.TABLE_HEADER if names else BlockKind.TABLE_ROW, " | ".join(texts)))
                first = False


def _kind(tag: str, outer: BlockKind) -> tuple[BlockKind, int]:
    if tag in _HEADINGS:
        return BlockKind.HEADING, _HEADINGS[tag]
    if tag == "pre":
        return BlockKind.CODE, 0
    if tag in _ITEMS:
        return BlockKind.LIST_ITEM, 0
    return outer if outer in {BlockKind.LIST_ITEM, BlockKind.CODE} else BlockKind.PARAGRAPH, 0


def _hidden(element: Any) -> bool:
    return element.get("hidden") is not None or _HIDDEN.search(element.get("style") or "") is not None


def _is_data(table: Any) -> bool:
    """Whether it is a table of facts, not the layout of a page of old."""
    return table.find(".//table") is None and not any(
        cell.find(".//h1") is not None or sum(1 for _ in cell.iter("p")) > _MAX_CELL_PARAGRAPHS
        for cell in table.iter("td")
    )


def _texts(element: Any) -> Iterator[str]:
    if isinstance(element.tag, str) and element.tag not in _UNSEEN:
        yield element.text or ""
        for child in element:
            yield from _texts(child)
            yield child.tail or ""
