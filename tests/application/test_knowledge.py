"""What a search gives: phrases, copies, limits, and an index that is behind."""

from pathlib import Path

import pytest

from application.knowledge import POOL, SearchFilters
from domain.access import Actor
from domain.errors import InvalidInput
from domain.passages import SearchMode
from tests.application.conftest import member, upload
from tests.fakes.assembly import Assembly
from tests.fakes.reranking import FakeReranker

CLAUSE = "Either party may end this agreement by thirty days notice in writing to the other party. "
FILLER = "The harbour master keeps a list of all ships, their owners, cargo and berths for the season. "


async def found(assembly: Assembly, actor: Actor, query: str, **more: object) -> list[str]:
    outcome = await assembly.use_cases.search(actor, query=query, **more)  # type: ignore[arg-type]
    return [passage.document.filename for passage in outcome.passages]


@pytest.mark.parametrize("mode", list(SearchMode))
async def test_a_phrase_alone_must_stand_in_every_passage(assembly: Assembly, ann: Actor, mode: SearchMode) -> None:
    """Words in quotation marks are wanted together and in this order, in every mode."""
    await upload(assembly, ann, "The notice period is thirty days.", "right.txt")
    await upload(assembly, ann, "Thirty notices a day keep the period away.", "wrong.txt")

    assert ["right.txt"] == await found(assembly, ann, ' "notice  PERIOD"?', mode=mode)
    assert await found(assembly, ann, '"period notice"', mode=mode) == []


@pytest.mark.parametrize("mode", list(SearchMode))
async def test_a_phrase_in_a_question_comes_first(assembly: Assembly, ann: Actor, mode: SearchMode) -> None:
    """What answers the question in other words follows, and scores fall down the list."""
    await upload(assembly, ann, f"{FILLER} The notice period is thirty days.", "right.txt")
    await upload(assembly, ann, "How long is the period of notice? The period is long, the notice too.", "like.txt")
    asked = 'how long is the "notice  PERIOD"'

    outcome = await assembly.use_cases.search(ann, query=asked, mode=mode)

    assert ["right.txt", "like.txt"] == [passage.document.filename for passage in outcome.passages]
    assert outcome.passages[0].score >= outcome.passages[1].score
    assert await found(assembly, ann, asked.replace('"', ""), mode=mode) == ["like.txt", "right.txt"]


async def test_a_question_with_a_phrase_that_stands_nowhere(assembly: Assembly, ann: Actor) -> None:
    """A name in quotation marks, declined or spelt otherwise than in the documents, does not empty the answer."""
    await upload(assembly, ann, "Either party may end this agreement within the period of notice.", "contract.txt")

    assert ["contract.txt"] == await found(assembly, ann, 'what do they call the "periods of notice" here')


async def test_a_phrase_that_a_long_question_drowns(assembly: Assembly, ann: Actor) -> None:
    """Where none of the best passages holds it, those that its own words find do."""
    many = "\n\n".join(f"{FILLER * 9}{number}" for number in range(POOL + 20))
    ships = await upload(assembly, ann, many, "ships.txt")
    await upload(assembly, ann, f"{'of weather and wind ' * 60} Pelican law is the law of pelicans.", "right.txt")

    names = await found(assembly, ann, f'{FILLER * 4} What of "pelican law"?', limit=5, mode=SearchMode.SEMANTIC)

    assert ships.chunk_count > POOL
    assert names[0] == "right.txt"
    assert "ships.txt" in names[1:]


async def test_a_phrase_far_down_the_list_is_found(assembly: Assembly, ann: Actor) -> None:
    """Passages that have the words, but not together, do not push the right one out."""
    for number in range(30):
        await upload(assembly, ann, f"period of notice, notice of period, notice {number}", f"{number}.txt")
    await upload(assembly, ann, f"{FILLER}{FILLER}The notice period is long. {FILLER}{FILLER}", "right.txt")

    assert ["right.txt"] == await found(assembly, ann, '"notice period"', limit=1)


async def test_copies_are_shown_once(assembly: Assembly, ann: Actor) -> None:
    """Two documents that say the same take one place, and leave the next to another."""
    await upload(assembly, ann, CLAUSE * 3, "contract.txt")
    await upload(assembly, ann, CLAUSE.upper() * 3, "copy.txt")
    await upload(assembly, ann, "Notice of termination is given by the board.", "other.txt")

    names = await found(assembly, ann, "thirty days notice", limit=2)

    assert len(names) == 2
    assert "other.txt" in names


