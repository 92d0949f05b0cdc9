"""What every unit of work keeps: rollback by default, jobs with their rows, races decided, workspaces apart."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from attrs import evolve

from application.errors import AlreadyExists, ConcurrentChange
from application.ports.document_repositories import DocumentQuery
from application.ports.jobs import DescribeDocument, EraseDocument, IngestDocument
from domain.access import Role
from domain.documents import Document, Stage
from domain.ids import WorkspaceId
from tests.contracts.units import (
    NOW,
    Team,
    Units,
    found_team,
    make_chunk,
    make_collection,
    make_conversation,
    make_document,
    make_membership,
    make_message,
    make_session,
    make_user,
)


async def test_leaving_without_commit_rolls_back(units: Units) -> None:
    """Nothing of an uncommitted unit of work remains, jobs included."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.jobs.enqueue([EraseDocument(workspace_id=team.id, document_id=document.id)])

    async with units.begin(team.id) as work:
        assert await work.documents.get(document.id) is None
    assert await units.waiting_jobs() == []


async def test_an_error_rolls_back_and_passes(units: Units) -> None:
    """An error inside leaves nothing behind and reaches the caller as it is."""
    team = await found_team(units)
    document = make_document(team)

    async def break_off() -> None:
        async with units.begin(team.id) as work:
            await work.documents.add(document)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()

    async with units.begin(team.id) as work:
        assert await work.documents.get(document.id) is None


async def test_what_is_written_is_seen_inside_at_once_and_outside_after_commit(units: Units) -> None:
    """Others see a row when it is committed, its writer before."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)

        assert document == await work.documents.get(document.id)
        async with units.begin(team.id) as other:
            assert await other.documents.get(document.id) is None

        await work.commit()
        async with units.begin(team.id) as other:
            assert document == await other.documents.get(document.id)


async def test_commit_writes_the_jobs_that_follow(units: Units) -> None:
    """Each recorded event becomes its job, in order."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.commit()
    async with units.begin(team.id) as work:
        stored = await work.documents.get(document.id)
        assert stored is not None
        moved = stored.changed(title="Better", now=NOW)
        await work.documents.save(moved)
        await work.documents.save(moved.deleted(NOW))
        await work.commit()

    assert [
        IngestDocument(workspace_id=team.id, document_id=document.id, revision=1, size=document.size),
        DescribeDocument(workspace_id=team.id, document_id=document.id),
        EraseDocument(workspace_id=team.id, document_id=document.id),
    ] == await units.waiting_jobs()


async def test_committing_twice_writes_jobs_once(units: Units) -> None:
    """A second commit of the same unit of work repeats nothing."""
    team = await found_team(units)
    async with units.begin(team.id) as work:
        await work.documents.add(make_document(team))
        await work.commit()
        await work.commit()

    assert len(await units.waiting_jobs()) == 1


