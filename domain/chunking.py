"""From a document to passages: the only place that decides where text is cut.

Cuts follow structure: a heading begins a passage, then come paragraphs, list items and table rows, then
sentences; only a run without any boundary is cut by length. Every chunk's text is verbatim, and its headings
travel beside it as context for the embedding, and so do the names of the columns beside the rows of a long table.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve

from domain.ids import DocumentId, chunk_id
from domain.packing import SLACK, CountTokens, Measure, Packer, Piece, Unit
from domain.pages import PageIndex
from domain.passages import Block, BlockKind, Chunk, ParsedDocument, below_headings
from domain.sentences import sentences, trimmed

RULES: Final = 3  # to be raised with every change of what is cut where: indexes are then built anew beside the live
TARGET_TOKENS: Final = 200  # small enough to be about one thing, and room for headings in a window of 256
_OVERLAP_SHARE: Final = 5
_WIDEST_SPACE: Final = 3  # bytes in UTF-8
_ROWS: Final = {BlockKind.TABLE_HEADER, BlockKind.TABLE_ROW}


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
    measure = Measure(document.text, count_tokens, max_tokens)
    cutter = _Cutter(document.text, measure, target_tokens)
    packer = Packer(measure, target=target_tokens, overlap=overlap_tokens)
    pieces = cutter.fitted(packer.packed(cutter.units(document.blocks)))
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
        for ordinal, (piece, text, count) in enumerate(zip(pieces, texts, measure.count(texts), strict=True))
    ]


class _Cutter:
    """Divides a text into units before they are packed, and pieces again that came out too long."""

    def __init__(self, text: str, measure: Measure, target: int) -> None:
        self._text = text
        self._measure = measure
        self._target = target

    def units(self, blocks: Sequence[Block]) -> list[Unit]:
        """The text in units of at most the target's size."""
        raw = [
            (start, end, number, block.kind, block.level)
            for number, block in enumerate(self._covering(blocks))
            for start, end in self._parts(block)
        ]
        counts = self._measure.count([self._text[start:end] for start, end, *_ in raw])
        return [
            Unit(a, b, tokens, number, kind, level)
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
            counts = self._measure.count([self._text[a:b] for a, b in rest])
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

    def fitted(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Pieces whose true length fits: sums of counts are only near it for some tokenizers.

        It is measured where the sum is near the window; to count tokens is half of the work of cutting.
        """
        done: list[Piece] = []
        waiting: list[Piece] = []
        for piece in pieces:
            (done if self._surely_fits(piece) else waiting).append(piece)
        while waiting:
            embedded = [below_headings(piece.path, self._text[piece.start : piece.end]) for piece in waiting]
            next_round: list[Piece] = []
            for piece, count in zip(waiting, self._measure.count(embedded), strict=True):
                if count <= self._measure.window:
                    done.append(piece)
                else:
                    next_round.extend(self._smaller(piece))
            waiting = next_round
            done, waiting = (
                done + [p for p in waiting if p.end - p.start == 1 and not p.path],
                [p for p in waiting if p.end - p.start > 1 or p.path],
            )
        return sorted(done, key=lambda piece: (piece.own[0].start, piece.start))

    def _surely_fits(self, piece: Piece) -> bool:
        """By the sum, where some tokenizers count a word after a space for one more, and each byte of white space."""
        text = self._text[piece.start : piece.end]
        between = len(text) - sum(unit.end - unit.start for unit in piece.units)
        if not text.isascii():
            between *= _WIDEST_SPACE
        return self._measure.fits(piece.tokens + len(piece.units) + between + SLACK, piece.path)

    def _smaller(self, piece: Piece) -> Iterator[Piece]:
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
