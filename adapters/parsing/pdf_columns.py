"""The order of reading: pieces of one row joined, and columns one after the other.

A PDF's own order is kept wherever it reads well, which is nearly always: programs write columns one by one. Only
where lines jump between the columns, or were drawn across them, are they sorted by where they stand.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import Final

from attrs import evolve

from adapters.parsing.pdf_page import Line, PageLines
from domain.passages import Box

_COMMON_HEIGHT: Final = 0.4  # of the lower of two pieces, in which they must overlap to be of one row
_NEAR: Final = 0.9  # of the font's size, between two pieces of one row
_BACK: Final = 0.35
_RAISED: Final = 0.85  # of the size of what follows
_SPACE: Final = 0.17  # of the font's size, from which a gap is a space
_COLUMN_ROWS: Final = 6  # rows side by side that make columns
_COLUMN_CHARS: Final = 18  # in the middle line of each column; a table's cells have fewer
_LETTERS: Final = 0.75  # share of what stands in running text
_CAPITALS: Final = 0.4
_FULL: Final = 0.75  # of the widest lines' width, which half of the lines have
_COLUMN_SHARE: Final = 0.2  # of the page's characters in each column
_CROSSING_SHARE: Final = 0.4  # of the page's lines, at most, that run across
_MIDDLE: Final = (0.3, 0.7)  # of the page's width, where a gutter may be
_SLACK: Final = 1.5  # points
_JUMPS: Final = 4  # between the columns in one stretch of text, above which it was not written column by column


def joined_rows(lines: Sequence[Line]) -> list[Line]:
    """Raised and lowered figures, and what follows them, as parts of the line they are in."""
    done: list[Line] = []
    for line in lines:
        if done and _goes_on(done[-1], line):
            done[-1] = _one(done[-1], line)
        else:
            done.append(line)
    return done


def _goes_on(before: Line, line: Line) -> bool:
    (_, top, right, bottom), (left, above, end, below) = before.box, line.box
    size = max(before.size, line.size)
    lower = min(bottom - top, below - above)
    overlap = min(bottom, below) - max(top, above)
    is_upright = end - left >= 0.5 * (below - above) or len(line.text) == 1  # else it is written upwards
    return (
        not before.mended
        and is_upright
        and overlap >= _COMMON_HEIGHT * max(lower, 0.1)
        and -_BACK * size <= left - right <= _NEAR * size
        and end > right
    )


def _one(a: Line, b: Line) -> Line:
    is_mark = a.size < _RAISED * b.size  # of a footnote, before its text
    is_apart = b.box[0] - a.box[2] > _SPACE * max(a.size, b.size)
    space = " " if (is_apart or is_mark) and not a.text.endswith(" ") else ""
    main = a if len(a.text) >= len(b.text) else b
    shift = len(a.text) + len(space)
    box = (min(a.box[0], b.box[0]), min(a.box[1], b.box[1]), max(a.box[2], b.box[2]), max(a.box[3], b.box[3]))
    gaps = (*a.gaps, *((place + shift, left, right) for place, left, right in b.gaps))
    return evolve(b, text=f"{a.text}{space}{b.text}", box=box, size=main.size, bold=main.bold, gaps=gaps)


def in_reading_order(page: PageLines) -> PageLines:
    """The page with its columns read one after the other, where they are not yet."""
    gutter = _gutter(page.lines, 0.0, page.width)
    if gutter is None:
        return page
    lines = [part for line in page.lines for part in _split(line, gutter)]
    if len(lines) < len(page.lines) + _COLUMN_ROWS and not _jumps(lines, gutter):
        return page
    return evolve(page, lines=tuple(_sorted(lines, gutter, 0.0, page.width, is_rtl=_is_rtl(lines))))


def _gutter(among: Sequence[Line], start: float, end: float) -> float | None:
    """The middle of the free strip between columns of text, from `start` to `end`; None where there are none."""
    lines = [line for line in among if line.box[2] - line.box[0] > 1]
    first, last = (int(start + (end - start) * share) for share in _MIDDLE)
    if len(lines) < _COLUMN_ROWS or last <= first:
        return None
    changes = [0] * (last - first + 2)
    for line in lines:
        for left, right in _runs(line):
            a, b = max(int(left + _SLACK), first), min(int(right - _SLACK), last)
            if a <= b:
                changes[a - first] += 1
                changes[b - first + 1] -= 1
    crossing = list(accumulate(changes[:-1]))
    least = min(crossing)
    if least > _CROSSING_SHARE * len(lines):
        return None
    strips = [x + first for x, count in enumerate(crossing) if count == least]
    gutter = float(median(_longest_run(strips)))
    return gutter if _has_columns(lines, gutter) else None


def _longest_run(places: Sequence[int]) -> list[int]:
    runs = [[places[0]]]
    for before, place in pairwise(places):
        if place == before + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return max(runs, key=len)


def _runs(line: Line) -> Iterator[tuple[float, float]]:
    """The line's extents between its wide gaps."""
    start = line.box[0]
    for _, left, right in line.gaps:
        yield start, left
        start = right
    yield start, line.box[2]


