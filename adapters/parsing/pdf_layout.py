"""From placed lines to paragraphs, headings and pages; the same for every PDF reader."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Final

from attrs import evolve, field, frozen

from adapters.parsing.building import DocumentBuilder, clean
from domain.passages import BlockKind, Box, TextSpan

HEADING_RATIO: Final = 1.14  # of the body's font size
_HEADING_CHARS: Final = 200
_HEADING_LINES: Final = 3
_NEW_PARAGRAPH_GAP: Final = 1.6  # in line heights, from one line's top to the next one's
_SIZE_CHANGE: Final = 0.12
_RUNNING_PAGES: Final = 4  # a document of fewer pages has no running lines
_RUNNING_SHARE: Final = 0.5
_MARGIN: Final = 0.12  # of the page's height, above and below, where running lines stand
_EDGE_LINES: Final = 3
_NUMBER: Final = re.compile(r"(?<![\d.,])\d{1,5}(?![\d.,]*\d)")
_BULLET: Final = re.compile(r"(?:[•‣▪●○◦■□–—*·]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])\s+\S")  # noqa: RUF001
_LEVELS: Final = 6


@frozen
class Line:
    """A line of text; `mended` says that a word goes on in the next line, without the hyphen."""

    text: str
    box: Box  # as the page is shown, top left origin
    size: float  # of the font, points
    mended: bool = False


@frozen
class PageLines:
    """A page's lines in reading order."""

    number: int
    width: float
    height: float
    lines: tuple[Line, ...] = field(default=())
    drawn: int = 0  # objects on it that draw text, where the text found is little; each draws a character or more


def without_running_lines(pages: list[PageLines]) -> list[PageLines]:
    """Without the headers, footers and page numbers that repeat at the edge of at least half the pages.

    What has words is kept where it stands first, so that nothing is lost.
    """
    if len(pages) < _RUNNING_PAGES:
        return pages
    seen = Counter(key for page in pages for key in {key for line in _edges(page) for key in _keys(line, page)})
    running = {key for key, count in seen.items() if count >= max(_RUNNING_SHARE * len(pages), _RUNNING_PAGES - 1)}
    if not running:
        return pages
    kept: list[PageLines] = []
    met: set[tuple[str, bool]] = set()
    for page in pages:
        edges = set(_edges(page))
        lines: list[Line] = []
        for line in page.lines:
            keys = running.intersection(_keys(line, page)) if line in edges else set()
            worded = any(character.isalpha() for character in line.text)
            if not keys or (worded and met.isdisjoint(keys)):
                lines.append(line)
            met |= keys
        kept.append(evolve(page, lines=tuple(lines)) if lines else page)
    return kept


def _edges(page: PageLines) -> Iterator[Line]:
    by_height = sorted(page.lines, key=lambda line: line.box[1])
    for line in by_height[:_EDGE_LINES]:
        if line.box[3] < page.height * _MARGIN:
            yield line
    for line in by_height[-_EDGE_LINES:]:
        if line.box[1] > page.height * (1 - _MARGIN):
            yield line


def _keys(line: Line, page: PageLines) -> Iterator[tuple[str, bool]]:
    """The line as it is, and with its first or last number counted from the page's: "7 of 90" runs with the pages."""
    text = " ".join(line.text.split())
    is_above = line.box[1] < page.height / 2
    yield text, is_above
    numbers = list(_NUMBER.finditer(text))
    for number in {*numbers[:1], *numbers[-1:]}:
        offset = int(number.group()) - page.number
        yield f"{text[: number.start()]}\0{offset}\0{text[number.end() :]}", is_above


def assemble(pages: list[PageLines], builder: DocumentBuilder) -> None:
    """Write all pages into `builder`, with blocks and line spans."""
    body = body_size(pages)
    levels = _heading_levels(pages, body)
    for page in pages:
        builder.start_page()
        start = builder.length
        spans: list[TextSpan] = []
        for paragraph in paragraphs(page.lines):
            text, places = _joined(paragraph)
            kind, level = _kind(paragraph, text, body, levels)
            place = builder.add(kind, text, level=level)
            if place is not None:
                offset = place[0] - start
                spans.extend(
                    TextSpan(char_from=offset + a, char_to=offset + b, bbox=_rounded(line.box))
                    for line, (a, b) in zip(paragraph, places, strict=True)
                    if b > a
                )
        builder.end_page(page.number, width=page.width, height=page.height, spans=tuple(spans))


def body_size(pages: list[PageLines]) -> float:
    """The font size most characters are in; 0 without any."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _heading_levels(pages: list[PageLines], body: float) -> dict[float, int]:
    sizes = {round(line.size * 2) / 2 for page in pages for line in page.lines if line.size > body * HEADING_RATIO}
    return {size: min(level, _LEVELS) for level, size in enumerate(sorted(sizes, reverse=True), start=1)}


def paragraphs(lines: tuple[Line, ...]) -> Iterator[list[Line]]:
    """Runs of lines that belong together: same size, usual distance, downwards, no new bullet."""
    gaps = [b.box[1] - a.box[1] for a, b in pairwise(lines) if 0 < b.box[1] - a.box[1] < 4 * max(a.size, 1)]
    usual = median(gaps) if gaps else 0.0
    current: list[Line] = []
    for line in lines:
        if current and _starts_new(current[-1], line, usual):
            yield current
            current = []
        current.append(line)
    if current:
        yield current


def _starts_new(before: Line, line: Line, usual: float) -> bool:
    if before.mended:
        return False
    down = line.box[1] - before.box[1]
    same_row = abs(down) < 0.5 * max(line.size, 1)
    if same_row:
        return abs(line.size - before.size) > _SIZE_CHANGE * max(before.size, 1)
    if down < 0 or abs(line.size - before.size) > _SIZE_CHANGE * max(before.size, 1):
        return True
    step = min(usual or line.size * 1.2, max(line.size, before.size, 1) * 2)
    return down > _NEW_PARAGRAPH_GAP * step or _BULLET.match(line.text) is not None


def _joined(lines: list[Line]) -> tuple[str, list[tuple[int, int]]]:
    """The paragraph's text, a newline between lines, and each line's place in it."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length = 0
    for index, line in enumerate(lines):
        text = clean(line.text).replace("\n", " ").strip()
        places.append((length, length + len(text)))
        if index < len(lines) - 1 and text and not line.mended:
            text += "\n"
        parts.append(text)
        length += len(text)
    text = "".join(parts)
    lead = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return text.strip(), [(min(max(a - lead, 0), end - lead), min(max(b - lead, 0), end - lead)) for a, b in places]


def _kind(lines: list[Line], text: str, body: float, levels: dict[float, int]) -> tuple[BlockKind, int]:
    size = round(lines[0].size * 2) / 2
    if (
        lines[0].size > body * HEADING_RATIO
        and len(lines) <= _HEADING_LINES
        and len(text) <= _HEADING_CHARS
        and any(c.isalpha() for c in text)
    ):
        return BlockKind.HEADING, levels.get(size, 1)
    return (BlockKind.LIST_ITEM if _BULLET.match(text) else BlockKind.PARAGRAPH), 0


def _rounded(box: Box) -> Box:
    left, top, right, bottom = box
    return round(left, 1), round(top, 1), round(right, 1), round(bottom, 1)
