"""What a parser gives and what a search finds: text with its place in the source.

One rule holds everywhere and is tested everywhere: offsets are Unicode code points into the document's
text, half open, and ``chunk.text == document_text[chunk.char_from:chunk.char_to]`` to the letter.
"""

from collections.abc import Sequence
from enum import StrEnum

from attrs import field, frozen

from domain.ids import ChunkId, CollectionId, DocumentId

# left, top, right, bottom in PDF points (1/72 inch), origin at the top left of the unrotated page as shown
Box = tuple[float, float, float, float]


class BlockKind(StrEnum):
    """What a run of text is in its document; decides where chunks may be cut."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_HEADER = "table_header"  # names the columns of the rows after it, and is context for them
    TABLE_ROW = "table_row"
    CODE = "code"


@frozen(kw_only=True)
class Block:
    """A structural piece of the text, in reading order; blocks never overlap."""

    kind: BlockKind
    char_from: int
    char_to: int
    level: int = 0  # of a heading: 1 is the highest; 0 for anything else


@frozen(kw_only=True)
class TextSpan:
    """A line or word with its place on the page. Offsets count from the start of the page's own text."""

    char_from: int
    char_to: int
    bbox: Box


@frozen(kw_only=True)
class Page:
    """A page, slide or sheet: a range of the document's text, with the places of its lines."""

    number: int  # from 1
    char_from: int
    char_to: int
    width: float = 0.0  # points
    height: float = 0.0
    spans: tuple[TextSpan, ...] = ()


@frozen(kw_only=True)
class ParsedDocument:
    """All that a parser found. `pages` is empty for formats that have none."""

    text: str
    blocks: tuple[Block, ...]
    pages: tuple[Page, ...] = ()
    title: str | None = None  # as the document itself gives it
    language: str | None = None  # ISO 639-1 where the document says so
    pages_without_text: tuple[int, ...] = ()


@frozen(kw_only=True)
class PageBoxes:
    """Where on one page a passage stands."""

    page: int
    rects: tuple[Box, ...]


def below_headings(path: Sequence[str], text: str) -> str:
    """`text` below the headings of its path, a line each; those that it begins with are not said twice."""
    for start in range(len(path)):
        if _begins_with(text, " ".join(path[start:]).split()):
            return "\n".join((*path[:start], text))
    return "\n".join((*path, text))


def _begins_with(text: str, words: Sequence[str]) -> bool:
    """Whether the words fill its first lines, whatever white space stands between them."""
    if not words or not text.startswith(words[0]):
        return False
    found: list[str] = []
    place = 0
    while len(found) < len(words) and place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        found += text[place:end].split()
        place = end + 1
    return found == words


@frozen(kw_only=True)
class Chunk:
    """A passage: the unit of embedding, search and citation."""

    id: ChunkId
    document_id: DocumentId
    revision: int
    ordinal: int  # from 0, in reading order
    text: str
    char_from: int
    char_to: int
    page_from: int | None
    page_to: int | None
    heading_path: tuple[str, ...] = ()  # outermost first, of all that `text` tells; it may begin with some of them
    token_count: int = 0  # of `text`, in the embedder's own tokens
    boxes: tuple[PageBoxes, ...] = ()
    page_starts: tuple[tuple[int, int], ...] = ()  # (page, code point in `text`) where a page begins inside

    def pages_of(self, start: int, end: int) -> tuple[int | None, int | None]:
        """First and last page of `text[start:end]`; None twice for formats without pages."""
        if self.page_from is None:
            return None, None
        first = [page for page, offset in self.page_starts if offset <= start]
        last = [page for page, offset in self.page_starts if offset < end]
        return (first or [self.page_from])[-1], (last or [self.page_from])[-1]

    @property
    def text_to_embed(self) -> str:
        """The headings above it, a line each, then the passage."""
        return below_headings(self.heading_path, self.text)


class SearchMode(StrEnum):
    """Which halves of the index answer."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"


@frozen(kw_only=True)
class DocumentRef:
    """What a passage tells about its document."""

    id: DocumentId
    title: str
    filename: str
    media_type: str
    collection_id: CollectionId


@frozen(kw_only=True)
class Passage:
    """A chunk that was found, with the reason."""

    chunk: Chunk
    document: DocumentRef
    score: float
    highlights: tuple[tuple[int, int], ...] = field(default=())  # code points into chunk.text, ascending, disjoint
