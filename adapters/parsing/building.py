"""Puts a document's text together piece by piece while noting where each piece stands."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from adapters.parsing.failures import too_much_text
from adapters.parsing.limits import Limits
from domain.passages import Block, BlockKind, Page, ParsedDocument, TextSpan
from domain.sentences import trimmed

# C0 and C1 controls without tab and newline, lone surrogates, non-characters, the byte order mark
_UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_NEWLINES: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_TIGHT: Final = {  # after the first of these, the second stands on the next line
    (BlockKind.LIST_ITEM, BlockKind.LIST_ITEM),
    (BlockKind.TABLE_HEADER, BlockKind.TABLE_ROW),
    (BlockKind.TABLE_ROW, BlockKind.TABLE_ROW),
}
MAX_TITLE: Final = 500
_COLUMN_NAME: Final = 80  # characters
_FIGURE: Final = re.compile(r"[\W_]*\d[\d\W_]*[^\W\d]?$")
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{2}(?=$|[-_])")


def clean(text: str) -> str:
    r"""Text that every store can keep: newlines as ``\n``, no NUL, controls or lone surrogates; else unchanged.

    What stood for a character (NUL, a lone surrogate) becomes U+FFFD, what only steered a terminal becomes a space.
    """
    text = _NEWLINES.sub("\n", text)
    return _UNFIT.sub(_fit, text)


def _fit(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\ufeff":
        return ""
    return "\ufffd" if character == "\0" or character >= "\ud800" else " "


def one_line(text: str) -> str:
    """White space of every kind as single spaces."""
    return " ".join(text.split())


def language_code(tag: str | None) -> str | None:
    """ISO 639-1 out of a tag such as "en-GB"; None when there is none in it."""
    match = _LANGUAGE.match((tag or "").strip())
    return match.group().lower() if match else None


def names_columns(row: Sequence[str]) -> bool:
    """Whether a table's first row looks like the names of its columns: short, different, no figures."""
    return (
        len(row) > 1
        and len(set(row)) == len(row)
        and all(cell and len(cell) <= _COLUMN_NAME and not _FIGURE.match(cell) for cell in row)
    )


class DocumentBuilder:
    """Collects blocks in reading order and gives the `ParsedDocument`.

    Every `add` cleans its text, and raises `too_much_text` when the whole grows over the limit.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._pages: list[Page] = []
        self._page_from: int | None = None
        self._last: BlockKind | None = None

    @property
    def length(self) -> int:
        """Code points so far."""
        return self._length

    def add(self, kind: BlockKind, text: str, *, level: int = 0) -> tuple[int, int] | None:
        """Append a block; its place, or None when there was nothing but white space.

        Blocks are separated by an empty line, items of a list and rows of a table by a newline.
        """
        text = clean(text).strip("\n") if kind is BlockKind.CODE else clean(text).strip()
        if not text or text.isspace():
            return None
        self._separate(kind)
        start = self._length
        self._append(text)
        self._blocks.append(Block(kind=kind, char_from=start, char_to=self._length, level=level))
        self._last = kind
        return start, self._length

    def verbatim(self, kind: BlockKind, text: str, *, between: re.Pattern[str]) -> None:
        """Append text to the letter, but for what no store can keep; its blocks are what `between` divides."""
        text = clean(text)
        gaps = [(0, 0), *(match.span() for match in between.finditer(text)), (len(text), len(text))]
        parts = [trimmed(text, before[1], after[0]) for before, after in pairwise(gaps)]
        parts = [(start, end) for start, end in parts if start < end]
        if not parts:
            return
        self._separate(kind)
        place = self._length
        self._append(text)
        self._blocks += [Block(kind=kind, char_from=place + start, char_to=place + end) for start, end in parts]
        self._last = kind

    def table(self, rows: Iterable[Sequence[str]], *, header: bool | None = None) -> None:
        """Append rows as "cell | cell". `header` says whether the first names the columns; None: by its looks."""
        first: list[str] | None = None
        for row in rows:
            cells = [one_line(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if not cells:
                continue
            if first is None and sum(map(bool, cells)) < 2:  # noqa: PLR2004 a caption above the table, or a list
                self.add(BlockKind.TABLE_ROW, " | ".join(cells))
                continue
            if first is None:
                first = cells
                continue
            if first:
                named = names_columns(first) if header is None else header
                self.add(BlockKind.TABLE_HEADER if named else BlockKind.TABLE_ROW, " | ".join(first))
                first = []
            self.add(BlockKind.TABLE_ROW, " | ".join(cells))
        if first:
            self.add(BlockKind.TABLE_ROW, " | ".join(first))  # a row alone heads nothing

    def include(self, document: ParsedDocument, *, below: int) -> None:
        """Append the blocks of a document that was inside this one, its headings `below` levels deeper."""
        for block in document.blocks:
            level = block.level + below if block.kind is BlockKind.HEADING else 0
            self.add(block.kind, document.text[block.char_from : block.char_to], level=level)

    def start_page(self) -> None:
        """Blocks from here on belong to the next page."""
        if self._parts:
            self._append("\n\n")
        self._last = None
        self._page_from = self._length

    def end_page(
        self, number: int, *, width: float = 0.0, height: float = 0.0, spans: tuple[TextSpan, ...] = ()
    ) -> None:
        """Close the page begun by `start_page`; `spans` count from its first character."""
        if self._page_from is None:
            raise ValueError("no page was started")
        self._pages.append(
            Page(
                number=number,
                char_from=self._page_from,
                char_to=self._length,
                width=round(width, 2),
                height=round(height, 2),
                spans=spans,
            )
        )
        self._page_from = None

    def finish(self, *, title: str | None = None, language: str | None = None) -> ParsedDocument:
        """All of it. Pages on which nothing was added are listed as without text."""
        return ParsedDocument(
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            pages=tuple(self._pages),
            title=one_line(clean(title or ""))[:MAX_TITLE] or None,
            language=language_code(language),
            pages_without_text=tuple(page.number for page in self._pages if page.char_from == page.char_to),
        )

    def _separate(self, kind: BlockKind) -> None:
        if self._last is not None:
            self._append("\n" if (self._last, kind) in _TIGHT else "\n\n")

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._limits.max_chars:
            raise too_much_text(f"more than {self._limits.max_chars:,} characters of text")
