"""What the comparison of the stores finds and mends."""

from collections import Counter
from datetime import timedelta

import pytest
from attrs import evolve

from application.reconciling import Difference, ReconcileAll
from domain.access import Actor
from domain.documents import FailureCode
from domain.ids import DocumentId
from tests.application.conftest import bytes_of, upload
from tests.fakes.assembly import Assembly
from tests.fakes.database import CHUNKS, DOCUMENTS

TEXT = "The heron stands in the reeds."


def at_once(assembly: Assembly) -> ReconcileAll:
    """Without the hour that files are left alone."""
    everything = assembly.use_cases.reconcile_all
    return evolve(everything, reconcile=evolve(everything.reconcile, grace=timedelta(0)))


async def found(assembly: Assembly, *, repair: bool = False) -> Counter[Difference]:
    return (await at_once(assembly)(repair=repair)).differences


async def mended(assembly: Assembly) -> Counter[Difference]:
    """What is left after mending and the jobs that follow."""
    await found(assembly, repair=True)
    await assembly.worker().drain()
    return await found(assembly)


async def test_nothing_differs_after_ordinary_work(assembly: Assembly, ann: Actor) -> None:
    """Uploads, revisions, failures, changes and deletions leave three stores that agree."""
    document = await upload(assembly, ann, TEXT)
    await upload(assembly, ann, "The otter.")
    await assembly.use_cases.revise_document(ann, document_id=document.id, content=bytes_of("New."), filename=None)
    await assembly.worker().drain()
    gone = await upload(assembly, ann, "The crane.")
    await assembly.use_cases.delete_document(ann, document_id=gone.id)
    assembly.parser.failures["application/pdf"] = FailureCode.CORRUPT_FILE
    await upload(assembly, ann, "%PDF-1.7", name="a.pdf")
    await assembly.worker().drain()

    findings = await at_once(assembly)(repair=False)

    assert findings.differences == Counter()
    assert (findings.documents, findings.vectors, findings.files) == (3, 2, 3)


async def test_lost_vectors_are_made_again(assembly: Assembly, ann: Actor) -> None:
    """A live document without its vectors is read once more."""
    document = await upload(assembly, ann, TEXT)
    await assembly.vectors.delete_documents(ann.workspace_id, [document.id])

    assert await found(assembly) == Counter({Difference.MISSING_VECTORS: 1})
    assert await mended(assembly) == Counter()
    assert [p.document.id for p in (await assembly.use_cases.search(ann, query="heron")).passages] == [document.id]


async def test_lost_passages_are_made_again(assembly: Assembly, ann: Actor) -> None:
    """So is one whose rows went missing."""
    await upload(assembly, ann, TEXT)
    assembly.begin.database.table(CHUNKS).clear()

    assert await found(assembly) == Counter({Difference.MISSING_CHUNKS: 1})
    assert await mended(assembly) == Counter()


async def test_vectors_and_files_without_a_document_go(assembly: Assembly, ann: Actor) -> None:
    """What a document left that has no row any more is removed."""
    document = await upload(assembly, ann, TEXT)
    for table in (DOCUMENTS, CHUNKS):
        assembly.begin.database.table(table).clear()

    assert await found(assembly) == Counter({Difference.ORPHANED_VECTORS: 1, Difference.ORPHANED_FILES: 1})
    assert await mended(assembly) == Counter()
    assert assembly.stored_files() == []
    assert await assembly.vectors.revisions(ann.workspace_id) == []
    assert document.live_revision == 1


async def test_young_files_are_left_alone(assembly: Assembly, ann: Actor) -> None:
    """A file whose row may be about to be written is no orphan yet."""
    await assembly.use_cases.upload_document.files.put(
        f"{ann.workspace_id}/{ann.user_id}/1", bytes_of(TEXT), max_bytes=1000
    )

    assert (await assembly.use_cases.reconcile_all(repair=True)).differences == Counter()
    assert len(assembly.stored_files()) == 1


