"""PowerPoint presentations (Office Open XML), read from their XML directly; each slide is a page."""

from collections.abc import Iterator
from typing import Final

from adapters.parsing.archives import Container
from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.failures import corrupt, too_many_pages
from adapters.parsing.limits import Limits
from adapters.parsing.ooxml import Relation, attribute, child, children, local, main_part, properties, relations
from adapters.parsing.source import Source
from adapters.parsing.xml import Element, parse_xml
from domain.passages import BlockKind, ParsedDocument

_WHAT: Final = "PowerPoint presentation"
_TITLES: Final = {"title", "ctrTitle"}
_MARGINS: Final = {"dt", "ftr", "hdr", "sldNum", "sldImg"}  # placeholders of what repeats on every slide
_LISTS: Final = {"body", "obj"}
_UNSEEN: Final = {"Fallback", "nvGrpSpPr", "grpSpPr", "extLst"}
_MAX_DEPTH: Final = 50
_EMU: Final = 12700  # a point


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Titles as headings, text, tables, the figures of charts, diagrams, then the speaker's notes, slide by slide."""
    with Container(source, limits, what=_WHAT) as container:
        main = main_part(container, what=_WHAT) or "ppt/presentation.xml"
        data = container.read(main)
        if data is None:
            raise corrupt(_WHAT)
        presentation = parse_xml(data, what=_WHAT)
        related = relations(container, main, what=_WHAT)
        slides = [
            related[identifier].target
            for slide in children(child(presentation, "sldIdLst"))
            if (identifier := _relation(slide)) in related
        ]
        if len(slides) > limits.max_pages:
            raise too_many_pages(len(slides), limits.max_pages)
        size = child(presentation, "sldSz")
        builder = DocumentBuilder(limits)
        first_title = None
        for number, part in enumerate(slides, start=1):
            builder.start_page()
            slide = _Slide(container, part, builder)
            slide.write()
            first_title = first_title or slide.title
            builder.end_page(number, width=_points(size, "cx"), height=_points(size, "cy"))
        title, language = properties(container, what=_WHAT)
        return builder.finish(title=title or first_title, language=language)


def _relation(element: Element) -> str:
    """The `r:id`; a slide has a plain `id` too."""
    return next((str(value) for key, value in element.attrib.items() if key.endswith("}id")), "")


def _points(size: Element | None, name: str) -> float:
    value = attribute(size, name) or ""
    return int(value) / _EMU if value.isdecimal() and len(value) < 12 else 0.0  # noqa: PLR2004 wider than any wall


