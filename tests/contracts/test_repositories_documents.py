"""What repositories of documents keep."""

from datetime import timedelta

import pytest
from attrs import evolve

from application.errors import AlreadyExists, ConcurrentChange
from application.ports.document_repositories import DocumentQuery, DocumentSort
from domain.documents import DocumentStatus, Failure, FailureCode, Stage
from domain.erasure import Erasure
from domain.ids import DocumentId
from domain.workspaces import Visibility
from tests.contracts.units import (
    NOW,
    Team,
    Units,
    found_team,
    keep_document,
    make_chunk,
    make_collection,
    make_document,
    new_id,
)

LATER = NOW + timedelta(hours=1)


async def test_documents_come_back_in_every_state(units: Units) -> None:
    """Each column survives, tombstones included."""
    team = await found_team(units)
    queued = make_document(
        team, tags=("a", 'b "quoted"'), metadata={"year": 2026, "draft": True, "score": 0.5, "by": "Ø"}, title="Ümlaut"
    )
    states = [
        queued.started(Stage.EMBEDDING, 0.25, LATER),
        queued.failed(Failure(code=FailureCode.PARSE_TIMEOUT, message="Too slow."), LATER),
        queued.completed(page_count=3, chunk_count=7, language="en", now=LATER),
        queued.deleted(LATER),
    ]
    async with units.begin(team.id) as work:
        await work.documents.add(queued)
        assert queued == await work.documents.get(queued.id)
        for number, state in enumerate(states):
            state = evolve(state, version=queued.version + number)  # noqa: PLW2901 each follows the one before
            await work.documents.save(state)
            assert state == await work.documents.get(queued.id)
            assert {queued.id: state} == await work.documents.get_many([queued.id, DocumentId(new_id())])
        assert await work.documents.get(DocumentId(new_id())) is None
        assert await work.documents.get_many([]) == {}


async def test_stored_documents_carry_no_events(units: Units) -> None:
    """What was recorded is not recorded again by whoever loads it."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        stored = await work.documents.get(document.id)

        assert stored is not None
        assert stored.events == ()


async def test_the_same_bytes_are_found_and_refused_until_deleted(units: Units) -> None:
    """Unique among what is not deleted, in one collection."""
    team = await found_team(units)
    other = make_collection(team.id)
    first, again = make_document(team, "bytes"), make_document(team, "bytes")
    elsewhere = make_document(team, "bytes", collection_id=other.id)
    async with units.begin(team.id) as work:
        await work.collections.add(other)
        await work.documents.add(first)
        await work.documents.add(elsewhere)
        with pytest.raises(AlreadyExists) as caught:
            await work.documents.add(again)
        assert first == await work.documents.find_duplicate(team.collection.id, first.sha256)
        assert await work.documents.find_duplicate(team.collection.id, "0" * 64) is None

        await work.documents.save(first.deleted(NOW))
        assert await work.documents.find_duplicate(team.collection.id, first.sha256) is None
        await work.documents.add(again)
        assert again == await work.documents.find_duplicate(team.collection.id, first.sha256)

    assert caught.value.constraint == "uq_documents_collection_sha256"


async def test_a_revision_or_a_move_onto_taken_bytes_is_refused(units: Units) -> None:
    """Saving keeps the same uniqueness as adding."""
    team = await found_team(units)
    taken, other = make_document(team, "taken"), make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(taken)
        await work.documents.add(other)
        revised = other.revised(
            filename="x.pdf", media_type="application/pdf", size=1, sha256=taken.sha256, file_key="k", now=NOW
        )
        with pytest.raises(AlreadyExists) as caught:
            await work.documents.save(revised)

    assert caught.value.constraint == "uq_documents_collection_sha256"


async def test_progress_is_noted_for_the_revision_worked_on(units: Units) -> None:
    """Without a version, clamped to 0..1; refused for older revisions, finished and deleted documents."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        assert await work.documents.report(document.id, 1, Stage.PARSING, 1.5, LATER)
        stored = await work.documents.get(document.id)
        assert stored == document.started(Stage.PARSING, 1.0, LATER)
        assert not await work.documents.report(document.id, 2, Stage.PARSING, 0.5, LATER)
        assert not await work.documents.report(DocumentId(new_id()), 1, Stage.PARSING, 0.5, LATER)

        ready = document.completed(page_count=1, chunk_count=1, language=None, now=LATER)
        await work.documents.save(ready)
        assert not await work.documents.report(document.id, 1, Stage.PARSING, 0.5, LATER)
        again = ready.reindexed(LATER)
        await work.documents.save(again)
        assert not await work.documents.report(document.id, 1, Stage.PARSING, 0.5, LATER)
        assert await work.documents.report(document.id, 2, Stage.PARSING, 0.5, LATER)
        await work.documents.save(again.deleted(LATER))
        assert not await work.documents.report(document.id, 2, Stage.PARSING, 0.5, LATER)


