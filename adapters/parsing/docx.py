"""Word documents (Office Open XML), read from their XML directly.

Only the parts with text are unpacked, so pictures and embedded files cost nothing and macros are never looked at.
"""

import posixpath
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from adapters.parsing.archives import Container
from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.failures import corrupt
from adapters.parsing.limits import Limits
from adapters.parsing.ooxml import attribute, child, descend, local, main_part, properties
from adapters.parsing.source import Source
from adapters.parsing.xml import Element, parse_xml
from domain.passages import BlockKind, ParsedDocument

_WHAT: Final = "Word document"
_MAX_STYLE_DEPTH: Final = 20
_MAX_LEVEL: Final = 9
_BREAKS: Final = {"br": "\n", "cr": "\n", "tab": "\t", "noBreakHyphen": "-", "ptab": "\t"}
_UNSEEN: Final = {
    "del",
    "moveFrom",
    "instrText",
    "delText",
    "pPr",
    "rPr",
    "sectPr",
    "tcPr",
    "trPr",
    "sdtPr",
    "Fallback",
}  # a fallback repeats its `Choice` for older programs


@frozen
class _Style:
    name: str
    based_on: str | None
    level: int | None  # of the outline, from 1
    is_list: bool


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Headings by style, lists, table rows as "cell | cell", footnotes and text boxes after their paragraph.

    Headers and footers are left out; deleted text of tracked changes too.
    """
    with Container(source, limits, what=_WHAT) as container:
        main = main_part(container, what=_WHAT) or "word/document.xml"
        body = container.read(main)
        if body is None:
            raise corrupt(_WHAT)
        folder = posixpath.dirname(main)
        walk = _Walk(
            DocumentBuilder(limits),
            styles=_styles(container.read(posixpath.join(folder, "styles.xml"))),
            notes={
                kind: _notes(container.read(posixpath.join(folder, f"{kind}s.xml"))) for kind in ("footnote", "endnote")
            },
        )
        title, language = properties(container, what=_WHAT)
        walk.blocks(parse_xml(body, what=_WHAT))
        return walk.builder.finish(title=title or walk.title, language=language)


def _styles(data: bytes | None) -> dict[str, _Style]:
    styles: dict[str, _Style] = {}
    if data is None:
        return styles
    for element in parse_xml(data, what=_WHAT):
        identifier = attribute(element, "styleId")
        if local(element) == "style" and identifier is not None:
            properties = child(element, "pPr")
            styles[identifier] = _Style(
                name=(attribute(child(element, "name")) or "").lower(),
                based_on=attribute(child(element, "basedOn")),
                level=_outline(properties),
                is_list=child(properties, "numPr") is not None,
            )
    return styles


def _outline(properties: Element | None) -> int | None:
    value = attribute(child(properties, "outlineLvl"))
    if value is None or not value.isdecimal() or int(value) >= _MAX_LEVEL:
        return None
    return int(value) + 1


def _notes(data: bytes | None) -> dict[str, Element]:
    if data is None:
        return {}
    return {
        attribute(note, "id") or "": note for note in parse_xml(data, what=_WHAT) if attribute(note, "type") is None
    }


class _Walk:
    def __init__(
        self, builder: DocumentBuilder, *, styles: dict[str, _Style], notes: dict[str, dict[str, Element]]
    ) -> None:
        self.builder = builder
        self.title: str | None = None
        self._styles = styles
        self._notes = notes
        self._later: list[Element] = []  # notes and text boxes met inside a paragraph

    def blocks(self, parent: Element) -> None:
        for element in parent:
            match local(element):
                case "p":
                    self._paragraph(element)
                case "tbl":
                    self._table(element)
                case name if name in _UNSEEN:
                    pass
                case _:
                    self.blocks(element)

    def _paragraph(self, element: Element) -> None:
        text = "".join(self._text(element))
        kind, level = self._kind(child(element, "pPr"))
        if kind is BlockKind.HEADING:
            text = one_line(text)
            self.title = self.title or text
        self.builder.add(kind, text, level=level)
        self._flush()

    def _flush(self) -> None:
        later, self._later = self._later, []
        for element in later:
            self.blocks(element)

    def _kind(self, properties: Element | None) -> tuple[BlockKind, int]:
        level = _outline(properties)
        listed = child(properties, "numPr") is not None
        identifier = attribute(child(properties, "pStyle"))
        for _ in range(_MAX_STYLE_DEPTH):
            style = self._styles.get(identifier or "")
            if style is None:
                break
            if level is None:
                level = 1 if style.name == "title" else style.level or _level_of_name(style.name)
            listed = listed or style.is_list or style.name.startswith("list ")
            identifier = style.based_on
        if level is not None:
            return BlockKind.HEADING, level
        return (BlockKind.LIST_ITEM if listed else BlockKind.PARAGRAPH), 0

    def _table(self, table: Element) -> None:
        rows = list(descend(table, "tr"))
        marked = bool(rows) and child(child(rows[0], "trPr"), "tblHeader") is not None
        self.builder.table(
            ([" ".join(self._cell(cell)) for cell in descend(row, "tc")] for row in rows), header=marked or None
        )
        self._flush()

    def _cell(self, cell: Element) -> Iterator[str]:
        for element in cell:
            match local(element):
                case "p":
                    yield "".join(self._text(element))
                case name if name in _UNSEEN:
                    pass
                case _:
                    yield from self._cell(element)

    def _text(self, parent: Element) -> Iterator[str]:
        for element in parent:
            match local(element):
                case "t":
                    yield element.text or ""
                case "footnoteReference" | "endnoteReference":
                    self._note(element)
                case "txbxContent":
                    self._later.append(element)
                case name if name in _BREAKS:
                    yield _BREAKS[name]
                case name if name not in _UNSEEN:
                    yield from self._text(element)

    def _note(self, reference: Element) -> None:
        kind = local(reference).removesuffix("Reference")
        note = self._notes[kind].pop(attribute(reference, "id") or "", None)
        if note is not None:
            self._later.append(note)


def _level_of_name(name: str) -> int | None:
    number = name.removeprefix("heading ")
    return int(number) if number != name and number.isdecimal() and 1 <= int(number) <= _MAX_LEVEL else None
