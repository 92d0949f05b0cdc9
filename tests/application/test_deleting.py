"""Deleting documents and collections, and the receipts that are left."""

from collections.abc import Sequence

import pytest

from application.ports.jobs import EraseDocument
from domain.access import Actor, Role
from domain.documents import Document, DocumentStatus
from domain.errors import Conflict, Forbidden, NotFound, StaleVersion
from domain.ids import DocumentId
from tests.application.conftest import bytes_of, upload
from tests.fakes.assembly import Assembly


async def into_collection(
    assembly: Assembly, actor: Actor, name: str, texts: Sequence[str]
) -> tuple[Actor, list[Document]]:
    """The actor with a new collection of ready documents."""
    made = await assembly.use_cases.create_collection(actor, name=name)
    actor = actor.with_collection(made.collection.id)
    documents = []
    for text in texts:
        receipt = await assembly.use_cases.upload_document(
            actor, content=bytes_of(text), filename="a.txt", collection_id=made.collection.id
        )
        documents.append(receipt.document)
    await assembly.worker().drain()
    return actor, documents


async def test_an_erasure_leaves_a_receipt_and_nothing_else(assembly: Assembly, ann: Actor) -> None:
    """Vectors, files, kept embeddings and rows are gone, each at a moment that is told."""
    document = await upload(assembly, ann, "The heron stands in the reeds.")
    with pytest.raises(NotFound):
        await assembly.use_cases.show_erasure(ann, document_id=document.id)
    await assembly.use_cases.delete_document(ann, document_id=document.id)
    await assembly.worker().drain()

    receipt = await assembly.use_cases.show_erasure(ann, document_id=document.id)
    moments = [receipt.deleted_at, receipt.vectors_at, receipt.files_at, receipt.caches_at, receipt.chunks_at]
    assert moments == sorted(moments)
    assert assembly.embedder.forgotten == [
        "The heron stands in the reeds.",
        "notes\nThe heron stands in the reeds.",
    ]
    assert assembly.stored_files() == []
    assert await assembly.vectors.revisions(ann.workspace_id) == []
    assert {name for name in ("documents", "chunks", "pages") if assembly.begin.database.table(name)} == set()


async def test_receipts_are_for_admins(assembly: Assembly, ann: Actor) -> None:
    """Whoever may not manage collections may not ask what was erased."""
    from attrs import evolve

    with pytest.raises(Forbidden):
        await assembly.use_cases.show_erasure(evolve(ann, role=Role.EDITOR), document_id=DocumentId(ann.workspace_id))


async def test_erasing_again_keeps_the_first_receipt(assembly: Assembly, ann: Actor) -> None:
    """A job that runs twice changes nothing the second time."""
    document = await upload(assembly, ann, "The heron.")
    await assembly.use_cases.delete_document(ann, document_id=document.id)
    await assembly.worker().drain()
    first = await assembly.use_cases.show_erasure(ann, document_id=document.id)
    await assembly.use_cases.handle_job(EraseDocument(workspace_id=ann.workspace_id, document_id=document.id))

    assert first == await assembly.use_cases.show_erasure(ann, document_id=document.id)


async def test_a_crash_while_erasing_is_made_up_for(assembly: Assembly, ann: Actor) -> None:
    """Where the index is away the row stays, and the next attempt erases everything."""
    from application.errors import VectorsUnavailable

    document = await upload(assembly, ann, "The heron.")
    await assembly.use_cases.delete_document(ann, document_id=document.id)
    assembly.vectors.available = False
    with pytest.raises(VectorsUnavailable):
        await assembly.worker().drain()
    assembly.vectors.available = True
    await assembly.use_cases.handle_job(EraseDocument(workspace_id=ann.workspace_id, document_id=document.id))

    assert (await assembly.use_cases.show_erasure(ann, document_id=document.id)).document_id == document.id
    assert assembly.stored_files() == []


async def test_a_collection_goes_with_its_documents(assembly: Assembly, ann: Actor) -> None:
    """Neither the collection nor anything in it is found afterwards; documents of others stay."""
    kept = await upload(assembly, ann, "The otter swims.")
    ann, documents = await into_collection(assembly, ann, "Birds", ["The heron.", "The crane."])
    count = await assembly.use_cases.delete_collection(ann, collection_id=documents[0].collection_id)

    assert count == 2
    with pytest.raises(NotFound):
        await assembly.use_cases.show_collection(ann, collection_id=documents[0].collection_id)
    with pytest.raises(NotFound):
        await assembly.use_cases.show_document(ann, document_id=documents[0].id)
    await assembly.worker().drain()
    assert [held.document_id for held in await assembly.vectors.revisions(ann.workspace_id)] == [kept.id]
    assert len(assembly.stored_files()) == 1
    for document in documents:
        assert (await assembly.use_cases.show_erasure(ann, document_id=document.id)).document_id == document.id


async def test_general_stays(assembly: Assembly, ann: Actor) -> None:
    """The collection that every workspace has cannot be deleted."""
    general = (await assembly.use_cases.list_collections(ann, limit=10))[0].collection
    with pytest.raises(Conflict) as refused:
        await assembly.use_cases.delete_collection(ann, collection_id=general.id)

    assert refused.value.slug == "default_collection"


async def test_a_stale_collection_is_not_deleted(assembly: Assembly, ann: Actor) -> None:
    """The version that the caller names must be the present one."""
    ann, documents = await into_collection(assembly, ann, "Birds", ["The heron."])
    with pytest.raises(StaleVersion):
        await assembly.use_cases.delete_collection(ann, collection_id=documents[0].collection_id, version=7)

    shown = await assembly.use_cases.show_document(ann, document_id=documents[0].id)
    assert shown.status is DocumentStatus.READY


async def test_everything_is_read_again(assembly: Assembly, ann: Actor) -> None:
    """Each document of the workspace goes on to another revision, and stays searchable meanwhile."""
    first = await upload(assembly, ann, "The heron.")
    second = await upload(assembly, ann, "The otter.")
    await assembly.use_cases.reindex_all(ann)
    await assembly.worker().drain()

    shown = [await assembly.use_cases.show_document(ann, document_id=one.id) for one in (first, second)]
    assert [(one.live_revision, one.status) for one in shown] == [(2, DocumentStatus.READY)] * 2
