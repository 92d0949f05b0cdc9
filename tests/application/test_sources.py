"""What is put before the model of all that was found."""

from uuid import uuid4

from application.knowledge import SearchFilters
from application.sources import FindSources, distinct, in_reading_order, within
from domain.access import Actor
from domain.ids import CollectionId, DocumentId, chunk_id
from domain.passages import Chunk, DocumentRef, Passage
from tests.application.conftest import upload
from tests.fakes.assembly import Assembly

ONE, OTHER = DocumentId(uuid4()), DocumentId(uuid4())


def passage(
    text: str, *, document: DocumentId = ONE, ordinal: int = 0, score: float = 1.0, tokens: int = 10
) -> Passage:
    chunk = Chunk(
        id=chunk_id(document, 1, ordinal),
        document_id=document,
        revision=1,
        ordinal=ordinal,
        text=text,
        char_from=0,
        char_to=len(text),
        page_from=None,
        page_to=None,
        token_count=tokens,
    )
    ref = DocumentRef(
        id=document, title="T", filename="t.txt", media_type="text/plain", collection_id=CollectionId(uuid4())
    )
    return Passage(chunk=chunk, document=ref, score=score)


def finder(assembly: Assembly, budget: int = 6000) -> FindSources:
    return FindSources(begin=assembly.begin, search=assembly.use_cases.search, budget=budget)


def test_near_duplicates_are_dropped() -> None:
    """The better of two that say the same stays, whatever the case and the signs; one that holds another counts too."""
    best = passage("The notice period is three months to the end of a quarter.", ordinal=0)
    same = passage("The NOTICE period is three months, to the end of a quarter!", ordinal=1)
    part = passage("three months to the end of a quarter", ordinal=2)
    fresh = passage("Holidays are thirty days a year.", ordinal=3)

    assert distinct([best, same, part, fresh]) == [best, fresh]


def test_the_budget_takes_hits_first_and_always_one() -> None:
    """Then neighbours, as long as there is room; a first hit that is too long is given all the same."""
    hits = [passage(f"Hit number {n} says {n * 7} things.", ordinal=n * 2, tokens=100) for n in range(3)]
    beside = [passage("A neighbour tells of quite different matters.", ordinal=1, tokens=100)]

    assert within(400, hits, beside) == [*hits, *beside]
    assert within(399, hits, beside) == hits
    assert within(200, hits, beside) == hits[:2]
    assert within(1, hits, beside) == hits[:1]


def test_passages_stand_as_in_their_documents() -> None:
    """The document with the best passage first, its passages in reading order."""
    late = passage("late", ordinal=7, score=0.9)
    early = passage("early", ordinal=2, score=0.4)
    other = passage("other", document=OTHER, score=0.8)

    assert in_reading_order([late, other, early]) == [early, late, other]


async def test_neighbours_come_along(assembly: Assembly, ann: Actor) -> None:
    """What stands before and after the best hit is given too, in order, each under its own name."""
    words = [
        "Introduction to quite general affairs of the house and its garden.",
        "Before that, the boiler must be filled with clean water from the tap.",
        "The zebra valve opens at exactly seven bar of pressure.",
        "After that, the technician writes the day into the green book.",
        "Closing remarks on unrelated weather of the northern islands.",
    ]
    text = "\n\n".join(f"# Part {n}\n\n" + (sentence + " ") * 12 for n, sentence in enumerate(words))
    await upload(assembly, ann, text)

    sources = await finder(assembly)(ann, query="zebra valve", filters=SearchFilters())
    ordinals = [source.passage.chunk.ordinal for source in sources]

    assert ordinals == sorted(ordinals)
    assert any("zebra" in "".join(source.blocks) for source in sources)
    assert len({source.uri for source in sources}) == len(sources)


async def test_what_was_given_is_not_given_again(assembly: Assembly, ann: Actor) -> None:
    """Unless there is nothing else."""
    await upload(assembly, ann, "The zebra valve opens at seven bar.", name="a.txt")
    await upload(assembly, ann, "Another zebra valve was painted green in May.", name="b.txt")
    find = finder(assembly)
    first = await find(ann, query="zebra valve", filters=SearchFilters())
    known = [first[0].passage.chunk.id]

    assert known[0] not in [
        s.passage.chunk.id for s in await find(ann, query="zebra", filters=SearchFilters(), given=known)
    ]
    both = [source.passage.chunk.id for source in first]
    assert await find(ann, query="zebra valve", filters=SearchFilters(), given=both)