def _has_columns(lines: Sequence[Line], gutter: float) -> bool:
    parts = [part for line in lines for part in _split(line, gutter)]
    sides = ([line for line in parts if _side(line, gutter) == side] for side in (-1, 1))
    left, right = sides
    total = sum(len(line.text) for line in parts)
    for side in (left, right):
        characters = [len(line.text) for line in side]
        if len(side) < _COLUMN_ROWS or sum(characters) < _COLUMN_SHARE * total or median(characters) < _COLUMN_CHARS:
            return False
        if not _is_prose(side):
            return False
    tops = [line.box[1] for line in right]
    beside = sum(1 for line in left if any(line.box[1] - line.size < top < line.box[3] for top in tops))
    return beside >= _COLUMN_ROWS


def _is_prose(lines: Sequence[Line]) -> bool:
    """Whether these are lines of running text, most of them full, rather than the cells of a table."""
    text = "".join(line.text for line in lines).replace(" ", "")
    letters = sum(character.isalpha() for character in text)
    capitals = sum(character.isupper() for character in text)
    widths = sorted(line.box[2] - line.box[0] for line in lines)
    return (
        letters >= _LETTERS * len(text)
        and capitals <= _CAPITALS * letters
        and median(widths) >= _FULL * widths[len(widths) * 9 // 10]
    )


def _side(line: Line, gutter: float) -> int:
    """-1 left of the gutter, 1 right of it, 0 across."""
    left, _, right, _ = line.box
    if right <= gutter + _SLACK:
        return -1
    return 1 if left >= gutter - _SLACK else 0


def _split(line: Line, gutter: float) -> list[Line]:
    for place, left, right in line.gaps:
        if left - _SLACK <= gutter <= right + _SLACK:
            a: Box = (line.box[0], line.box[1], left, line.box[3])
            b: Box = (right, line.box[1], line.box[2], line.box[3])
            before = tuple(gap for gap in line.gaps if gap[0] < place)
            after = tuple((gap[0] - place, *gap[1:]) for gap in line.gaps if gap[0] > place)
            return [
                evolve(line, text=line.text[:place].rstrip(), box=a, mended=False, gaps=before),
                evolve(line, text=line.text[place:], box=b, gaps=after),
            ]
    return [line]


def _jumps(lines: Sequence[Line], gutter: float) -> bool:
    jumps, side = 0, 0
    for line in lines:
        now = _side(line, gutter)
        if now == 0:
            jumps, side = 0, 0
        elif side not in {0, now}:
            jumps += 1
            if jumps > _JUMPS:
                return True
        side = now or side
    return False


def _sorted(lines: Sequence[Line], gutter: float, start: float, end: float, *, is_rtl: bool) -> Iterator[Line]:
    """Between lines that run across, what is on one side of the gutter and then the other, from top to bottom.

    Each side may have columns again.
    """
    across = sorted((line for line in lines if _side(line, gutter) == 0), key=lambda line: line.box[1])
    rest = sorted((line for line in lines if _side(line, gutter) != 0), key=lambda line: line.box[1])
    sides = ((-1, start, gutter), (1, gutter, end))
    for border in (*across, None):
        bottom = border.box[1] if border is not None else float("inf")
        band = [line for line in rest if (line.box[1] + line.box[3]) / 2 < bottom]
        rest = [line for line in rest if (line.box[1] + line.box[3]) / 2 >= bottom]
        for side, left, right in reversed(sides) if is_rtl else sides:
            column = [line for line in band if _side(line, gutter) == side]
            inner = _gutter(column, left, right)
            if inner is None:
                yield from column
            else:
                parts = [part for line in column for part in _split(line, inner)]
                yield from _sorted(parts, inner, left, right, is_rtl=is_rtl)
        if border is not None:
            yield border


def _is_rtl(lines: Sequence[Line]) -> bool:
    text = "".join(line.text for line in lines)
    rtl = sum("\u0590" <= character <= "\u08ff" for character in text)
    return rtl * 2 > sum(character.isalpha() for character in text)
