"""OpenDocument texts and presentations, read from their XML directly; a slide is a page."""

from collections.abc import Iterator
from typing import Final

from adapters.parsing.archives import Container
from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.failures import corrupt, encrypted, too_many_pages
from adapters.parsing.limits import Limits
from adapters.parsing.ooxml import attribute, child, children, local
from adapters.parsing.source import Source
from adapters.parsing.xml import Element, parse_xml
from domain.passages import BlockKind, ParsedDocument

_WHAT: Final = "OpenDocument file"
_UNSEEN: Final = {
    "tracked-changes",
    "annotation",
    "annotation-end",
    "forms",
    "sequence-decls",
    "variable-decls",
    "user-field-decls",
    "settings",
    "shapes",
    "title",
    "desc",
}
_LATER: Final = {"note", "text-box"}  # inside a paragraph, written after it
_BREAKS: Final = {"tab": "\t", "line-break": "\n"}
_MOST_SPACES: Final = 100
_MOST_COLUMNS: Final = 1_000  # that one repeated cell may stand for
_MAX_LEVEL: Final = 9


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Headings, paragraphs, list items, table rows; notes and text boxes after their paragraph.

    Deleted text of tracked changes, comments, headers and footers are left out.
    """
    with Container(source, limits, what=_WHAT) as container:
        manifest = container.read("META-INF/manifest.xml")
        if manifest is not None and next(parse_xml(manifest, what=_WHAT).iter("{*}encryption-data"), None) is not None:
            raise encrypted(_WHAT)
        data = container.read("content.xml")
        if data is None:
            raise corrupt(_WHAT)
        body = child(parse_xml(data, what=_WHAT), "body")
        title, language = _properties(container.read("meta.xml"))
    walk = _Walk(DocumentBuilder(limits))
    for kind in children(body):
        if local(kind) == "presentation":
            _slides(kind, walk, limits)
        else:
            walk.blocks(kind)
    return walk.builder.finish(title=title or walk.title, language=language)


def _properties(data: bytes | None) -> tuple[str | None, str | None]:
    meta = None if data is None else child(parse_xml(data, what=_WHAT), "meta")
    title, language = child(meta, "title"), child(meta, "language")
    return (title.text if title is not None else None), (language.text if language is not None else None)


def _slides(presentation: Element, walk: "_Walk", limits: Limits) -> None:
    slides = [element for element in presentation if local(element) == "page"]
    if len(slides) > limits.max_pages:
        raise too_many_pages(len(slides), limits.max_pages)
    for number, slide in enumerate(slides, start=1):
        walk.builder.start_page()
        walk.blocks(slide)
        walk.builder.end_page(number)


class _Walk:
    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.title: str | None = None
        self._later: list[Element] = []

    def blocks(self, parent: Element, kind: BlockKind = BlockKind.PARAGRAPH) -> None:
        """Write all that is in an element; its paragraphs are of `kind`."""
        for element in parent:
            match local(element):
                case "p":
                    self._paragraph(element, kind)
                case "h":
                    self._heading(element)
                case "list":
                    self.blocks(element, BlockKind.LIST_ITEM)
                case "table":
                    self._table(element)
                case "frame" if attribute(element, "class") == "title":
                    self._slide_title(element)
                case name if name not in _UNSEEN:
                    self.blocks(element, kind)

    def _paragraph(self, element: Element, kind: BlockKind) -> None:
        self.builder.add(kind, "".join(self._text(element)))
        self._flush()

    def _heading(self, element: Element) -> None:
        text = one_line("".join(self._text(element)))
        level = attribute(element, "outline-level") or ""
        self.title = self.title or text or None
        self.builder.add(
            BlockKind.HEADING,
            text,
            level=min(int(level), _MAX_LEVEL) if level.isdecimal() and len(level) < 4 else 1,  # noqa: PLR2004
        )
        self._flush()

    def _slide_title(self, frame: Element) -> None:
        text = one_line(" ".join("".join(self._text(paragraph)) for paragraph in frame.iter("{*}p")))
        self._later.clear()
        self.title = self.title or text or None
        self.builder.add(BlockKind.HEADING, text, level=1)

    def _flush(self) -> None:
        later, self._later = self._later, []
        for element in later:
            self.blocks(element)

    def _table(self, table: Element) -> None:
        marked = child(table, "table-header-rows") is not None
        self.builder.table(
            ([text for cell in row for text in self._cell(cell)] for row in _rows(table)), header=marked or None
        )
        self._flush()

    def _cell(self, cell: Element) -> list[str]:
        if local(cell) != "table-cell":
            return [""] if local(cell) == "covered-table-cell" else []
        text = " ".join("".join(self._text(paragraph)) for paragraph in cell.iter("{*}p", "{*}h"))
        repeated = attribute(cell, "number-columns-repeated") or "1"
        return [text] * (min(int(repeated[:6]), _MOST_COLUMNS) if repeated.isdecimal() and text else 1)

    def _text(self, parent: Element) -> Iterator[str]:
        yield parent.text or ""
        for element in parent:
            match local(element):
                case "s":
                    count = attribute(element, "c") or "1"
                    yield " " * (min(int(count[:4]), _MOST_SPACES) if count.isdecimal() else 1)
                case name if name in _BREAKS:
                    yield _BREAKS[name]
                case name if name in _LATER:
                    self._later.append(element)
                case name if name not in _UNSEEN:
                    yield from self._text(element)
            yield element.tail or ""


def _rows(table: Element) -> Iterator[Element]:
    for element in table:
        match local(element):
            case "table-row":
                yield element
            case "table-header-rows" | "table-rows" | "table-row-group":
                yield from _rows(element)
