"""Joining units of text to pieces: what stands under one heading, up to a target, each below its headings."""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final

from attrs import evolve, frozen

from domain.passages import BlockKind

CountTokens = Callable[[Sequence[str]], list[int]]

SLACK: Final = 16  # tokens by which a sum of counts may be short of the count of what is joined
_HEADING_SHARE: Final = 4  # headings may take one such part of the embedder's window
_SMALL_SHARE: Final = 4  # a piece below such a part of the target is joined to its neighbour
_HEADING_CHARS: Final = 300
_BATCH: Final = 512


@frozen
class Unit:
    """The smallest thing that is packed: a sentence, a row, a heading, a line of code."""

    start: int
    end: int
    tokens: int
    block: int  # which block it is of
    kind: BlockKind
    level: int


@frozen
class Piece:
    """A chunk to be."""

    units: tuple[Unit, ...]
    above: tuple[str, ...]  # headings that stand before it
    inside: tuple[str, ...] = ()  # headings that it begins with and that hold for all of it
    overlap: int = 0  # how many of the units are repeated from the piece before

    @property
    def path(self) -> tuple[str, ...]:
        """The headings that hold for all of it, outermost first."""
        return self.above + self.inside

    @property
    def start(self) -> int:
        """Its first code point in the text."""
        return self.units[0].start

    @property
    def end(self) -> int:
        """Behind its last code point."""
        return self.units[-1].end

    @property
    def tokens(self) -> int:
        """The sum of its units': near its true length."""
        return sum(unit.tokens for unit in self.units)

    @property
    def own(self) -> tuple[Unit, ...]:
        """The units that are not repeated."""
        return self.units[self.overlap :]


class Measure:
    """How long texts are for the embedder, and what of its window headings may take."""

    def __init__(self, text: str, count_tokens: CountTokens, window: int) -> None:
        self.window = window
        self._text = text
        self._count = count_tokens
        self._known: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Counts in batches, each distinct text once."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            self._known.update(zip(batch, self._count(batch), strict=True))
        return [self._known[text] for text in texts]

    def heading(self, unit: Unit) -> str:
        """A heading as context: one line, cut where it is endless."""
        return " ".join(self._text[unit.start : unit.end].split())[:_HEADING_CHARS]

    def context(self, headings: Sequence[str]) -> tuple[str, ...]:
        """The innermost headings that fit their share of the window."""
        budget = self.window // _HEADING_SHARE
        kept: list[str] = []
        for text, tokens in zip(reversed(headings), reversed(self.count(headings)), strict=True):
            budget -= tokens + 1
            if budget < 0:
                break
            kept.append(text)
        return tuple(reversed(kept))

    def fits(self, tokens: int, path: tuple[str, ...]) -> bool:
        """Whether so many tokens fit the window below these headings, by their sum."""
        return tokens + sum(self.count(path)) + len(path) <= self.window


def _shared_start(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class Packer:
    """Joins units until `target` tokens are reached, and begins a new piece at each heading."""

    def __init__(self, measure: Measure, *, target: int, overlap: int) -> None:
        self._pieces: list[Piece] = []
        self._measure = measure
        self._target = target
        self._overlap_tokens = overlap
        self._small = target // _SMALL_SHARE
        self._units: list[Unit] = []
        self._tokens = 0
        self._overlap = 0
        self._headings: list[tuple[int, str]] = []  # in effect, outermost first
        self._columns: Unit | None = None  # the header of the table under way
        self._above: tuple[str, ...] = ()  # the context of the piece under way
        self._depth = 0  # how many headings are in effect where it begins
        self._inside: tuple[str, ...] | None = None  # headings within it that hold for all of its body so far
        self._section_start = 0  # index into `_pieces`: earlier ones belong to other sections

    def packed(self, units: Sequence[Unit]) -> list[Piece]:
        """All of them, in order."""
        for unit in units:
            self._add(unit)
        self._flush()
        return self._pieces

    def _add(self, unit: Unit) -> None:
        """Put a unit into the piece under way, or close that first."""
        if unit.kind is not BlockKind.TABLE_ROW:
            self._columns = None
        if unit.kind is BlockKind.HEADING:
            self._heading(unit)
            return
        if self._units and self._is_full(unit):
            self._next_of_section(unit)
        self._put(unit)
        if unit.kind is BlockKind.TABLE_HEADER:
            self._columns = unit

    def _flush(self) -> None:
        """Close the piece under way; one that is tiny joins the one before it in its section."""
        if len(self._units) > self._overlap:
            piece = Piece(tuple(self._units), self._above, self._inside or (), self._overlap)
            if not self._joined(piece):
                self._pieces.append(piece)
        self._units, self._tokens, self._overlap = [], 0, 0

    def _heading(self, unit: Unit) -> None:
        follows = bool(self._units) and self._units[-1].kind is BlockKind.HEADING
        if follows and self._units[-1].block == unit.block:
            self._put(unit)  # the rest of a heading that was too long for one unit
            return
        body = any(own.kind is not BlockKind.HEADING for own in self._units[self._overlap :])
        outer = unit.level <= 1 or not self._headings
        if (body and (self._tokens >= self._small or outer)) or self._is_full(unit):
            self._flush()
        while self._headings and self._headings[-1][0] >= unit.level:
            self._headings.pop()
        if not self._units:
            self._section_start = len(self._pieces)
        self._put(unit)
        self._headings.append((unit.level, self._measure.heading(unit)))

    def _context(self) -> tuple[str, ...]:
        """The headings in effect and, within a table, the names of its columns where there is room for them."""
        headings = [text for _, text in self._headings]
        if self._columns is not None:
            path = self._measure.context([*headings, self._measure.heading(self._columns)])
            if path:
                return path
        return self._measure.context(headings)

    def _put(self, unit: Unit) -> None:
        if not self._units:
            self._above, self._depth, self._inside = self._context(), len(self._headings), None
        self._units.append(unit)
        self._tokens += unit.tokens
        if unit.kind is not BlockKind.HEADING:
            inside = tuple(text for _, text in self._headings[self._depth :])
            self._inside = inside if self._inside is None else _shared_start(self._inside, inside)

    def _is_full(self, unit: Unit) -> bool:
        after = self._tokens + unit.tokens
        if after > self._target or not self._measure.fits(after, self._above):
            body = any(own.kind is not BlockKind.HEADING for own in self._units)
            # a heading stays with the first sentence below it where the window allows
            return body or not self._measure.fits(after, self._above)
        new_block = unit.block != self._units[-1].block if self._units else False
        return new_block and self._tokens * 5 >= self._target * 4

    def _next_of_section(self, unit: Unit) -> None:
        repeated = self._repeated(unit)
        self._flush()
        if repeated is not None:
            self._put(repeated)
            self._overlap = 1

    def _repeated(self, unit: Unit) -> Unit | None:
        """The last sentence of the piece under way, to begin the next one with, when it is short enough."""
        last = self._units[-1]
        texts = {BlockKind.PARAGRAPH, BlockKind.LIST_ITEM}
        wanted = last.kind in texts and unit.kind in texts and len(self._units) > self._overlap + 1
        fits = last.tokens <= self._overlap_tokens and last.tokens + unit.tokens <= self._target
        return last if wanted and fits else None

    def _joined(self, piece: Piece) -> bool:
        own = piece.own
        tokens = sum(unit.tokens for unit in own)
        if tokens >= self._small or len(self._pieces) <= self._section_start:
            return False
        before = self._pieces[-1]
        if not self._measure.fits(before.tokens + tokens, before.above):
            return False
        self._pieces[-1] = evolve(before, units=before.units + own)
        return True
