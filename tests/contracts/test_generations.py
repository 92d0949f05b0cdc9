"""What the records of generations promise; run on the fake and on Postgres."""

import asyncio

import pytest
from attrs import evolve

from application.errors import AlreadyExists
from application.ports.generations import HeldPassages, Unbuilt
from domain.documents import Document
from domain.generations import Generation, Recipe
from domain.ids import chunk_id
from domain.passages import Chunk
from tests.contracts.units import NOW, Team, Units, found_team, make_chunk, make_document, make_page

LIVE = Generation.first(Recipe(model="old", name="old", dimensions=8), NOW)
BUILDING = Generation.begun(2, Recipe(model="/models/new", name="new@1", dimensions=16, words=3), NOW)


@pytest.fixture
async def team(units: Units) -> Team:
    """A workspace, while one generation is live and another is being built."""
    async with units.begin(None) as work:
        await work.generations.add(LIVE)
        await work.generations.add(BUILDING)
        await work.commit()
    return await found_team(units)


def passages(document: Document, count: int, *, generation: int) -> list[Chunk]:
    return [
        evolve(make_chunk(document.id, n, text=f"{generation}/{n}"), id=chunk_id(document.id, 1, n, generation))
        for n in range(count)
    ]


async def live_document(units: Units, team: Team, chunks: int = 2) -> Document:
    """Ready, in the live generation alone."""
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.passages.replace(document.id, 1, passages(document, chunks, generation=1), [make_page()])
        document = document.completed(page_count=1, chunk_count=chunks, language=None, now=NOW)
        await work.documents.save(document)
        await work.commit()
    return document


async def test_records_are_kept_as_they_are(units: Units, team: Team) -> None:
    """By number, with every field, for units of work of workspaces too."""
    hindered = BUILDING.hindered("The model is not there.")
    async with units.begin(None) as work:
        await work.generations.save(hindered)
        await work.generations.save(LIVE.found_at("/elsewhere"))
        await work.commit()

    async with units.begin(team.id) as work:
        assert [LIVE.found_at("/elsewhere"), hindered] == await work.generations.all()


@pytest.mark.parametrize(
    "another", [Generation.begun(3, BUILDING.recipe, NOW), evolve(LIVE, number=3), evolve(LIVE.retired(NOW), number=1)]
)
async def test_one_of_each(units: Units, team: Team, another: Generation) -> None:
    """Neither is a second one live or built, nor a number given twice."""
    async with units.begin(None) as work:
        with pytest.raises(AlreadyExists):
            await work.generations.add(another)


async def test_what_is_missing(units: Units, team: Team) -> None:
    """Documents that are live and not built, oldest first; neither unready nor deleted ones."""
    built, older, newer, gone = [await live_document(units, team) for _ in range(4)]
    async with units.begin(team.id) as work:
        await work.documents.add(make_document(team))  # not ready
        await work.passages.replace(built.id, 1, passages(built, 3, generation=2), [], generation=2)
        await work.documents.save(gone.deleted(NOW))
        await work.commit()

    async with units.begin(None) as work:
        missing = [
            Unbuilt(workspace_id=team.id, document_id=each.id, revision=1, size=each.size) for each in (older, newer)
        ]
        assert missing == list(await work.generations.unbuilt(2, limit=10))
        assert missing[:1] == list(await work.generations.unbuilt(2, limit=1))
        assert await work.generations.progress(2) == (1, 3)
        held = HeldPassages(document_id=built.id, revision=1, chunks=3)
        assert [held] == await work.generations.held(team.id, 2)
        await work.generations.forget(2, [built.id])
        assert await work.generations.held(team.id, 2) == []
        assert len(await work.generations.held(team.id, 1)) == 4


async def test_going_live(units: Units, team: Team) -> None:
    """Readers see passages, pages and counts of the live generation, all at once."""
    document = await live_document(units, team, chunks=2)
    async with units.begin(team.id) as work:
        await work.passages.replace(document.id, 1, passages(document, 3, generation=2), [], generation=2)
        await work.passages.copy_pages(document.id, 1, generation=2)
        await work.commit()
    async with units.begin(team.id) as work:
        before = await work.passages.of_document(document.id, 1, limit=10)
        [state] = await work.documents.inventory(team.id, limit=10)
        assert (state.live_chunks, state.old_chunks, state.chunk_count) == (2, 0, 2)
    async with units.begin(None) as work:
        await work.generations.hold_alone()
        await work.generations.save(LIVE.retired(NOW))
        await work.generations.save(BUILDING.went_live(NOW))
        await work.generations.adopt(2, NOW)
        await work.commit()

    async with units.begin(team.id) as work:
        after = await work.passages.of_document(document.id, 1, limit=10)
        page = await work.passages.read_page(document.id, 1, 1)
        [state] = await work.documents.inventory(team.id, limit=10)
    assert [chunk.text for chunk in before] == ["1/0", "1/1"]
    assert [chunk.text for chunk in after] == ["2/0", "2/1", "2/2"]
    assert make_page() == page
    assert (state.live_chunks, state.old_chunks, state.chunk_count) == (3, 0, 3)


async def test_removing_what_was_retired(units: Units, team: Team) -> None:
    """Piece by piece until nothing is left of it, and of the others everything."""
    document = await live_document(units, team, chunks=5)
    async with units.begin(team.id) as work:
        await work.passages.replace(document.id, 1, passages(document, 5, generation=2), [make_page()], generation=2)
        await work.commit()

    removed = []
    while not removed or removed[-1]:
        async with units.begin(None) as work:
            removed.append(await work.generations.remove_passages(2, limit=3))
            await work.commit()
    assert sum(removed) == 6
    async with units.begin(team.id) as work:
        assert len(await work.passages.of_documents([document.id], limit=100)) == 5


async def test_nobody_goes_live_during_the_switch(units: Units, team: Team) -> None:
    """Who holds the switch waits for the one who makes it, and then sees what became of it."""
    seen: list[str] = []
    async with units.begin(None) as switching:
        await switching.generations.hold_alone()

        async def go_live() -> None:
            async with units.begin(team.id) as work:
                await work.generations.hold()
                seen.extend(record.state.value for record in await work.generations.all())

        waiting = asyncio.create_task(go_live())
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        await switching.generations.save(LIVE.retired(NOW))
        await switching.generations.save(BUILDING.went_live(NOW))
        await switching.commit()
    await waiting

    assert seen == ["retired", "live"]
