"""Headers, footers and page numbers that run through a document's pages."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve

from adapters.parsing.pdf_page import Line, PageLines

_PAGES: Final = 3  # on which a line must stand; a document of fewer has no running lines
_SHARE: Final = 0.5  # of all pages: wherever in the margin
_APART: Final = 2  # pages at most from one to the next where a line stands at the same height, left and right pages
_SAME_HEIGHT: Final = 3.0  # points
_MARGIN: Final = 0.12  # of the page's height, above and below, where running lines stand
_EDGE_LINES: Final = 3
_NUMBER: Final = re.compile(r"(?<![\d.,])\d{1,5}(?![\d.,]*\d)")

_Key = tuple[str, bool]


def without_running_lines(pages: list[PageLines]) -> list[PageLines]:
    """Without the lines in the margins that stand on half the pages, or at one height on three in a row.

    What has words is kept where it stands first, so that nothing is lost.
    """
    if len(pages) < _PAGES:
        return pages
    stands: dict[_Key, dict[int, float]] = defaultdict(dict)
    for index, page in enumerate(pages):
        for line in _edges(page):
            for key in _keys(line, page):
                stands[key].setdefault(index, line.box[1])
    running = {key: set(_running(places, len(pages))) for key, places in stands.items() if len(places) >= _PAGES}
    met: set[_Key] = set()
    return [_cleared(page, index, running, met) for index, page in enumerate(pages)]


def _running(places: dict[int, float], pages: int) -> Iterator[int]:
    """The indices of the pages where a line of these places is a running one."""
    if len(places) >= _SHARE * pages:
        yield from places
        return
    rows: list[list[int]] = []
    for place, height in places.items():
        last = rows[-1][-1] if rows else None
        if last is not None and place - last <= _APART and abs(height - places[last]) <= _SAME_HEIGHT:
            rows[-1].append(place)
        else:
            rows.append([place])
    for row in rows:
        if len(row) >= _PAGES:
            yield from row


def _cleared(page: PageLines, index: int, running: dict[_Key, set[int]], met: set[_Key]) -> PageLines:
    edges = set(_edges(page))
    kept: list[Line] = []
    for line in page.lines:
        keys = {key for key in _keys(line, page) if index in running.get(key, ())} if line in edges else set()
        worded = any(character.isalpha() for character in line.text)
        if not keys or (worded and met.isdisjoint(keys)):
            kept.append(line)
        met |= keys
    return evolve(page, lines=tuple(kept)) if kept else page


def _edges(page: PageLines) -> Iterator[Line]:
    by_height: Sequence[Line] = sorted(page.lines, key=lambda line: line.box[1])
    for line in by_height[:_EDGE_LINES]:
        if line.box[3] < page.height * _MARGIN:
            yield line
    for line in by_height[-_EDGE_LINES:]:
        if line.box[1] > page.height * (1 - _MARGIN):
            yield line


def _keys(line: Line, page: PageLines) -> Iterator[_Key]:
    """The line as it is, and with its first or last number counted from the page's: "7 of 90" runs with the pages."""
    text = " ".join(line.text.split())
    is_above = line.box[1] < page.height / 2
    yield text, is_above
    numbers = list(_NUMBER.finditer(text))
    for number in {*numbers[:1], *numbers[-1:]}:
        offset = int(number.group()) - page.number
        yield f"{text[: number.start()]}\0{offset}\0{text[number.end() :]}", is_above
