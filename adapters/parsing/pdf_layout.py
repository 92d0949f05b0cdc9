"""From placed lines to paragraphs, headings and pages; the same for every PDF reader."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from attrs import evolve

from adapters.parsing.building import DocumentBuilder, clean
from adapters.parsing.pdf_columns import in_reading_order, joined_rows
from adapters.parsing.pdf_page import Line, PageLines
from adapters.parsing.pdf_running import without_running_lines
from domain.passages import BlockKind, Box, TextSpan

HEADING_RATIO: Final = 1.14  # of the body's font size
_HEADING_CHARS: Final = 200
_HEADING_LINES: Final = 3
_BOLD_CHARS: Final = 100  # of a heading that is told by its weight alone
_MOSTLY: Final = 0.4  # share of the text above which its weight says nothing
_NEW_PARAGRAPH_GAP: Final = 1.6  # in line heights, from one line's top to the next one's
_SIZE_CHANGE: Final = 0.12
_BULLET: Final = re.compile(r"(?:[•‣▪●○◦■□–—*·]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])\s+\S")  # noqa: RUF001
_SECTION: Final = re.compile(
    r"(?:(\d{1,2}(?:\.\d{1,2}){0,3})\.?|[IVX]{1,5}\.|[A-Z]\."
    r"|(?i:Item|Chapter|Section|Part|Article|Annex|Appendix|Kapitel|Chapitre)\s[\dIVXA-Z]{1,4}[.:]?)\s+\S*[^\W\d_]{3}"
)
_NAME: Final = re.compile(r".*[^\W\d_]{3}")  # a word
_MOST_WORDS: Final = 12  # of a heading that is told by its weight alone
_MOST_DIGITS: Final = 0.2
_SHORT: Final = 0.85  # of the line below, to which a heading reaches at most
_LEADING: Final = 1.15  # font sizes from one line of text to the next, at least
_LEVELS: Final = 6
_TITLE_LINES: Final = 2  # of a title in several lines, at least
_BRACKETED: Final = re.compile(r"\(.*\)$")
_WIDE: Final = 1.0  # font sizes by which a line that reaches the margin may fall short of it
# TeX draws an accent, then the letter it stands on; other programs the letter first
_ACCENT: Final = re.compile(
    "([aeiouncsAEIOUNCS\u0131]?)([\u00b4\u00a8\u02c6\u02dc\u02c7\u02da\u00af])( ?)([^\\W\\d_]?)"
)
_ACCENTED: Final = "aeiouyncszrAEIOUYNCSZR\u0131"
_CEDILLA: Final = re.compile("([cCsStT])\u00b8")
_COMBINING: Final = {
    "\u00b4": "\u0301",
    "\u00a8": "\u0308",
    "\u02c6": "\u0302",
    "\u02dc": "\u0303",
    "\u02c7": "\u030c",
    "\u02da": "\u030a",
    "\u00af": "\u0304",
}
_DIVIDED: Final = re.compile(r"[^\W\d_]{2}[-\u00ad\u2010]$")
_TAIL: Final = re.compile(r"[^\W\d_]+$")
_HEAD: Final = re.compile(r"[^\W\d_]+")
_COMPOUND: Final = re.compile(r"[^\W\d_]+-[^\W\d_]+")


def assemble(pages: list[PageLines], builder: DocumentBuilder) -> None:
    """Write all pages into `builder`, in reading order, with blocks and line spans, without running lines."""
    ordered = [in_reading_order(evolve(page, lines=tuple(joined_rows(page.lines)))) for page in pages]
    kept = without_running_lines(ordered)
    kinds = _Kinds(kept)
    compounds = {
        word.lower()
        for page in kept
        for line in page.lines
        if "-" in line.text
        for word in _COMPOUND.findall(line.text)
    }
    for page in kept:
        builder.start_page()
        start = builder.length
        spans: list[TextSpan] = []
        for paragraph in paragraphs(page.lines):
            text, places = _joined(paragraph, compounds)
            kind, level = kinds.of(paragraph, text)
            place = builder.add(kind, text, level=level)
            if place is not None:
                offset = place[0] - start
                spans.extend(
                    TextSpan(char_from=offset + a, char_to=offset + b, bbox=box)
                    for line, (a, b) in zip(paragraph, places, strict=True)
                    if b > a and (box := _on_page(line.box, page)) is not None
                )
        builder.end_page(page.number, width=page.width, height=page.height, spans=tuple(spans))


def paragraphs(lines: tuple[Line, ...]) -> Iterator[list[Line]]:
    """Runs of lines that belong together: same size, usual distance, downwards, no new bullet."""
    gaps = [b.box[1] - a.box[1] for a, b in pairwise(lines) if 0 < b.box[1] - a.box[1] < 4 * max(a.size, 1)]
    usual = median(gaps) if gaps else 0.0
    current: list[Line] = []
    for line in lines:
        if current and _starts_new(current, line, usual):
            yield current
            current = []
        current.append(line)
    if current:
        yield current


def _starts_new(current: Sequence[Line], line: Line, usual: float) -> bool:
    before = current[-1]
    if before.mended:
        return False
    down = line.box[1] - before.box[1]
    same_row = abs(down) < 0.5 * max(line.size, 1)
    differs = abs(line.size - before.size) > _SIZE_CHANGE * max(before.size, 1)
    if differs or same_row:
        return differs
    if down < 0:
        return not _goes_on(before, line)
    if len(current) == 1 and _heads(before, line):
        return True
    if _is_title(current) and not _is_title([*current, line]):
        return True
    step = min(max(usual, line.size * _LEADING), max(line.size, before.size, 1) * 2)
    return down > _NEW_PARAGRAPH_GAP * step or (_BULLET.match(line.text) is not None and not _runs_on(current, line))


def _goes_on(before: Line, line: Line) -> bool:
    """Whether a sentence goes on at the top of the next column."""
    return line.text[:1].islower() and (before.text.rstrip()[-1:].isalnum() or before.text.rstrip()[-1:] == ",")


def _heads(line: Line, body: Line) -> bool:
    """Whether a line is a heading of the body's size that stands close above its text."""
    is_short = line.box[2] < _SHORT * body.box[2]
    if not _stands_out(line) or (_stands_out(body) and not is_short):
        return False
    return _SECTION.match(line.text) is not None or (line.bold and not body.bold and is_short)


