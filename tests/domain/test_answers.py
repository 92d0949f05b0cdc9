"""The check that every citation must pass."""

from uuid import UUID

import pytest

from application.sources import make_source
from domain.answers import AnswerDraft, Citation, ClaimedCitation, check_citation
from domain.ids import ChunkId, CollectionId, DocumentId
from domain.passages import Chunk, DocumentRef, Page, PageBoxes, Passage, TextSpan

FIRST, SECOND, THIRD = "Water boils at 100 degrees. ", "It freezes at 0.\n\n", "Steam is hot."
DOCUMENT = DocumentId(UUID(int=1))


def passage(page_from: int | None = 3) -> Passage:
    text = FIRST + SECOND + THIRD
    chunk = Chunk(
        id=ChunkId(UUID(int=2)),
        document_id=DOCUMENT,
        revision=1,
        ordinal=0,
        text=text,
        char_from=0,
        char_to=len(text),
        page_from=page_from,
        page_to=None if page_from is None else 4,
        boxes=(PageBoxes(page=3, rects=()), PageBoxes(page=4, rects=())) if page_from else (),
        page_starts=((4, len(FIRST + SECOND)),) if page_from else (),
    )
    reference = DocumentRef(
        id=DOCUMENT,
        title="Physics",
        filename="p.pdf",
        media_type="application/pdf",
        collection_id=CollectionId(DOCUMENT),
    )
    return Passage(chunk=chunk, document=reference, score=1.0)


def cite(
    quote: str, block_from: int, block_to: int, *, page_from: int | None = 3, pages: tuple[Page, ...] = ()
) -> Citation | None:
    source = make_source(passage(page_from))
    claim = ClaimedCitation(source_uri=source.uri, block_from=block_from, block_to=block_to, quote=quote)
    known = {source.passage.chunk.id: pages}
    return check_citation(claim, {source.uri: source}, claim_from=0, claim_to=5, index=0, pages=known)


def test_a_citation_has_the_boxes_of_the_lines_that_hold_its_quote() -> None:
    """Not those of the whole passage, as long as the lines are known."""
    lines = [(0, len(FIRST)), (len(FIRST), len(FIRST + SECOND))]
    boxes = [(10.0, 100.0 * n, 90.0, 100.0 * n + 10) for n in (1, 2, 3)]
    third = Page(
        number=3,
        char_from=0,
        char_to=len(FIRST + SECOND),
        spans=tuple(TextSpan(char_from=a, char_to=b, bbox=box) for (a, b), box in zip(lines, boxes, strict=False)),
    )
    fourth = Page(
        number=4,
        char_from=len(FIRST + SECOND),
        char_to=len(FIRST + SECOND + THIRD),
        spans=(TextSpan(char_from=0, char_to=len(THIRD), bbox=boxes[2]),),
    )
    cited = [cite(quote, n, n + 1, pages=(third, fourth)) for n, quote in enumerate((FIRST, SECOND, THIRD))]

    assert [one and one.boxes for one in cited] == [
        (PageBoxes(page=3, rects=(boxes[0],)),),
        (PageBoxes(page=3, rects=(boxes[1],)),),
        (PageBoxes(page=4, rects=(boxes[2],)),),
    ]


@pytest.mark.parametrize(
    ("quote", "blocks", "pages"),
    [
        (FIRST, (0, 1), (3, 3)),
        (FIRST + SECOND, (0, 2), (3, 3)),
        (SECOND + THIRD, (1, 3), (3, 4)),
        (THIRD, (2, 3), (4, 4)),
    ],
)
def test_a_citation_names_the_pages_of_its_quote(quote: str, blocks: tuple[int, int], pages: tuple[int, int]) -> None:
    """Not those of the whole passage, which may go over several."""
    citation = cite(quote, *blocks)

    assert citation is not None
    assert pages == (citation.page_from, citation.page_to)
    assert set(range(pages[0], pages[1] + 1)) == {boxes.page for boxes in citation.boxes}


def test_without_pages_there_are_none() -> None:
    """Formats that have no pages give citations without."""
    citation = cite(THIRD, 2, 3, page_from=None)

    assert citation is not None
    assert (None, None, ()) == (citation.page_from, citation.page_to, citation.boxes)


@pytest.mark.parametrize(
    ("quote", "blocks"),
    [("Water boils at 90 degrees.", (0, 1)), (FIRST, (1, 2)), (THIRD, (2, 4)), (THIRD, (3, 3)), ("", (0, 0))],
)
def test_what_the_source_does_not_say_is_no_citation(quote: str, blocks: tuple[int, int]) -> None:
    """Other words, other places and places outside the source do not pass."""
    assert cite(quote, *blocks) is None


def test_a_claim_is_its_block_without_the_space_around_it() -> None:
    """Offsets are code points into the content, also beyond the basic plane."""
    source = make_source(passage())
    draft = AnswerDraft()
    draft.give([source])
    draft.add_text("🙂 Well.")
    draft.open_block()
    draft.add_claim(ClaimedCitation(source_uri=source.uri, block_from=0, block_to=1, quote=FIRST))
    draft.add_text(" It boils 🙂. ")
    [citation] = draft.close_block()

    assert "It boils 🙂." == draft.content[citation.claim_from : citation.claim_to]
