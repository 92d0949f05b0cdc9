"""Word documents (Office Open XML), read from their XML directly.

Only the parts with text are unpacked, so pictures and embedded files cost nothing and macros are never looked at.
"""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from adapters.parsing.archives import Container
from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.failures import corrupt
from adapters.parsing.limits import Limits
from adapters.parsing.xml import Element, parse_xml
from domain.passages import BlockKind, ParsedDocument

_WHAT: Final = "Word document"
_MAX_STYLE_DEPTH: Final = 20
_MAX_LEVEL: Final = 9
_BREAKS: Final = {"br": "\n", "cr": "\n", "tab": "\t", "noBreakHyphen": "-", "ptab": "\t"}
_WRAPPERS: Final = {"ins", "moveTo", "sdt", "sdtContent", "customXml", "smartTag", "AlternateContent", "Choice"}
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


def read(path: Path, limits: Limits) -> ParsedDocument:
    """Headings by style, lists, table rows as "cell | cell", footnotes and text boxes after their paragraph.

    Headers and footers are left out; deleted text of tracked changes too.
    """
    with Container(path, limits, what=_WHAT) as container:
        main = _main_part(container)
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
        title, language = _properties(container.read("docProps/core.xml"))
        walk.blocks(parse_xml(body, what=_WHAT))
        return walk.builder.finish(title=title or walk.title, language=language)


def _name(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _child(element: Element | None, name: str) -> Element | None:
    return None if element is None else next((child for child in element if _name(child) == name), None)


def _value(element: Element | None, attribute: str = "val") -> str | None:
    if element is None:
        return None
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == attribute:
            return str(value)
    return None


def _main_part(container: Container) -> str:
    relations = container.read("_rels/.rels")
    if relations is not None:
        for relation in parse_xml(relations, what=_WHAT):
            if (_value(relation, "Type") or "").endswith("/officeDocument"):
                return posixpath.normpath((_value(relation, "Target") or "").lstrip("/"))
    return "word/document.xml"


def _styles(data: bytes | None) -> dict[str, _Style]:
    styles: dict[str, _Style] = {}
    if data is None:
        return styles
    for element in parse_xml(data, what=_WHAT):
        identifier = _value(element, "styleId")
        if _name(element) == "style" and identifier is not None:
            properties = _child(element, "pPr")
            styles[identifier] = _Style(
                name=(_value(_child(element, "name")) or "").lower(),
                based_on=_value(_child(element, "basedOn")),
                level=_outline(properties),
                is_list=_child(properties, "numPr") is not None,
            )
    return styles


def _outline(properties: Element | None) -> int | None:
    value = _value(_child(properties, "outlineLvl"))
    if value is None or not value.isdecimal() or int(value) >= _MAX_LEVEL:
        return None
    return int(value) + 1


def _notes(data: bytes | None) -> dict[str, Element]:
    if data is None:
        return {}
    return {_value(note, "id") or "": note for note in parse_xml(data, what=_WHAT) if _value(note, "type") is None}


def _properties(data: bytes | None) -> tuple[str | None, str | None]:
    if data is None:
        return None, None
    root = parse_xml(data, what=_WHAT)
    title, language = _child(root, "title"), _child(root, "language")
    return (title.text if title is not None else None), (language.text if language is not None else None)


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
            match _name(element):
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
        kind, level = self._kind(_child(element, "pPr"))
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
        listed = _child(properties, "numPr") is not None
        identifier = _value(_child(properties, "pStyle"))
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
        for row in _descend(table, "tr"):
            cells = [one_line(" ".join(self._cell(cell))) for cell in _descend(row, "tc")]
            if any(cells):
                self.builder.add(BlockKind.TABLE_ROW, " | ".join(cells))
        self._flush()

    def _cell(self, cell: Element) -> Iterator[str]:
        for element in cell:
            match _name(element):
                case "p":
                    yield "".join(self._text(element))
                case name if name in _UNSEEN:
                    pass
                case _:
                    yield from self._cell(element)

    def _text(self, parent: Element) -> Iterator[str]:
        for element in parent:
            match _name(element):
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
        kind = _name(reference).removesuffix("Reference")
        note = self._notes[kind].pop(_value(reference, "id") or "", None)
        if note is not None:
            self._later.append(note)


def _level_of_name(name: str) -> int | None:
    number = name.removeprefix("heading ")
    return int(number) if number != name and number.isdecimal() and 1 <= int(number) <= _MAX_LEVEL else None


def _descend(parent: Element, name: str) -> Iterator[Element]:
    """Children of that name, also through wrappers such as content controls and tracked insertions."""
    for element in parent:
        if _name(element) == name:
            yield element
        elif _name(element) in _WRAPPERS:
            yield from _descend(element, name)
