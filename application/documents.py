"""Documents as people handle them: look at, list, change."""

from collections.abc import Mapping

from attrs import frozen

from application.auditing import note
from application.errors import AlreadyExists
from application.ports.document_repositories import DocumentQuery
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.retrying import until_first
from domain.access import Action, Actor
from domain.audit import Deed
from domain.documents import Document
from domain.errors import Conflict, NotFound, StaleVersion
from domain.ids import CollectionId, DocumentId
from domain.workspaces import Collection


async def readable_document(work: UnitOfWork, actor: Actor, document_id: DocumentId) -> Document:
    """The document if it exists for this actor, else `NotFound`."""
    document = await work.documents.get(document_id)
    if (
        document is None
        or document.is_deleted
        or document.workspace_id != actor.workspace_id
        or not actor.can_read(document.collection_id)
    ):
        raise NotFound("There is no such document.")
    return document


def duplicate_document() -> Conflict:
    """The collection holds a document of the same bytes, and would hold two."""
    return Conflict("The same file is in that collection already.", code="duplicate_document")


async def readable_collection(work: UnitOfWork, actor: Actor, collection_id: CollectionId | None) -> Collection:
    """The collection if it exists for this actor, else `NotFound`; None means the default one."""
    collection = (
        await work.collections.default(actor.workspace_id)
        if collection_id is None
        else await work.collections.get(collection_id)
    )
    if collection is None or collection.workspace_id != actor.workspace_id or not actor.can_read(collection.id):
        raise NotFound("There is no such collection.")
    return collection


def check_version(stored: int, expected: int | None) -> None:
    """`StaleVersion` unless the caller's version, where they named one, is the stored one."""
    if expected is not None and stored != expected:
        raise StaleVersion(
            "Somebody changed it since you read it. Read it again and repeat your change.", current=stored
        )


@frozen(kw_only=True)
class ShowDocument:
    """One document."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, document_id: DocumentId) -> Document:
        """`NotFound` when it does not exist for this actor."""
        actor.require(Action.DOCUMENT_READ)
        async with self.begin(actor.workspace_id) as work:
            return await readable_document(work, actor, document_id)


@frozen(kw_only=True)
class ListDocuments:
    """Documents that the actor may read."""

    begin: UnitOfWorkFactory

    async def __call__(
        self, actor: Actor, *, query: DocumentQuery, limit: int, after: DocumentId | None = None
    ) -> list[Document]:
        """At most `limit`, in the query's order, after the one named; `query.readable` is narrowed to the actor's."""
        actor.require(Action.DOCUMENT_READ)
        async with self.begin(actor.workspace_id) as work:
            return await work.documents.page(
                actor.workspace_id,
                DocumentQuery(
                    readable=query.readable & actor.readable_collections,
                    collection_id=query.collection_id,
                    status=query.status,
                    tag=query.tag,
                    text=query.text,
                    sort=query.sort,
                ),
                limit=limit,
                after=after,
            )


@frozen(kw_only=True)
class ChangeDocument:
    """Other title, tags, metadata or collection."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(
        self,
        actor: Actor,
        *,
        document_id: DocumentId,
        title: str | None = None,
        tags: tuple[str, ...] | None = None,
        metadata: Mapping[str, object] | None = None,
        collection_id: CollectionId | None = None,
        version: int | None = None,
    ) -> Document:
        """`NotFound`, `InvalidInput`; `StaleVersion` when `version` is not the present one; `Conflict`
        `duplicate_document` when the other collection has the same bytes already.
        """
        actor.require(Action.DOCUMENT_WRITE)

        async def change() -> Document:
            async with self.begin(actor.workspace_id) as work:
                document = await readable_document(work, actor, document_id)
                check_version(document.version, version)
                if collection_id is not None:
                    await readable_collection(work, actor, collection_id)
                document = document.changed(
                    title=title, tags=tags, metadata=metadata, collection_id=collection_id, now=self.clock.now()
                )
                await work.documents.save(document)
                await note(work, Deed.DOCUMENT_CHANGED, document.id, by=actor)
                await work.commit()
            return document

        try:
            return await until_first(change)
        except AlreadyExists as error:
            raise duplicate_document() from error
