"""What repositories of passages and pages keep."""

import pytest
from attrs import evolve

from application.errors import ConcurrentChange
from domain.ids import ChunkId, DocumentId
from domain.passages import DocumentRef
from tests.contracts.units import (
    NOW,
    Units,
    found_team,
    keep_document,
    make_chunk,
    make_document,
    make_page,
    new_id,
)


async def test_passages_come_back_as_they_were(units: Units) -> None:
    """Chunks with their boxes, pages with their spans and text."""
    team = await found_team(units)
    document = await keep_document(units, team)
    bare = evolve(
        make_chunk(document.id, 3), page_from=None, page_to=None, heading_path=(), boxes=(), text='"\\ \U0001d518'
    )
    async with units.begin(team.id) as work:
        await work.passages.replace(document.id, 1, [make_chunk(document.id, 0), bare], [make_page(1)])

        assert [make_chunk(document.id, 0), bare] == await work.passages.of_document(document.id, 1, limit=10)
        assert make_page(1) == await work.passages.read_page(document.id, 1, 1)
        assert await work.passages.read_page(document.id, 1, 2) is None
        assert await work.passages.read_page(document.id, 2, 1) is None


async def test_pages_of_chunks_are_those_they_stand_on(units: Units) -> None:
    """Ascending, of the chunk's revision and generation; nothing of a chunk without pages or one that is gone."""
    team = await found_team(units)
    document = await keep_document(units, team)
    both = make_chunk(document.id, 0)
    second = evolve(make_chunk(document.id, 1), page_from=2)
    bare = evolve(make_chunk(document.id, 2), page_from=None, page_to=None)
    pages = [make_page(2), make_page(1), make_page(3)]
    async with units.begin(team.id) as work:
        await work.passages.replace(document.id, 1, [both, second, bare], pages)
        await work.passages.replace(document.id, 2, [], [make_page(1)])

        found = await work.passages.pages_of([both, second, bare, make_chunk(document.id, 9)])

        assert found == {both.id: [make_page(1)[0], make_page(2)[0]], second.id: [make_page(2)[0]]}
        assert await work.passages.pages_of([]) == {}


async def test_neighbours_stand_directly_beside(units: Units) -> None:
    """Of several chunks at once, each neighbour once, of the same revision only."""
    team = await found_team(units)
    document = await keep_document(units, team)
    chunks = [make_chunk(document.id, n) for n in range(6)]
    async with units.begin(team.id) as work:
        await work.passages.replace(document.id, 1, chunks, [])
        await work.passages.replace(document.id, 2, [make_chunk(document.id, 1, revision=2)], [])

        beside = await work.passages.beside([chunks[0], chunks[2], chunks[3]])

        assert [1, 2, 3, 4] == sorted(chunk.ordinal for chunk in beside)
        assert {chunk.revision for chunk in beside} == {1}
        assert await work.passages.beside([]) == []


async def test_replacing_a_revision_leaves_the_others(units: Units) -> None:
    """Written twice, a revision is there once; an empty one is gone."""
    team = await found_team(units)
    document = await keep_document(units, team)
    new = [make_chunk(document.id, n, revision=2) for n in range(2)]
    async with units.begin(team.id) as work:
        for _ in range(2):
            await work.passages.replace(document.id, 2, new, [make_page(1)])
        assert new == await work.passages.of_document(document.id, 2, limit=10)
        await work.passages.replace(document.id, 2, [], [])
        assert await work.passages.of_document(document.id, 2, limit=10) == []
        assert len(await work.passages.of_document(document.id, 1, limit=10)) == 3
        assert make_page(2) == await work.passages.read_page(document.id, 1, 2)


async def test_passages_of_a_vanished_document_are_refused(units: Units) -> None:
    """Whoever was erased while being ingested stays erased."""
    team = await found_team(units)
    async with units.begin(team.id) as work:
        with pytest.raises(ConcurrentChange):
            await work.passages.replace(DocumentId(new_id()), 1, [], [])