async def test_a_stale_version_is_refused(units: Units) -> None:
    """Of two that loaded the same version the second to save is told."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.commit()
    async with units.begin(team.id) as work:
        await work.documents.save(document.changed(title="First", now=NOW))
        await work.commit()

    async with units.begin(team.id) as work:
        with pytest.raises(ConcurrentChange):
            await work.documents.save(document.changed(title="Second", now=NOW))
    async with units.begin(team.id) as work:
        stored = await work.documents.get(document.id)
        assert stored is not None
        assert (stored.title, stored.version) == ("First", 2)


async def test_saving_what_is_not_there_is_refused(units: Units) -> None:
    """An aggregate that was never added, or is gone, cannot be saved."""
    team = await found_team(units)
    async with units.begin(team.id) as work:
        with pytest.raises(ConcurrentChange):
            await work.documents.save(make_document(team).changed(title="Other", now=NOW))


async def test_an_unbumped_state_may_be_saved_where_it_was_loaded(units: Units) -> None:
    """A state without a new version is written over the one loaded in the same unit of work."""
    team = await found_team(units)
    conversation = make_conversation(team)
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.conversations.save(conversation)
        await work.commit()

    async with units.begin(team.id) as work:
        assert conversation == await work.conversations.get(conversation.id)


async def _outcomes(*attempts: Awaitable[None]) -> list[type[BaseException] | None]:
    results = await asyncio.gather(*attempts, return_exceptions=True)
    return [None if result is None else type(result) for result in results]


async def test_of_twenty_that_add_the_same_bytes_one_wins(units: Units) -> None:
    """Uniqueness holds under a race; the others learn which constraint, and may go on."""
    team = await found_team(units)

    constraints: set[str] = set()
    found: list[Document | None] = []

    async def upload() -> None:
        async with units.begin(team.id) as work:
            document = make_document(team, "the same bytes")
            try:
                await work.documents.add(document)
            except AlreadyExists as error:
                constraints.add(error.constraint)
                found.append(await work.documents.find_duplicate(team.collection.id, document.sha256))
                raise
            await work.commit()

    outcomes = await _outcomes(*(upload() for _ in range(20)))

    assert outcomes.count(None) == 1
    assert outcomes.count(AlreadyExists) == 19
    assert constraints == {"uq_documents_collection_sha256"}
    assert None not in found
    assert len(await units.waiting_jobs()) == 1


async def test_of_twenty_that_save_the_same_version_one_wins(units: Units) -> None:
    """Of many who loaded the same state exactly one change is kept."""
    team = await found_team(units)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.commit()
    loaded = asyncio.Barrier(20)

    async def rename(number: int) -> None:
        async with units.begin(team.id) as work:
            mine = await work.documents.get(document.id)
            assert mine is not None
            await loaded.wait()
            await work.documents.save(mine.changed(title=f"Title {number}", now=NOW))
            await work.commit()

    outcomes = await _outcomes(*(rename(number) for number in range(20)))

    assert outcomes.count(None) == 1
    assert outcomes.count(ConcurrentChange) == 19


async def test_a_session_found_by_its_token_is_locked(units: Units) -> None:
    """Of many who present the same token at once one finds it current, all others find it spent."""
    user = make_user()
    session = make_session(user.id)
    async with units.begin(None) as work:
        await work.users.add(user)
        await work.login_sessions.add(session)
        await work.commit()
    seen: list[bool] = []

    async def refresh(number: int) -> None:
        async with units.begin(None) as work:
            found = await work.login_sessions.by_token(session.token_hash)
            assert found is not None
            seen.append(session.token_hash in found.spent)
            if session.token_hash not in found.spent:
                replacement = number.to_bytes(32)
                await work.login_sessions.save(
                    found.rotate(presented=session.token_hash, replacement=replacement, now=NOW, ttl=timedelta(days=1))
                )
            await work.commit()

    await asyncio.gather(*(refresh(number) for number in range(20)))

    assert seen.count(False) == 1


async def test_values_handed_out_change_nothing_until_saved(units: Units) -> None:
    """What a repository returns is a copy."""
    team = await found_team(units)
    document = make_document(team, metadata={"year": 2026})
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.commit()
        stored = await work.documents.get(document.id)
        assert stored is not None
        assert isinstance(stored.metadata, dict)
        stored.metadata["year"] = 1900

    async with units.begin(team.id) as work:
        stored = await work.documents.get(document.id)
        assert stored is not None
        assert stored.metadata == {"year": 2026}


async def _two_teams(units: Units) -> tuple[Team, Team]:
    return await found_team(units, "Ours"), await found_team(units, "Theirs")


async def test_a_bound_unit_of_work_sees_its_workspace_only(units: Units) -> None:
    """Rows of other workspaces are not there, whatever is asked for."""
    ours, theirs = await _two_teams(units)
    document = make_document(theirs)
    conversation = make_conversation(theirs)
    message = make_message(conversation)
    chunk = make_chunk(document.id, 0)
    async with units.begin(theirs.id) as work:
        await work.documents.add(document)
        await work.passages.replace(document.id, 1, [chunk], [])
        completed = document.completed(page_count=None, chunk_count=1, language=None, now=NOW)
        await work.documents.save(completed)
        await work.conversations.add(conversation)
        await work.messages.add(message)
        await work.commit()

    readable = frozenset({theirs.collection.id})
    async with units.begin(ours.id) as work:
        assert await work.workspaces.get(theirs.id) is None
        assert await work.workspaces.membership(theirs.id, theirs.owner.id) is None
        assert await work.users.get(theirs.owner.id) is None
        assert ours.owner == await work.users.get(ours.owner.id)
        assert await work.collections.get(theirs.collection.id) is None
        assert frozenset() == await work.collections.readable_by(theirs.id, theirs.owner.id, Role.OWNER)
        assert await work.documents.get(document.id) is None
        assert await work.documents.page(theirs.id, DocumentQuery(readable=readable), limit=10) == []
        assert await work.documents.unfinished(idle_since=NOW + timedelta(days=1), limit=10) == []
        assert await work.passages.live([chunk.id], readable=readable) == {}
        assert await work.passages.of_document(document.id, 1, limit=10) == []
        assert await work.passages.keep_live(document.id) == 0
        assert await work.conversations.get(conversation.id) is None
        assert await work.messages.thread(message.id, limit=10) == []
        await work.documents.forget([document.id])
        await work.commit()
    async with units.begin(theirs.id) as work:
        assert completed == await work.documents.get(document.id)
        assert [chunk] == await work.passages.of_document(document.id, 1, limit=10)


async def test_a_bound_unit_of_work_cannot_write_elsewhere(units: Units) -> None:
    """Rows of other workspaces cannot be added, nor changed."""
    ours, theirs = await _two_teams(units)
    document = make_document(theirs)
    async with units.begin(theirs.id) as work:
        await work.documents.add(document)
        await work.commit()

    async with units.begin(ours.id) as work:
        with pytest.raises(PermissionError):
            await work.collections.add(make_collection(theirs.id, "Intruder"))
    async with units.begin(ours.id) as work:
        with pytest.raises(PermissionError):
            await work.workspaces.add_member(make_membership(theirs.id, ours.owner.id, Role.OWNER))
    async with units.begin(ours.id) as work:
        with pytest.raises(ConcurrentChange):
            await work.documents.save(document.changed(title="Mine now", now=NOW))
    async with units.begin(ours.id) as work:
        with pytest.raises(PermissionError):
            await work.login_sessions.get(make_session(ours.owner.id).id)


async def test_an_unbound_unit_of_work_sees_all_workspaces(units: Units) -> None:
    """Log-in and maintenance are not held by the border."""
    ours, theirs = await _two_teams(units)
    async with units.begin(ours.id) as work:
        await work.documents.add(evolve(make_document(ours), events=()))
        await work.commit()
    async with units.begin(theirs.id) as work:
        await work.documents.add(evolve(make_document(theirs), events=()))
        await work.commit()

    async with units.begin(None) as work:
        unfinished = await work.documents.unfinished(idle_since=NOW + timedelta(days=1), limit=10)

    assert {ours.id, theirs.id} == {document.workspace_id for document in unfinished}


async def test_ping_passes_where_everything_is_there(units: Units) -> None:
    """A migrated, answering database is ready."""
    await units.begin.ping()


async def test_commits_of_documents_and_collections_are_told(units: Units) -> None:
    """Each commit once, with its workspace, when others see it already; nothing else is."""
    team = await found_team(units)
    told: list[tuple[WorkspaceId, int]] = []

    async def listener(workspace_id: WorkspaceId) -> None:
        async with units.begin(workspace_id) as work:
            told.append((workspace_id, (await work.documents.totals(workspace_id)).documents))

    units.begin.listen(listener)
    document = make_document(team)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.commit()
    async with units.begin(team.id) as work:
        await work.documents.report(document.id, 1, Stage.PARSING, 0.5, NOW)
        await work.commit()
    async with units.begin(team.id) as work:
        await work.documents.add(make_document(team))
    async with units.begin(team.id) as work:
        await work.conversations.add(make_conversation(team))
        await work.commit()
    async with units.begin(team.id) as work:
        await work.collections.add(make_collection(team.id, "Others"))
        await work.documents.delete_all(team.collection.id, moved_to=team.collection.id, now=NOW + timedelta(seconds=1))
        await work.commit()

    assert [(team.id, 1), (team.id, 1), (team.id, 0)] == told
