"""Answers and the check that every citation must pass before anybody sees it.

A citation is shown only if its source was given to the model for this very answer, the quote stands in
that source to the letter, and the place it claims is a place in the answer. The fourth condition, that
the reader may read the document, is asked when the answer is read.
"""

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field, frozen

from domain.ids import ChunkId, DocumentId
from domain.pages import PageIndex
from domain.passages import Chunk, Page, PageBoxes, Passage


@frozen(kw_only=True)
class Source:
    """A passage as it is given to the model: a stable URI and its citable blocks.

    `blocks` are consecutive parts of the passage's text: joined, they are the text. A provider cites a
    half-open range of them.
    """

    uri: str
    title: str
    blocks: tuple[str, ...]
    passage: Passage


def source_uri(document_id: DocumentId, chunk_id: ChunkId) -> str:
    """The name under which a chunk is known to the model; never an index, which shifts as a talk grows."""
    return f"kb://{document_id}/{chunk_id}"


@frozen(kw_only=True)
class Citation:
    """A claim in the answer and the words that back it."""

    index: int  # from 0, in the order of the answer
    claim_from: int  # code points into the answer's content; `from` on the wire
    claim_to: int  # half open; `to` on the wire
    chunk_id: ChunkId
    document_id: DocumentId
    document_title: str
    page_from: int | None
    page_to: int | None
    quote: str  # verbatim text of the chunk
    boxes: tuple[PageBoxes, ...] = ()  # of the lines that hold the quote


@frozen(kw_only=True)
class ClaimedCitation:
    """What a model says it took from where, not yet believed."""

    source_uri: str
    block_from: int
    block_to: int  # half open
    quote: str


def check_citation(
    claim: ClaimedCitation,
    sources: Mapping[str, Source],
    *,
    claim_from: int,
    claim_to: int,
    index: int,
    pages: Mapping[ChunkId, Sequence[Page]],
) -> Citation | None:
    """The citation if it holds, else None (the caller drops and counts it).

    The quote must equal the cited blocks; servers that strip white space at their ends are forgiven, and
    the chunk's own words are shown.
    """
    source = sources.get(claim.source_uri)
    if source is None or not 0 <= claim.block_from < claim.block_to <= len(source.blocks) or claim_from >= claim_to:
        return None
    cited = "".join(source.blocks[claim.block_from : claim.block_to])
    if cited.strip() != claim.quote.strip() or not cited.strip():
        return None
    chunk = source.passage.chunk
    quote = cited.strip()
    place = chunk.text.find(quote, len("".join(source.blocks[: claim.block_from])))
    if place < 0:
        return None
    end = place + len(quote)
    page_from, page_to = chunk.pages_of(place, end)
    return Citation(
        index=index,
        claim_from=claim_from,
        claim_to=claim_to,
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        document_title=source.passage.document.title,
        page_from=page_from,
        page_to=page_to,
        quote=quote,
        boxes=_boxes(chunk, place, end, pages.get(chunk.id, ())),
    )


def _boxes(chunk: Chunk, start: int, end: int, pages: Sequence[Page]) -> tuple[PageBoxes, ...]:
    """Of the lines that hold `text[start:end]`; of the whole chunk on those pages where the lines are not known."""
    lines = PageIndex(pages).boxes(chunk.char_from + start, chunk.char_from + end)
    first, last = chunk.pages_of(start, end)
    return lines or tuple(boxes for boxes in chunk.boxes if first is None or first <= boxes.page <= (last or 0))


@define
class AnswerDraft:
    """An answer growing part by part: text blocks, each with the citations that came with it.

    Providers send a block's citations before, between or after its text; a block is one claim, so its
    citations are checked when it is closed.
    """

    sources: dict[str, Source] = field(factory=dict)
    content: str = ""
    citations: list[Citation] = field(factory=list)
    dropped: int = 0
    pages: dict[ChunkId, Sequence[Page]] = field(factory=dict)  # that cited chunks stand on
    _block_from: int = 0
    _claims: list[ClaimedCitation] = field(factory=list)

    def give(self, sources: Sequence[Source]) -> None:
        """These sources were put before the model for this answer."""
        self.sources.update({source.uri: source for source in sources})

    def open_block(self) -> None:
        """A new text block starts; one left open is closed by `close_block` first."""
        self._block_from = len(self.content)
        self._claims.clear()

    def add_text(self, text: str) -> None:
        """More of the present block."""
        self.content += text

    def add_claim(self, claim: ClaimedCitation) -> None:
        """A citation of the present block, to be checked when the block is closed."""
        self._claims.append(claim)

    def unplaced(self) -> list[Chunk]:
        """Chunks that the present block cites, and whose pages are not in `pages` yet."""
        sources = [self.sources[claim.source_uri] for claim in self._claims if claim.source_uri in self.sources]
        cited = {source.passage.chunk.id: source.passage.chunk for source in sources}
        return [chunk for chunk in cited.values() if chunk.boxes and chunk.id not in self.pages]

    def close_block(self) -> tuple[Citation, ...]:
        """The citations of the block that hold; the others are dropped and counted."""
        found: list[Citation] = []
        start, end = _trimmed(self.content, self._block_from, len(self.content))
        for claim in self._claims:
            index = len(self.citations)
            citation = check_citation(
                claim, self.sources, claim_from=start, claim_to=end, index=index, pages=self.pages
            )
            if citation is None:
                self.dropped += 1
            elif not any(evolve(citation, index=c.index) == c for c in self.citations):
                self.citations.append(citation)
                found.append(citation)
        self.open_block()
        return tuple(found)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
