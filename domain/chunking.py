"""From a document to passages: the only place that decides where text is cut.

Cuts follow structure: a heading begins a passage, then come paragraphs, list items and table rows, then
sentences; only a run without any boundary is cut by length. Every chunk's text is verbatim, and its headings
travel beside it as context for the embedding, and so do the names of the columns beside the rows of a long table.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Final

from attrs import evolve, frozen

from domain.ids import DocumentId, chunk_id
from domain.pages import PageIndex
from domain.passages import Block, BlockKind, Chunk, ParsedDocument, below_headings
from domain.sentences import sentences, trimmed

CountTokens = Callable[[Sequence[str]], list[int]]

RULES: Final = 2  # to be raised with every change of what is cut where: indexes are then built anew beside the live
TARGET_TOKENS: Final = 200  # small enough to be about one thing, and room for headings in a window of 256
_OVERLAP_SHARE: Final = 5
_HEADING_SHARE: Final = 4  # headings may take one such part of the embedder's window
_SMALL_SHARE: Final = 4  # a piece below such a part of the target is joined to its neighbour
_HEADING_CHARS: Final = 300
_BATCH: Final = 512
_ROWS: Final = {BlockKind.TABLE_HEADER, BlockKind.TABLE_ROW}


@frozen
class _Unit:
    """The smallest thing that is packed: a sentence, a row, a heading, a line of code."""

    start: int
    end: int
    tokens: int
    block: int  # which block it is of
    kind: BlockKind
    level: int


@frozen
class _Piece:
    """A chunk to be."""

    units: tuple[_Unit, ...]
    above: tuple[str, ...]  # headings that stand before it
    inside: tuple[str, ...] = ()  # headings that it begins with and that hold for all of it
    overlap: int = 0  # how many of the units are repeated from the piece before

    @property
    def path(self) -> tuple[str, ...]:
        return self.above + self.inside

    @property
    def start(self) -> int:
        return self.units[0].start

    @property
    def end(self) -> int:
        return self.units[-1].end

    @property
    def tokens(self) -> int:
        return sum(unit.tokens for unit in self.units)

    @property
    def own(self) -> tuple[_Unit, ...]:
        return self.units[self.overlap :]


def cut(
    document: ParsedDocument,
    *,
    document_id: DocumentId,
    revision: int,
    count_tokens: CountTokens,
    max_tokens: int,
    target_tokens: int | None = None,
    overlap_tokens: int | None = None,
) -> list[Chunk]:
    """The passages of a document, in reading order.

    ``count_tokens(texts)`` gives the embedder's token counts, without special tokens; `max_tokens` is its window.
    No `text_to_embed` is longer than the window, except where one single character is. All text that is not white
    space is in some chunk. Neighbours of one section share about a sentence, `overlap_tokens` at most.
    By default `target_tokens` is `TARGET_TOKENS`, or the window where that is smaller, and the overlap a fifth of it.
    Raises ValueError unless ``0 <= overlap_tokens < target_tokens <= max_tokens``.
    """
    target_tokens = min(TARGET_TOKENS, max_tokens) if target_tokens is None else target_tokens
    overlap_tokens = target_tokens // _OVERLAP_SHARE if overlap_tokens is None else overlap_tokens
    if not 0 <= overlap_tokens < target_tokens <= max_tokens:
        raise ValueError("needs 0 <= overlap_tokens < target_tokens <= max_tokens")
    cutter = _Cutter(document.text, count_tokens, max_tokens, target_tokens, overlap_tokens)
    pieces = cutter.fitted(cutter.packed(cutter.units(document.blocks)))
    texts = [document.text[piece.start : piece.end] for piece in pieces]
    pages = PageIndex(document.pages)
    return [
        Chunk(
            id=chunk_id(document_id, revision, ordinal),
            document_id=document_id,
            revision=revision,
            ordinal=ordinal,
            text=text,
            char_from=piece.start,
            char_to=piece.end,
            page_from=pages.number_at(piece.start),
            page_to=pages.number_at(piece.end - 1),
            heading_path=piece.path,
            token_count=count,
            boxes=pages.boxes(piece.start, piece.end),
            page_starts=pages.starts(piece.start, piece.end),
        )
        for ordinal, (piece, text, count) in enumerate(zip(pieces, texts, cutter.count(texts), strict=True))
    ]


class _Cutter:
    def __init__(self, text: str, count_tokens: CountTokens, window: int, target: int, overlap: int) -> None:
        self._text = text
        self._count = count_tokens
        self._window = window
        self._target = target
        self._overlap = overlap
        self._small = target // _SMALL_SHARE
        self._known: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Counts in batches, each distinct text once."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            self._known.update(zip(batch, self._count(batch), strict=True))
        return [self._known[text] for text in texts]

    def units(self, blocks: Sequence[Block]) -> list[_Unit]:
        """The text in units of at most the target's size."""
        raw = [
            (start, end, number, block.kind, block.level)
            for number, block in enumerate(self._covering(blocks))
            for start, end in self._parts(block)
        ]
        counts = self.count([self._text[start:end] for start, end, *_ in raw])
        return [
            _Unit(a, b, tokens, number, kind, level)
            for (start, end, number, kind, level), count in zip(raw, counts, strict=True)
            for a, b, tokens in self._broken(start, end, count)
        ]

    def _covering(self, blocks: Sequence[Block]) -> Iterator[Block]:
        """The blocks, with what lies between them as paragraphs."""
        place = 0
        for block in (*blocks, Block(kind=BlockKind.PARAGRAPH, char_from=len(self._text), char_to=len(self._text))):
            if self._text[place : block.char_from].strip():
                yield Block(kind=BlockKind.PARAGRAPH, char_from=place, char_to=block.char_from)
            if block.char_to > block.char_from:
                yield block
            place = max(place, block.char_to)

    def _parts(self, block: Block) -> Iterator[tuple[int, int]]:
        if block.kind is BlockKind.CODE:
            place = block.char_from
            for line in self._text[block.char_from : block.char_to].splitlines(keepends=True):
                start, end = trimmed(self._text, place, place + len(line))
                if end > start:
                    yield start, end
                place += len(line)
        elif block.kind is BlockKind.HEADING or block.kind in _ROWS:
            start, end = trimmed(self._text, block.char_from, block.char_to)
            if end > start:
                yield start, end
        else:
            yield from sentences(self._text, block.char_from, block.char_to)

    def _broken(self, start: int, end: int, tokens: int) -> list[tuple[int, int, int]]:
        """A range as pieces of at most the target, cut at white space near equal parts where there is any."""
        done: list[tuple[int, int, int]] = []
        waiting = [(start, end, tokens)]
        while waiting:
            rest: list[tuple[int, int]] = []
            for a, b, count in waiting:
                if count <= self._target or b - a == 1:
                    done.append((a, b, count))
                else:
                    rest.extend(self._divided(a, b, -(-count * 5 // (self._target * 4))))
            counts = self.count([self._text[a:b] for a, b in rest])
            waiting = [(a, b, count) for (a, b), count in zip(rest, counts, strict=True)]
        return sorted(done)

    def _divided(self, start: int, end: int, parts: int) -> Iterator[tuple[int, int]]:
        step = max((end - start) // max(parts, 2), 1)
        place = start
        while place < end:
            cut_at = self._boundary(place, place + step) if place + step < end else end
            a, b = trimmed(self._text, place, cut_at)
            if b > a:
                yield a, b
            place = cut_at

    def _boundary(self, start: int, wanted: int) -> int:
        """The last newline in the second half of the range, or white space, else `wanted`."""
        newline = self._text.rfind("\n", start + (wanted - start) // 2, wanted)
        if newline > start:
            return newline + 1
        for place in range(wanted, start + (wanted - start) // 2, -1):
            if self._text[place - 1].isspace():
                return place
        return wanted

    def packed(self, units: Sequence[_Unit]) -> list[_Piece]:
        """Units joined until the target is reached, a new piece at each heading."""
        packer = _Packer(self)
        for unit in units:
            packer.add(unit)
        packer.flush()
        return packer.pieces

    def heading(self, unit: _Unit) -> str:
        """A heading as context: one line, cut where it is endless."""
        return " ".join(self._text[unit.start : unit.end].split())[:_HEADING_CHARS]

    def context(self, headings: Sequence[str]) -> tuple[str, ...]:
        """The innermost headings that fit their share of the window."""
        budget = self._window // _HEADING_SHARE
        kept: list[str] = []
        for text, tokens in zip(reversed(headings), reversed(self.count(headings)), strict=True):
            budget -= tokens + 1
            if budget < 0:
                break
            kept.append(text)
        return tuple(reversed(kept))

    def fits(self, tokens: int, path: tuple[str, ...]) -> bool:
        """Whether so many tokens fit the window below these headings, by their sum."""
        return tokens + sum(self.count(path)) + len(path) <= self._window

    @property
    def target(self) -> int:
        return self._target

    @property
    def small(self) -> int:
        return self._small

    @property
    def overlap(self) -> int:
        return self._overlap

    def fitted(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Pieces whose true length fits: sums of counts are only near it for some tokenizers."""
        done: list[_Piece] = []
        waiting = list(pieces)
        while waiting:
            embedded = [below_headings(piece.path, self._text[piece.start : piece.end]) for piece in waiting]
            next_round: list[_Piece] = []
            for piece, count in zip(waiting, self.count(embedded), strict=True):
                if count <= self._window:
                    done.append(piece)
                else:
                    next_round.extend(self._smaller(piece))
            waiting = next_round
            done, waiting = (
                done + [p for p in waiting if p.end - p.start == 1 and not p.path],
                [p for p in waiting if p.end - p.start > 1 or p.path],
            )
        return sorted(done, key=lambda piece: (piece.own[0].start, piece.start))

    def _smaller(self, piece: _Piece) -> Iterator[_Piece]:
        if piece.overlap:
            yield evolve(piece, units=piece.own, overlap=0)
        elif len(piece.units) > 1:
            middle = len(piece.units) // 2
            yield evolve(piece, units=piece.units[:middle])
            yield evolve(piece, units=piece.units[middle:])
        elif piece.end - piece.start > 1:
            for a, b in self._divided(piece.start, piece.end, 2):
                yield evolve(piece, units=(evolve(piece.units[0], start=a, end=b, tokens=piece.tokens // 2),))
        else:
            yield evolve(piece, above=piece.path[1:], inside=())


def _shared_start(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class _Packer:
    """Fills one piece at a time."""

    def __init__(self, cutter: _Cutter) -> None:
        self.pieces: list[_Piece] = []
        self._cutter = cutter
        self._units: list[_Unit] = []
        self._tokens = 0
        self._overlap = 0
        self._headings: list[tuple[int, str]] = []  # in effect, outermost first
        self._columns: _Unit | None = None  # the header of the table under way
        self._above: tuple[str, ...] = ()  # the context of the piece under way
        self._depth = 0  # how many headings are in effect where it begins
        self._inside: tuple[str, ...] | None = None  # headings within it that hold for all of its body so far
        self._section_start = 0  # index into `pieces`: earlier ones belong to other sections

    def add(self, unit: _Unit) -> None:
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

    def flush(self) -> None:
        """Close the piece under way; one that is tiny joins the one before it in its section."""
        if len(self._units) > self._overlap:
            piece = _Piece(tuple(self._units), self._above, self._inside or (), self._overlap)
            if not self._joined(piece):
                self.pieces.append(piece)
        self._units, self._tokens, self._overlap = [], 0, 0

    def _heading(self, unit: _Unit) -> None:
        follows = bool(self._units) and self._units[-1].kind is BlockKind.HEADING
        if follows and self._units[-1].block == unit.block:
            self._put(unit)  # the rest of a heading that was too long for one unit
            return
        body = any(own.kind is not BlockKind.HEADING for own in self._units[self._overlap :])
        outer = unit.level <= 1 or not self._headings
        if (body and (self._tokens >= self._cutter.small or outer)) or self._is_full(unit):
            self.flush()
        while self._headings and self._headings[-1][0] >= unit.level:
            self._headings.pop()
        if not self._units:
            self._start_section()
        self._put(unit)
        self._headings.append((unit.level, self._cutter.heading(unit)))

    def _start_section(self) -> None:
        self._above = self._context()
        self._section_start = len(self.pieces)

    def _context(self) -> tuple[str, ...]:
        """The headings in effect and, within a table, the names of its columns where there is room for them."""
        headings = [text for _, text in self._headings]
        if self._columns is not None:
            path = self._cutter.context([*headings, self._cutter.heading(self._columns)])
            if path:
                return path
        return self._cutter.context(headings)

    def _put(self, unit: _Unit) -> None:
        if not self._units:
            self._above, self._depth, self._inside = self._context(), len(self._headings), None
        self._units.append(unit)
        self._tokens += unit.tokens
        if unit.kind is not BlockKind.HEADING:
            inside = tuple(text for _, text in self._headings[self._depth :])
            self._inside = inside if self._inside is None else _shared_start(self._inside, inside)

    def _is_full(self, unit: _Unit) -> bool:
        after = self._tokens + unit.tokens
        if after > self._cutter.target or not self._cutter.fits(after, self._above):
            body = any(own.kind is not BlockKind.HEADING for own in self._units)
            # a heading stays with the first sentence below it where the window allows
            return body or not self._cutter.fits(after, self._above)
        new_block = unit.block != self._units[-1].block if self._units else False
        return new_block and self._tokens * 5 >= self._cutter.target * 4

    def _next_of_section(self, unit: _Unit) -> None:
        repeated = self._repeated(unit)
        self.flush()
        if repeated is not None:
            self._put(repeated)
            self._overlap = 1

    def _repeated(self, unit: _Unit) -> _Unit | None:
        """The last sentence of the piece under way, to begin the next one with, when it is short enough."""
        last = self._units[-1]
        texts = {BlockKind.PARAGRAPH, BlockKind.LIST_ITEM}
        wanted = last.kind in texts and unit.kind in texts and len(self._units) > self._overlap + 1
        fits = last.tokens <= self._cutter.overlap and last.tokens + unit.tokens <= self._cutter.target
        return last if wanted and fits else None

    def _joined(self, piece: _Piece) -> bool:
        own = piece.own
        tokens = sum(unit.tokens for unit in own)
        if tokens >= self._cutter.small or len(self.pieces) <= self._section_start:
            return False
        before = self.pieces[-1]
        if not self._cutter.fits(before.tokens + tokens, before.above):
            return False
        self.pieces[-1] = evolve(before, units=before.units + own)
        return True