async def test_so_many_of_one_document(assembly: Assembly, ann: Actor) -> None:
    """`max_per_document` leaves room for other documents."""
    long = "".join(f"Rule {number} on pelicans: feed them fish of kind {number} daily. " * 6 for number in range(20))
    await upload(assembly, ann, long, "long.txt")
    await upload(assembly, ann, "Storks and pelicans share a pond.", "short.txt")

    names = await found(assembly, ann, "pelicans", limit=5, max_per_document=1)

    assert sorted(names) == ["long.txt", "short.txt"]


async def test_scores_fall(assembly: Assembly, ann: Actor) -> None:
    """No passage has a higher score than the one before it."""
    for number in range(6):
        await upload(assembly, ann, f"pelican {'harbour ' * number} {number}", f"{number}.txt")

    outcome = await assembly.use_cases.search(ann, query="pelican harbour")

    scores = [passage.score for passage in outcome.passages]
    assert len(scores) == 6
    assert scores == sorted(scores, reverse=True)


async def test_a_passage_that_the_database_does_not_know(assembly: Assembly, ann: Actor) -> None:
    """A document that was deleted is gone at once, though the index still holds it."""
    document = await upload(assembly, ann, "A pelican.", "gone.txt")
    await upload(assembly, ann, "Another pelican.", "here.txt")

    await assembly.use_cases.delete_document(ann, document_id=document.id)  # no worker runs

    assert ["here.txt"] == await found(assembly, ann, "pelican", limit=1)


async def test_empty_filters_match_nothing(assembly: Assembly, ann: Actor) -> None:
    """An empty set of tags is a condition that nothing meets."""
    await upload(assembly, ann, "A pelican.")

    assert await found(assembly, ann, "pelican", filters=SearchFilters(tags=frozenset())) == []


@pytest.mark.parametrize(("query", "limit"), [("  ", 10), ("x" * 10_001, 10), ("x", 0), ("x", 101)])
async def test_what_cannot_be_asked(assembly: Assembly, ann: Actor, query: str, limit: int) -> None:
    """Empty and endless queries and limits out of range are refused."""
    with pytest.raises(InvalidInput):
        await assembly.use_cases.search(ann, query=query, limit=limit)


async def test_reranking(tmp_path: Path) -> None:
    """A reranker's order and scores replace the index's, and the answer says whose order it is."""
    reranker = FakeReranker()
    assembly = Assembly(root=tmp_path, reranker=reranker)
    ann = await member(assembly, "ann@example.org")
    await upload(assembly, ann, "pelicans " * 5 + FILLER, "often.txt")
    await upload(assembly, ann, "Pelicans nest.", "short.txt")

    plain = await assembly.use_cases.search(ann, query="pelicans")
    again = await assembly.use_cases.search(ann, query="pelicans", rerank=True, limit=1)
    reranker.is_down = True
    without = await assembly.use_cases.search(ann, query="pelicans", rerank=True)

    assert (plain.reranked, again.reranked, without.reranked) == (False, True, False)
    assert ["short.txt"] == [passage.document.filename for passage in again.passages]
    assert again.passages[0].score == 0.5
    assert len(reranker.read) == 2  # more than are shown
    assert plain.passages == without.passages
    assert "search_without_reranker" in [event for _, event, _ in assembly.log.lines]


async def test_reranking_keeps_phrases_first(tmp_path: Path) -> None:
    """Whoever puts words in quotation marks wants them, whatever a model thinks of the rest."""
    assembly = Assembly(root=tmp_path, reranker=FakeReranker())
    ann = await member(assembly, "ann@example.org")
    await upload(assembly, ann, f"Of grey pelicans. {FILLER}", "right.txt")
    await upload(assembly, ann, "Pelicans nest.", "short.txt")

    outcome = await assembly.use_cases.search(ann, query='where do "grey pelicans" nest', rerank=True)

    assert ["right.txt", "short.txt"] == [passage.document.filename for passage in outcome.passages]
    assert outcome.passages[0].score >= outcome.passages[1].score == 1.0


async def test_reranking_without_a_reranker(assembly: Assembly, ann: Actor) -> None:
    """What is not configured is not pretended."""
    await upload(assembly, ann, CLAUSE, "contract.txt")

    outcome = await assembly.use_cases.search(ann, query="notice", rerank=True)

    assert len(outcome.passages) == 1
    assert not outcome.reranked