async def _titles(units: Units, team: Team, query: DocumentQuery) -> list[str]:
    """All pages of two, joined."""
    titles: list[str] = []
    after: DocumentId | None = None
    async with units.begin(team.id) as work:
        while page := await work.documents.page(team.id, query, limit=2, after=after):
            titles += [document.title for document in page]
            after = page[-1].id
    return titles


async def _shelf(units: Units) -> tuple[Team, DocumentQuery]:
    team = await found_team(units)
    hidden = make_collection(team.id, "Hidden", visibility=Visibility.RESTRICTED)
    async with units.begin(team.id) as work:
        await work.collections.add(hidden)
        for minutes, title, filename, tags in (
            (1, "banana", "1.pdf", ("fruit",)),
            (2, "Apple", "2.pdf", ("fruit", "red")),
            (3, "cherry 100%", "3_a.pdf", ("red",)),
            (3, "Ärger", "4.pdf", ()),
            (5, "apple", "STRASSE.pdf", ()),
        ):
            now = NOW + timedelta(minutes=minutes)
            await work.documents.add(make_document(team, title=title, filename=filename, tags=tags, now=now))
        await work.documents.add(make_document(team, title="secret", collection_id=hidden.id))
        gone = make_document(team, title="gone")
        await work.documents.add(gone)
        await work.documents.save(gone.deleted(NOW))
        await work.commit()
    return team, DocumentQuery(readable=frozenset({team.collection.id}))


async def test_documents_are_listed_in_each_order(units: Units) -> None:
    """Page by page, each once: by age both ways, by title in any case, ties by id."""
    team, query = await _shelf(units)
    newest = ["apple", "Ärger", "cherry 100%", "Apple", "banana"]

    assert newest == await _titles(units, team, query)
    assert newest[::-1] == await _titles(units, team, evolve(query, sort=DocumentSort.OLDEST))
    by_title = ["Apple", "apple", "Ärger", "banana", "cherry 100%"]
    assert by_title == await _titles(units, team, evolve(query, sort=DocumentSort.TITLE))
    assert by_title[::-1] == await _titles(units, team, evolve(query, sort=DocumentSort.TITLE_DOWN))


@pytest.mark.parametrize(
    ("question", "titles"),
    [
        ({"tag": "fruit"}, ["Apple", "banana"]),
        ({"tag": "fruit", "text": "APPLE"}, ["Apple"]),
        ({"text": "appl"}, ["apple", "Apple"]),
        ({"text": "straße"}, ["apple"]),
        ({"text": "ÄRG"}, ["Ärger"]),
        ({"text": "%"}, ["cherry 100%"]),
        ({"text": "3_a"}, ["cherry 100%"]),
        ({"text": "_"}, ["cherry 100%"]),
        ({"text": "/"}, []),
        ({"text": "\\"}, []),
        ({"status": DocumentStatus.READY}, []),
        ({"readable": frozenset()}, []),
    ],
)
async def test_documents_are_listed_by_what_is_asked(
    units: Units, question: dict[str, object], titles: list[str]
) -> None:
    """Filters join; wildcards of SQL are ordinary characters; nothing readable shows nothing."""
    team, query = await _shelf(units)

    assert titles == await _titles(units, team, evolve(query, **question))