def _is_title(lines: Sequence[Line]) -> bool:
    """Whether lines stand centred one below the other, as above a statement, in bold but for units in brackets."""
    marked = all((line.bold or _BRACKETED.match(line.text)) and not line.gaps for line in lines)
    if len(lines) < _TITLE_LINES or not marked:
        return False
    middles = [line.box[0] + line.box[2] for line in lines]
    lefts = [line.box[0] for line in lines]
    return max(middles) - min(middles) <= 2 * lines[0].size and max(lefts) - min(lefts) > lines[0].size


def _stands_out(line: Line) -> bool:
    return line.bold or line.text.upper() == line.text


def _runs_on(current: Sequence[Line], line: Line) -> bool:
    """Whether the line before goes on in this one although it looks like an item: it is full, and ends in a word."""
    before = current[-1]
    margin = max(line.box[2], *(other.box[2] for other in current))
    return before.box[2] >= margin - _WIDE * line.size and before.text.rstrip()[-1:].isalpha()


def _joined(lines: list[Line], compounds: set[str]) -> tuple[str, list[tuple[int, int]]]:
    """The paragraph's text, a newline between lines, words divided at their ends whole; each line's place in it."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length = 0
    for index, line in enumerate(lines):
        text = composed(clean(line.text)).replace("\n", " ").strip()
        separator = ""
        if index < len(lines) - 1 and text:
            text, separator = _divided(text, lines[index + 1].text, compounds, mended=line.mended)
        places.append((length, length + len(text)))
        parts.append(text + separator)
        length += len(text) + len(separator)
    text = "".join(parts)
    lead = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return text.strip(), [(min(max(a - lead, 0), end - lead), min(max(b - lead, 0), end - lead)) for a, b in places]


def _divided(text: str, following: str, compounds: set[str], *, mended: bool) -> tuple[str, str]:
    """A line's text and what stands between it and the next: nothing in a divided word, whose hyphen goes."""
    head = _HEAD.match(following.lstrip())
    if not mended:
        if not (_DIVIDED.search(text) and head and head.group()[0].islower()):
            return text, "\n"
        text = text[:-1]
    tail = _TAIL.search(text)
    if tail and head and f"{tail.group()}-{head.group()}".lower() in compounds:
        return f"{text}-", ""
    return text, ""


def composed(text: str) -> str:
    """Letters joined with the accents that were drawn beside them."""
    if not text.isascii():
        text = _ACCENT.sub(_with_accent, text)
        text = _CEDILLA.sub(lambda match: _accented(match.group(1), "\u0327") or match.group(), text)
    return text


