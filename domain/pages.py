"""Which pages a range of text is on, and where there."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from domain.passages import Box, Page, PageBoxes

MAX_RECTS: Final = 8  # of one passage on one page
_SAME_COLUMN: Final = 0.5  # share of the narrower width in which lines must overlap to be one rectangle
_NEAR: Final = 1.2  # line heights between two lines of one rectangle


class PageIndex:
    """Finds places on pages, which are in ascending order of their text."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._starts = [page.char_from for page in pages]

    def number_at(self, offset: int) -> int | None:
        """The page that the character at `offset` is on (between two pages: the earlier); None without pages."""
        if not self._pages:
            return None
        return self._pages[max(bisect_right(self._starts, offset) - 1, 0)].number

    def starts(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Pages that begin inside `(start, end)`, each with where, counted from `start`."""
        inside = self._pages[bisect_right(self._starts, start) : bisect_left(self._starts, end)]
        return tuple((page.number, page.char_from - start) for page in inside)

    def boxes(self, start: int, end: int) -> tuple[PageBoxes, ...]:
        """Rectangles around the lines that `[start, end)` touches, a handful a page; none where no line has a place."""
        found: list[PageBoxes] = []
        for page in self._pages[max(bisect_right(self._starts, start) - 1, 0) : bisect_left(self._starts, end)]:
            lines = [
                span.bbox
                for span in page.spans
                if span.char_from + page.char_from < end and span.char_to + page.char_from > start
            ]
            if lines:
                found.append(PageBoxes(page=page.number, rects=merged(lines)))
        return tuple(found)


def merged(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Lines below one another as one rectangle; `MAX_RECTS` at most, the last holding the rest."""
    rects: list[Box] = []
    for box in boxes:
        if rects and (_adjacent(rects[-1], box) or len(rects) == MAX_RECTS):
            rects[-1] = _around(rects[-1], box)
        else:
            rects.append(box)
    return tuple(rects)


def _adjacent(above: Box, line: Box) -> bool:
    height = max(line[3] - line[1], 1.0)
    gap = line[1] - above[3]
    common = min(above[2], line[2]) - max(above[0], line[0])
    narrow = max(min(above[2] - above[0], line[2] - line[0]), 1.0)
    same_row = abs(line[1] - above[1]) < height / 2 and abs(line[3] - above[3]) < height / 2
    return same_row or (-height < gap < _NEAR * height and common >= _SAME_COLUMN * narrow)


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