async def test_chunks_of_a_document_are_read_in_order_page_by_page(units: Units) -> None:
    """From the ordinal after the one last seen."""
    team = await found_team(units)
    document = await keep_document(units, team, chunks=5)
    async with units.begin(team.id) as work:
        first = await work.passages.of_document(document.id, 1, limit=2)
        second = await work.passages.of_document(document.id, 1, limit=9, after=first[-1].ordinal)

        assert [chunk.ordinal for chunk in (*first, *second)] == [0, 1, 2, 3, 4]


async def test_only_live_readable_passages_are_found(units: Units) -> None:
    """Old and new revisions, deleted documents and unreadable collections give nothing."""
    team = await found_team(units)
    document, deleted = await keep_document(units, team), await keep_document(units, team)
    unready = make_document(team)
    chunk, newer = make_chunk(document.id, 0), make_chunk(document.id, 0, revision=2)
    async with units.begin(team.id) as work:
        await work.passages.replace(document.id, 2, [newer], [])
        await work.documents.add(unready)
        await work.passages.replace(unready.id, 1, [make_chunk(unready.id, 0)], [])
        await work.documents.save(deleted.deleted(NOW))
        asked = [
            chunk.id,
            newer.id,
            make_chunk(deleted.id, 0).id,
            make_chunk(unready.id, 0).id,
            ChunkId(new_id()),
        ]
        found = await work.passages.live(asked, readable=frozenset({team.collection.id}))
        unreadable = await work.passages.live(asked, readable=frozenset())

    assert [chunk.id] == list(found)
    assert chunk == found[chunk.id].chunk
    assert found[chunk.id].document == DocumentRef(
        id=document.id,
        title=document.title,
        filename=document.filename,
        media_type=document.media_type,
        collection_id=team.collection.id,
    )
    assert unreadable == {}


async def test_passages_of_other_revisions_than_the_live_one_are_removed(units: Units) -> None:
    """Older and younger ones; the number is that of chunks, and removing again removes nothing."""
    team = await found_team(units)
    document, other = await keep_document(units, team), await keep_document(units, team)
    async with units.begin(team.id) as work:
        stray = [make_chunk(document.id, 0, revision=2), make_chunk(document.id, 1, revision=2)]
        await work.passages.replace(document.id, 2, stray, [make_page(1)])
        assert await work.passages.keep_live(document.id) == 2
        assert await work.passages.keep_live(document.id) == 0
        assert await work.passages.read_page(document.id, 2, 1) is None
        assert make_page(1) == await work.passages.read_page(document.id, 1, 1)
        revised = document.revised(
            filename="b.pdf", media_type="application/pdf", size=1, sha256="0" * 64, file_key="k", now=NOW
        )
        await work.documents.save(revised)
        await work.documents.save(revised.completed(page_count=None, chunk_count=0, language=None, now=NOW))
        assert await work.passages.keep_live(document.id) == 3
        assert len(await work.passages.of_document(other.id, 1, limit=10)) == 3
        never_live = make_document(team)
        await work.documents.add(never_live)
        await work.passages.replace(never_live.id, 1, [make_chunk(never_live.id, 0)], [])
        assert await work.passages.keep_live(never_live.id) == 0


async def test_passages_of_several_documents(units: Units) -> None:
    """Read page by page in order of their ids, and removed together; others stay."""
    team = await found_team(units)
    ours = [await keep_document(units, team), await keep_document(units, team)]
    other = await keep_document(units, team)
    ids = [document.id for document in ours]
    async with units.begin(team.id) as work:
        first = await work.passages.of_documents(ids, limit=4)
        rest = await work.passages.of_documents(ids, limit=4, after=first[-1].id)
        await work.passages.remove_all(ids)

        assert sorted(chunk.id for chunk in (*first, *rest)) == [chunk.id for chunk in (*first, *rest)]
        assert [4, 2] == [len(first), len(rest)]
        assert await work.passages.of_documents(ids, limit=4) == []
        assert await work.passages.read_page(ours[0].id, 1, 1) is None
        assert len(await work.passages.of_documents([other.id], limit=4)) == 3