def _with_accent(match: re.Match[str]) -> str:
    before, accent, space, after = match.groups()
    if after and after in _ACCENTED and (one := _accented(after, _COMBINING[accent])):
        return before + one
    if before and (one := _accented(before, _COMBINING[accent])):
        return one + space + after
    return match.group()


def _accented(letter: str, accent: str) -> str | None:
    letter = {"\u0131": "i", "\u0237": "j"}.get(letter, letter)  # TeX takes the dot away first
    one = unicodedata.normalize("NFC", letter + accent)
    return one if len(one) == 1 else None


class _Kinds:
    """Tells headings from text by what is usual in the document."""

    def __init__(self, pages: Sequence[PageLines]) -> None:
        self._body = body_size(pages)
        larger = {_half(line.size) for page in pages for line in page.lines if line.size > self._body * HEADING_RATIO}
        self._levels = {size: min(level, _LEVELS) for level, size in enumerate(sorted(larger, reverse=True), start=1)}
        self._base = min(len(larger) + 1, _LEVELS)
        total = sum(len(line.text) for page in pages for line in page.lines)
        bold = sum(len(line.text) for page in pages for line in page.lines if line.bold)
        self._weight_tells = bold < _MOSTLY * total
        self._beside = {one for page in pages for one in _in_rows(page.lines)} if self._weight_tells else set()

    def of(self, lines: Sequence[Line], text: str) -> tuple[BlockKind, int]:
        """The kind of a paragraph, and a heading's level."""
        left, top, right, bottom = lines[0].box
        is_upright = right - left >= bottom - top or len(text) <= 2  # noqa: PLR2004 a stamp in the margin runs upwards
        has_words = any(character.isalpha() for character in text)
        if is_upright and has_words and len(lines) <= _HEADING_LINES and len(text) <= _HEADING_CHARS:
            if lines[0].size > self._body * HEADING_RATIO:
                return BlockKind.HEADING, self._levels.get(_half(lines[0].size), 1)
            section = _SECTION.match(text)
            if section and self._is_marked(lines, text):
                depth = (section.group(1) or "").count(".")
                return BlockKind.HEADING, min(self._base + depth, _LEVELS)
            if len(lines) == 1 and self._is_named(lines[0], text):
                return BlockKind.HEADING, self._base if text.upper() == text else _LEVELS
            if _is_title(lines) and any(self._is_named(line, line.text) for line in lines):
                return BlockKind.HEADING, self._base
        return (BlockKind.LIST_ITEM if _BULLET.match(text) else BlockKind.PARAGRAPH), 0

    def _is_marked(self, lines: Sequence[Line], text: str) -> bool:
        """Whether a numbered line stands out by weight or capitals, as a heading of the body's size does."""
        is_bold = self._weight_tells and all(line.bold for line in lines)
        return len(text) <= _BOLD_CHARS and text[-1:] not in ".,;" and (is_bold or text.upper() == text)

    def _is_named(self, line: Line, text: str) -> bool:
        """Whether a line in bold, alone in its row, reads like a heading and not like a total or a term."""
        digits = sum(character.isdigit() for character in text)
        return (
            line.bold
            and self._weight_tells
            and not line.gaps
            and id(line) not in self._beside
            and line.size >= self._body - 0.5
            and text[0].isupper()
            and text[-1] not in ".,;"
            and len(text) <= _BOLD_CHARS
            and len(text.split()) <= _MOST_WORDS
            and digits <= _MOST_DIGITS * len(text)
            and _NAME.match(text) is not None
        )


def _in_rows(lines: Sequence[Line]) -> Iterator[int]:
    """Identities of the lines in bold that have something else beside them."""
    for line in lines:
        if line.bold and any(
            other is not line
            and other.box[1] < line.box[3] - line.size / 2
            and other.box[3] > line.box[1] + line.size / 2
            for other in lines
        ):
            yield id(line)


def body_size(pages: Sequence[PageLines]) -> float:
    """The font size most characters are in; 0 without any."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[_half(line.size)] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _half(size: float) -> float:
    return round(size * 2) / 2


def _on_page(box: Box, page: PageLines) -> Box | None:
    """The part of the box that the page shows, rounded; None where it shows nothing of it."""
    left, right = (round(min(max(x, 0.0), page.width), 1) for x in (box[0], box[2]))
    top, bottom = (round(min(max(y, 0.0), page.height), 1) for y in (box[1], box[3]))
    return (left, top, right, bottom) if left < right and top < bottom else None
