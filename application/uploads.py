"""Files come in: new documents, and new bytes for old ones."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from attrs import field, frozen

from application.auditing import note
from application.documents import check_version, duplicate_document, readable_collection, readable_document
from application.errors import AlreadyExists, ConcurrentChange
from application.ports.files import FileStore, StoredFile
from application.ports.parsing import MediaTypes
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retrying import until_first
from domain.access import Action, Actor
from domain.audit import Deed
from domain.documents import Document, check_metadata, check_tags, check_title, clean_filename
from domain.errors import DomainError, EmptyDocument, UnsupportedMediaType
from domain.ids import CollectionId, DocumentId, WorkspaceId

# After these nothing was committed. After any other error something may have been, such as when the connection breaks
# while the commit is answered: the file stays, and the reconciler removes it where no document names it.
REFUSED: Final = (DomainError, AlreadyExists, ConcurrentChange)


def file_key(workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> str:
    """Where the original of a revision is kept."""
    return f"{workspace_id}/{document_id}/{revision}"


@frozen(kw_only=True)
class Particulars:
    """What is said about a file besides its bytes."""

    collection_id: CollectionId | None = None  # None: General
    title: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(factory=dict)

    def check(self) -> None:
        """`InvalidInput` unless a document may be described so."""
        if self.title is not None:
            check_title(self.title)
        check_tags(self.tags)
        check_metadata(self.metadata)


@frozen(kw_only=True)
class Receipt:
    """What came of an upload; `created` is False when the same bytes were already there."""

    document: Document
    created: bool


@frozen(kw_only=True)
class _Intake:
    """Receive bytes: store them while hashing, tell the format, refuse what cannot be read."""

    files: FileStore
    media_types: MediaTypes
    max_bytes: int

    async def __call__(self, key: str, content: AsyncIterator[bytes], filename: str) -> tuple[StoredFile, str]:
        stored = await self.files.put(key, content, max_bytes=self.max_bytes)
        if stored.size == 0:
            await self.files.delete(key)
            raise EmptyDocument("The file is empty. Choose one with content.", pointer="/file")
        detected = self.media_types.detect(stored.head, filename)
        if not detected.supported:
            await self.files.delete(key)
            raise UnsupportedMediaType(
                f"Files of the type {detected.media_type} cannot be read.", media_type=detected.media_type
            )
        return stored, detected.media_type


@frozen(kw_only=True)
class UploadDocument:
    """Take a file in and queue it for ingestion.

    - The format is decided from the content; the name is only a hint.
    - The same bytes again in the same collection give the document that is there.
    - The document and the job that will read it are committed together.
    """

    begin: UnitOfWorkFactory
    files: FileStore
    media_types: MediaTypes
    clock: Clock
    ids: Ids
    max_bytes: int

    async def __call__(
        self,
        actor: Actor,
        *,
        content: AsyncIterator[bytes],
        filename: str | None,
        collection_id: CollectionId | None = None,
        title: str | None = None,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, object] | None = None,
        late: Callable[[], Particulars] | None = None,
    ) -> Receipt:
        """Nothing is kept after any error, but for a file whose commit was not answered.

        `late` is asked once the content has ended, and what it says takes the place of the arguments: in a form, the
        fields may follow the file.
        `TooLarge`, `EmptyDocument`, `UnsupportedMediaType`, `InvalidInput`, or `NotFound` for the collection.
        """
        actor.require(Action.DOCUMENT_WRITE)
        name = clean_filename(filename)
        about = Particulars(collection_id=collection_id, title=title, tags=tags, metadata=metadata or {})
        await self._collection(actor, about)  # before gigabytes are stored in vain

        document_id = DocumentId(self.ids.new())
        key = file_key(actor.workspace_id, document_id, 1)
        intake = _Intake(files=self.files, media_types=self.media_types, max_bytes=self.max_bytes)
        stored, media_type = await intake(key, content, name)
        try:
            about = late() if late is not None else about
            document = Document.uploaded(
                id=document_id,
                workspace_id=actor.workspace_id,
                collection_id=await self._collection(actor, about),
                title=about.title,
                filename=name,
                media_type=media_type,
                size=stored.size,
                sha256=stored.sha256,
                file_key=key,
                tags=about.tags,
                metadata=about.metadata,
                by=actor.user_id,
                now=self.clock.now(),
            )
            existing = await self._add(actor, document)
        except REFUSED:
            await self.files.delete(key)
            raise
        if existing is None:
            return Receipt(document=document, created=True)
        await self.files.delete(key)
        return Receipt(document=existing, created=False)

    async def _collection(self, actor: Actor, about: Particulars) -> CollectionId:
        """Where it goes, once all that is said about it has been found good."""
        about.check()
        async with self.begin(actor.workspace_id) as work:
            return (await readable_collection(work, actor, about.collection_id)).id

    async def _add(self, actor: Actor, document: Document) -> Document | None:
        """Store it, or give the one that already holds these bytes."""
        while True:
            async with self.begin(document.workspace_id) as work:
                existing = await work.documents.find_duplicate(document.collection_id, document.sha256)
                if existing is not None:
                    return existing
                try:
                    await work.documents.add(document)
                    await note(work, Deed.DOCUMENT_UPLOADED, document.id, by=actor)
                    await work.commit(Receipt(document=document, created=True))
                except AlreadyExists:
                    continue  # a race put the same bytes there first: read what it stored, in a new transaction
                return None


@frozen(kw_only=True)
class ReviseDocument:
    """Replace a document's bytes; the old ones stay searchable until the new ones are ready."""

    begin: UnitOfWorkFactory
    files: FileStore
    media_types: MediaTypes
    clock: Clock
    max_bytes: int

    async def __call__(
        self,
        actor: Actor,
        *,
        document_id: DocumentId,
        content: AsyncIterator[bytes],
        filename: str | None,
        version: int | None = None,
    ) -> Document:
        """Errors as for an upload, `NotFound`, `StaleVersion` when `version` is not the present one, and `Conflict`
        `duplicate_document` when another document of the collection has these bytes.
        """
        actor.require(Action.DOCUMENT_WRITE)
        async with self.begin(actor.workspace_id) as work:
            document = await readable_document(work, actor, document_id)
        check_version(document.version, version)
        # Under a name of its own until it is certain which revision it becomes.
        key = f"{file_key(actor.workspace_id, document_id, document.revision + 1)}-{self.clock.now().timestamp():.6f}"
        intake = _Intake(files=self.files, media_types=self.media_types, max_bytes=self.max_bytes)
        name = clean_filename(filename) if filename else document.filename
        stored, media_type = await intake(key, content, name)

        async def revise() -> Document:
            async with self.begin(actor.workspace_id) as work:
                document = await readable_document(work, actor, document_id)
                check_version(document.version, version)
                document = document.revised(
                    filename=name,
                    media_type=media_type,
                    size=stored.size,
                    sha256=stored.sha256,
                    file_key=key,
                    now=self.clock.now(),
                )
                await work.documents.save(document)
                await note(work, Deed.DOCUMENT_REVISED, document.id, by=actor)
                await work.commit()
            return document

        try:
            return await until_first(revise)
        except REFUSED as error:
            await self.files.delete(key)
            if isinstance(error, AlreadyExists):
                raise duplicate_document() from error
            raise
