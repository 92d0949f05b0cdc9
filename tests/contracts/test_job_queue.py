"""What the writing side of the queue keeps, inside a unit of work."""

from datetime import timedelta

from application.ports.jobs import (
    AnyJob,
    DescribeDocument,
    EraseDeleted,
    EraseDocument,
    IngestDocument,
    ReconcileWorkspace,
    ReindexWorkspace,
    RemoveOldRevisions,
)
from domain.ids import DocumentId
from tests.contracts.units import Units, found_team, make_document, new_id


async def test_every_kind_of_job_comes_back_as_it_was(units: Units) -> None:
    """In the order given, by a unit of work of the workspace or of none."""
    team = await found_team(units)
    document_id = DocumentId(new_id())
    jobs: list[AnyJob] = [
        IngestDocument(workspace_id=team.id, document_id=document_id, revision=3, size=2**40),
        RemoveOldRevisions(workspace_id=team.id, document_id=document_id, live_revision=3),
        EraseDocument(workspace_id=team.id, document_id=document_id),
        DescribeDocument(workspace_id=team.id, document_id=document_id),
        EraseDeleted(workspace_id=team.id),
        ReindexWorkspace(workspace_id=team.id),
        ReconcileWorkspace(workspace_id=team.id),
    ]
    async with units.begin(team.id) as work:
        await work.jobs.enqueue(jobs[:2])
        await work.commit()
    async with units.begin(None) as work:
        await work.jobs.enqueue([])
        await work.jobs.enqueue(jobs[2:], delay=timedelta(hours=1))
        await work.commit()

    assert jobs == await units.waiting_jobs()


async def test_jobs_exist_if_and_only_if_the_transaction_commits(units: Units) -> None:
    """Not before the commit, not after a rollback; a dropped equal one blocks nobody."""
    team = await found_team(units)
    erase = EraseDocument(workspace_id=team.id, document_id=DocumentId(new_id()))
    async with units.begin(team.id) as work:
        await work.jobs.enqueue([erase])

        assert await units.waiting_jobs() == []
    assert await units.waiting_jobs() == []

    async with units.begin(team.id) as work:
        await work.jobs.enqueue([erase])
        await work.commit()
    assert [erase] == await units.waiting_jobs()


async def test_equal_waiting_jobs_are_one_but_descriptions_follow_each_change(units: Units) -> None:
    """Doing it once is enough, unless it must see what was changed since."""
    team = await found_team(units)
    document = make_document(team)
    erase = EraseDocument(workspace_id=team.id, document_id=document.id)
    remove = RemoveOldRevisions(workspace_id=team.id, document_id=document.id, live_revision=2)
    describe = DescribeDocument(workspace_id=team.id, document_id=document.id)
    for _ in range(2):
        async with units.begin(None) as work:
            await work.jobs.enqueue([erase, remove, describe], delay=timedelta(minutes=1))
            await work.jobs.enqueue([erase])
            await work.commit()

    assert [erase, remove, describe, describe] == await units.waiting_jobs()