async def test_a_collection_narrows_the_list(units: Units) -> None:
    """Asked for a collection that is not readable, there is nothing."""
    team, query = await _shelf(units)
    async with units.begin(team.id) as work:
        hidden = await work.collections.by_name(team.id, "Hidden")
    assert hidden is not None

    assert len(await _titles(units, team, evolve(query, collection_id=team.collection.id))) == 5
    assert await _titles(units, team, evolve(query, collection_id=hidden.id)) == []
    readable = frozenset({team.collection.id, hidden.id})
    assert await _titles(units, team, evolve(query, readable=readable, collection_id=hidden.id)) == ["secret"]


async def test_pages_of_documents_are_stable_while_others_upload(units: Units) -> None:
    """A newer document does not push seen ones onto the next page."""
    team, query = await _shelf(units)
    async with units.begin(team.id) as work:
        first = await work.documents.page(team.id, query, limit=2)
        await work.documents.add(make_document(team, title="new", now=NOW + timedelta(days=1)))
        second = await work.documents.page(team.id, query, limit=2, after=first[-1].id)

        assert [document.title for document in second] == ["cherry 100%", "Apple"]
        assert await work.documents.page(team.id, query, limit=2, after=DocumentId(new_id())) == []


async def test_unfinished_documents_are_found_when_idle(units: Units) -> None:
    """Queued and processing ones, longest untouched first, of all workspaces."""
    team, other = await found_team(units), await found_team(units)
    queued = make_document(team)
    processing = make_document(other, now=NOW - timedelta(minutes=1))
    busy = make_document(team, now=LATER)
    ready = make_document(team)
    deleted = make_document(team)
    async with units.begin(None) as work:
        for document in (queued, processing, busy, ready, deleted):
            await work.documents.add(document)
        await work.documents.report(processing.id, 1, Stage.PARSING, 0.1, NOW - timedelta(seconds=1))
        await work.documents.save(ready.completed(page_count=None, chunk_count=0, language=None, now=NOW))
        await work.documents.save(deleted.deleted(NOW))

        found = await work.documents.unfinished(idle_since=LATER, limit=10)
        assert [processing.id, queued.id] == [document.id for document in found]
        assert [processing.id] == [d.id for d in await work.documents.unfinished(idle_since=LATER, limit=1)]


async def test_the_languages_of_what_can_be_found_are_counted(units: Units) -> None:
    """Of the youngest, in the collections asked for; not of those deleted, or never read."""
    team, strangers = await found_team(units), await found_team(units, "Strangers")
    hidden = make_collection(team.id, "Hidden", visibility=Visibility.RESTRICTED)
    asked = (team.collection.id, hidden.id)
    async with units.begin(None) as work:
        await work.collections.add(hidden)
        for minutes, whose, language, changes in (
            (1, team, "de", {}),
            (2, team, "en", {}),
            (3, team, "en", {}),
            (4, team, None, {}),
            (5, team, "fr", {"collection_id": hidden.id}),
            (6, strangers, "es", {}),
        ):
            now = NOW + timedelta(minutes=minutes)
            await work.documents.add(document := make_document(whose, now=now, **changes))
            await work.documents.save(document.completed(page_count=None, chunk_count=1, language=language, now=now))
        await work.documents.add(make_document(team, now=LATER))
        await work.documents.add(gone := make_document(team, now=LATER))
        ready = gone.completed(page_count=None, chunk_count=1, language="el", now=LATER)
        await work.documents.save(ready.deleted(LATER))

        count = work.documents.languages
        assert await count(team.id, asked, limit=10) == {"de": 1, "en": 2, None: 1, "fr": 1}
        assert await count(team.id, asked, limit=3) == {"en": 1, None: 1, "fr": 1}
        assert await count(team.id, [hidden.id], limit=10) == {"fr": 1}
        assert await count(team.id, [], limit=10) == {}
        assert await count(team.id, [strangers.collection.id], limit=10) == {}