async def test_what_a_failed_revision_left_goes(assembly: Assembly, ann: Actor) -> None:
    """Vectors of a revision that is neither live nor coming are removed; the live ones stay."""
    document = await upload(assembly, ann, TEXT)
    [(owner, chunk_id)] = assembly.vectors._chunks
    stray = evolve(assembly.vectors._chunks[owner, chunk_id], chunk_id=ann.user_id, revision=2)
    await assembly.vectors.upsert(ann.workspace_id, [stray])

    assert await found(assembly) == Counter({Difference.ORPHANED_VECTORS: 1})
    assert await mended(assembly) == Counter()
    assert [p.document.id for p in (await assembly.use_cases.search(ann, query="heron")).passages] == [document.id]


@pytest.mark.parametrize("revision", [1, 3])
async def test_passages_of_no_live_revision_go(assembly: Assembly, ann: Actor, revision: int) -> None:
    """Older or younger than the live one, which stays."""
    document = await upload(assembly, ann, TEXT)
    await assembly.use_cases.revise_document(ann, document_id=document.id, content=bytes_of("New."), filename=None)
    await assembly.worker().drain()
    [chunk] = [stored.chunk for stored in assembly.begin.database.table(CHUNKS).values()]
    async with assembly.begin(ann.workspace_id) as work:
        stray = evolve(chunk, id=ann.user_id, revision=revision)
        await work.passages.replace(document.id, revision, [stray], [])
        await work.commit()

    assert await found(assembly) == Counter({Difference.ORPHANED_CHUNKS: 1})
    assert await mended(assembly) == Counter()
    assert [chunk.id] == [stored.chunk.id for stored in assembly.begin.database.table(CHUNKS).values()]


async def test_a_missing_original_is_told(assembly: Assembly, ann: Actor) -> None:
    """Only people can bring a file back: it is reported each time."""
    await upload(assembly, ann, TEXT)
    for path in assembly.stored_files():
        path.unlink()

    assert await mended(assembly) == Counter({Difference.MISSING_FILE: 1})


async def test_a_forgotten_deletion_is_carried_out(assembly: Assembly, ann: Actor) -> None:
    """A tombstone whose job was lost is erased."""
    document = await upload(assembly, ann, TEXT)
    await assembly.use_cases.delete_document(ann, document_id=document.id)
    assembly.begin.database.jobs.clear()

    assert await found(assembly) == Counter({Difference.UNERASED: 1})
    assert await mended(assembly) == Counter()
    assert (await assembly.use_cases.show_erasure(ann, document_id=document.id)).document_id == document.id


async def test_documents_at_work_are_not_judged(assembly: Assembly, ann: Actor) -> None:
    """An ingest under way has vectors and no passages; that is as it should be."""
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")

    assert await found(assembly) == Counter()
    assert receipt.document.live_revision is None


async def test_findings_of_workspaces_add_up(assembly: Assembly, ann: Actor) -> None:
    """The report counts all of them, and names documents."""
    from tests.application.conftest import member

    bob = await member(assembly, "bob@example.org")
    lost: list[DocumentId] = []
    for actor in (ann, bob):
        document = await upload(assembly, actor, TEXT)
        await assembly.vectors.delete_documents(actor.workspace_id, [document.id])
        lost.append(document.id)

    findings = await at_once(assembly)(repair=False)

    assert findings.differences == Counter({Difference.MISSING_VECTORS: 2})
    assert sorted(lost) == sorted(findings.examples[Difference.MISSING_VECTORS])


@pytest.mark.parametrize("repair", [False, True])
async def test_a_job_is_reported_missing_before_it_is_given(assembly: Assembly, ann: Actor, repair: bool) -> None:  # noqa: FBT001
    """Without `repair` documents that nobody works on are only counted."""
    await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    assembly.begin.database.jobs.clear()
    impatient = evolve(assembly.use_cases.requeue_unfinished, idle=timedelta(0))

    assert await impatient(repair=repair) == 1
    assert len(assembly.begin.database.jobs) == int(repair)
