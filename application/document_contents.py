"""What stands in a document: its original bytes, its passages, its pages."""

from collections.abc import AsyncIterator

from attrs import frozen

from application.documents import readable_document
from application.ports.files import FileStore
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.documents import Document
from domain.errors import NotFound
from domain.ids import DocumentId
from domain.passages import Chunk, Page


@frozen(kw_only=True)
class Original:
    """The bytes as they were uploaded."""

    document: Document
    size: int
    content: AsyncIterator[bytes]


@frozen(kw_only=True)
class DownloadOriginal:
    """The original bytes, whole or a range."""

    begin: UnitOfWorkFactory
    files: FileStore

    async def __call__(
        self, actor: Actor, *, document_id: DocumentId, start: int = 0, end: int | None = None
    ) -> Original:
        """`[start, end)`; `NotFound` when the document does not exist for this actor."""
        actor.require(Action.DOCUMENT_READ)
        async with self.begin(actor.workspace_id) as work:
            document = await readable_document(work, actor, document_id)
        return Original(
            document=document,
            size=document.size,
            content=self.files.get(document.file_key, start=start, end=end),
        )


@frozen(kw_only=True)
class ListChunks:
    """The passages of a document's live revision, in reading order."""

    begin: UnitOfWorkFactory

    async def __call__(
        self, actor: Actor, *, document_id: DocumentId, limit: int, after: int | None = None
    ) -> list[Chunk]:
        """Empty while nothing is live yet; `NotFound` when the document does not exist for this actor."""
        actor.require(Action.DOCUMENT_READ)
        async with self.begin(actor.workspace_id) as work:
            document = await readable_document(work, actor, document_id)
            if document.live_revision is None:
                return []
            return await work.passages.of_document(document.id, document.live_revision, limit=limit, after=after)


@frozen(kw_only=True)
class PageText:
    """A page with its text."""

    page: Page
    text: str


@frozen(kw_only=True)
class ShowPage:
    """One page of a document's live revision, with the places of its lines."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, document_id: DocumentId, number: int) -> PageText:
        """`NotFound` when there is no such document or page."""
        actor.require(Action.DOCUMENT_READ)
        async with self.begin(actor.workspace_id) as work:
            document = await readable_document(work, actor, document_id)
            found = (
                await work.passages.read_page(document.id, document.live_revision, number)
                if document.live_revision is not None
                else None
            )
        if found is None:
            raise NotFound("The document has no such page, or is not ready yet.")
        page, text = found
        return PageText(page=page, text=text)