async def test_a_document_with_a_job_is_not_left_behind(units: Units) -> None:
    """Who waits in the queue is not idle, however long it waits; an older revision's job does not count."""
    team = await found_team(units)
    waiting, revised = make_document(team), make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(waiting)
        await work.documents.add(revised)
        await work.commit()
    async with units.begin(team.id) as work:
        await work.documents.save(evolve(revised.reindexed(NOW), events=()))
        await work.commit()
    async with units.begin(None) as work:
        found = await work.documents.unfinished(idle_since=LATER, limit=10)

    assert [revised.id] == [document.id for document in found]


async def test_the_inventory_counts_what_is_there(units: Units) -> None:
    """Each document with the passages of its live revision and of others, by id, page by page."""
    team = await found_team(units)
    live = await keep_document(units, team)
    async with units.begin(team.id) as work:
        await work.passages.replace(live.id, 2, [make_chunk(live.id, 0, revision=2)], [])
        await work.documents.add(deleted := make_document(team))
        await work.documents.save(deleted.deleted(LATER))
        await work.commit()
    async with units.begin(team.id) as work:
        first = await work.documents.inventory(team.id, limit=1)
        [second] = await work.documents.inventory(team.id, limit=10, after=first[0].id)

    by_id = {state.id: state for state in (*first, second)}
    assert first[0].id < second.id
    assert (
        by_id[live.id].live_revision,
        by_id[live.id].chunk_count,
        by_id[live.id].live_chunks,
        by_id[live.id].old_chunks,
        by_id[live.id].is_deleted,
    ) == (1, 3, 3, 1, False)
    assert (by_id[deleted.id].is_deleted, by_id[deleted.id].updated_at) == (True, LATER)


async def test_a_collection_is_emptied_at_once(units: Units) -> None:
    """All its documents are deleted and moved, so that its row can go; before that it cannot."""
    team = await found_team(units)
    birds = make_collection(team.id, "Birds")
    inside = [make_document(team, collection_id=birds.id) for _ in range(3)]
    outside = make_document(team)
    async with units.begin(team.id) as work:
        await work.collections.add(birds)
        for document in (*inside, outside):
            await work.documents.add(document)
        await work.documents.save(inside[0].deleted(NOW))
        await work.commit()
    with pytest.raises(ConcurrentChange):
        async with units.begin(team.id) as work:
            await work.collections.remove(birds.id)
    async with units.begin(team.id) as work:
        assert await work.documents.delete_all(birds.id, moved_to=team.collection.id, now=LATER) == 2
        await work.collections.remove(birds.id)
        await work.commit()
    async with units.begin(team.id) as work:
        tombstones = await work.documents.tombstones(team.id, limit=10)

        assert await work.collections.get(birds.id) is None
        assert outside == await work.documents.get(outside.id)
        assert [one.id for one in tombstones[:1]] == [inside[0].id]
        assert {one.id for one in tombstones} == {one.id for one in inside}
        assert {(one.deleted_at, one.version) for one in tombstones[1:]} == {(LATER, 2)}
        assert len(await work.documents.tombstones(team.id, limit=2)) == 2


async def test_receipts_are_kept_once(units: Units) -> None:
    """The first one stays; there is none for a document that was not erased."""
    team = await found_team(units)
    moments = dict.fromkeys(("deleted_at", "vectors_at", "files_at", "caches_at", "chunks_at"), NOW)
    erasure = Erasure(document_id=DocumentId(new_id()), workspace_id=team.id, **moments)
    async with units.begin(team.id) as work:
        await work.erasures.add([])
        await work.erasures.add([erasure])
        await work.erasures.add([evolve(erasure, files_at=LATER)])
        await work.commit()
    async with units.begin(team.id) as work:
        assert erasure == await work.erasures.get(erasure.document_id)
        assert await work.erasures.get(DocumentId(new_id())) is None


async def test_only_deleted_documents_are_forgotten(units: Units) -> None:
    """The row goes, with what still hangs on it; a living document stays."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.documents.forget([document.id])
        assert document == await work.documents.get(document.id)
        await work.documents.save(document.deleted(NOW))
        await work.documents.forget([document.id])
        await work.documents.forget([document.id])
        assert await work.documents.get(document.id) is None