class _Slide:
    def __init__(self, container: Container, part: str, builder: DocumentBuilder) -> None:
        self.title: str | None = None
        self._container = container
        self._builder = builder
        self._root = self._part(part)
        self._related = relations(container, part, what=_WHAT)

    def write(self) -> None:
        """The title first, wherever it stands, then all else in the slide's own order."""
        shapes = list(self._shapes(child(child(self._root, "cSld"), "spTree"), 0))
        for shape in sorted(shapes, key=lambda shape: _placeholder(shape) not in _TITLES):
            self._shape(shape)
        for relation in self._related.values():
            if relation.kind == "notesSlide":
                self._notes(relation)

    def _part(self, name: str) -> Element | None:
        data = self._container.read(name)
        return None if data is None else parse_xml(data, what=_WHAT)

    def _shapes(self, parent: Element | None, depth: int) -> Iterator[Element]:
        for element in children(parent) if depth < _MAX_DEPTH else ():
            if local(element) in {"grpSp", "AlternateContent", "Choice"}:
                yield from self._shapes(element, depth + 1)
            elif local(element) not in _UNSEEN:
                yield element

    def _shape(self, shape: Element) -> None:
        kind = _placeholder(shape)
        if kind in _MARGINS:
            return
        if local(shape) == "graphicFrame":
            self._graphic(shape)
            return
        body = child(shape, "txBody")
        if kind in _TITLES:
            text = one_line(" ".join(_text(paragraph) for paragraph in children(body, "p")))
            self.title = self.title or text or None
            self._builder.add(BlockKind.HEADING, text, level=1)
        else:
            self._text(body, listed=kind in _LISTS)

    def _text(self, body: Element | None, *, listed: bool) -> None:
        for paragraph in children(body, "p"):
            own = child(paragraph, "pPr")
            marked = any(child(own, name) is not None for name in ("buChar", "buAutoNum", "buBlip"))
            is_item = (listed or marked) and child(own, "buNone") is None
            self._builder.add(BlockKind.LIST_ITEM if is_item else BlockKind.PARAGRAPH, _text(paragraph))

    def _graphic(self, frame: Element) -> None:
        data = child(child(frame, "graphic"), "graphicData")
        for element in children(data):
            match local(element):
                case "tbl":
                    self._table(element)
                case "chart":
                    if chart := self._related.get(_relation(element)):
                        self._chart(self._part(chart.target))
                case "relIds":
                    if diagram := self._related.get(attribute(element, "dm") or ""):
                        self._diagram(self._part(diagram.target))

    def _table(self, table: Element) -> None:
        rows = [
            [" ".join(_text(paragraph) for paragraph in children(child(cell, "txBody"), "p")) for cell in row]
            for row in children(table, "tr")
        ]
        first_row = attribute(child(table, "tblPr"), "firstRow") in {"1", "true"}
        self._builder.table(rows, header=first_row or None)

    def _chart(self, root: Element | None) -> None:
        """As the table it was drawn from: a row for each category, a column for each series."""
        if root is None:
            return
        for title in root.iter("{*}title"):
            self._builder.add(BlockKind.PARAGRAPH, "".join(text.text or "" for text in title.iter("{*}t")))
        series = list(root.iter("{*}ser"))
        names = [" ".join(_points_of(child(one, "tx")).values()) for one in series]
        columns = [
            _points_of(child(one, "val") if child(one, "val") is not None else child(one, "yVal")) for one in series
        ]
        labels: dict[int, str] = {}
        for one in series:
            labels = _points_of(child(one, "cat") if child(one, "cat") is not None else child(one, "xVal")) | labels
        places = sorted(set(labels).union(*columns))
        rows = [[labels.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]
        self._builder.table([["Category", *names], *rows] if any(names) else rows, header=any(names))

    def _diagram(self, root: Element | None) -> None:
        for point in root.iter("{*}pt") if root is not None else ():
            for paragraph in children(child(point, "t"), "p"):
                self._builder.add(BlockKind.LIST_ITEM, _text(paragraph))

    def _notes(self, relation: Relation) -> None:
        root = self._part(relation.target)
        for shape in self._shapes(child(child(root, "cSld"), "spTree"), 0):
            if _placeholder(shape) == "body":
                self._text(child(shape, "txBody"), listed=False)


def _placeholder(shape: Element) -> str:
    """The kind of placeholder a shape is; empty for any other shape."""
    for properties_ in shape:
        if local(properties_).startswith("nv"):
            placeholder = child(child(properties_, "nvPr"), "ph")
            return "" if placeholder is None else attribute(placeholder, "type") or "obj"
    return ""


def _text(paragraph: Element) -> str:
    parts: list[str] = []
    for element in paragraph.iter():
        match local(element):
            case "t":
                parts.append(element.text or "")
            case "br":
                parts.append("\n")
    return "".join(parts)


def _points_of(data: Element | None) -> dict[int, str]:
    """A chart's cached labels or figures, by place."""
    found: dict[int, str] = {}
    for point in data.iter("{*}pt") if data is not None else ():
        value, place = child(point, "v"), attribute(point, "idx") or ""
        if value is not None and place.isdecimal():
            found[int(place)] = value.text or ""
    return found
