"""What becomes of documents, in the rooms of their workspace: events at the end, signals on the way."""

import asyncio
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import uuid5

from attrs import define, field, frozen

from application.errors import ApplicationError
from application.ports.live import LiveBus, LiveNote, NoteKind
from application.ports.news import DocumentNews
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.rooms_events import RecordEvent, compact, sender_view
from domain.access import Role
from domain.documents import Document, DocumentStatus
from domain.errors import NotFound
from domain.ids import DocumentId, UserId, WorkspaceId
from domain.rooms import EventKind, NewEvent, Room, Sender
from domain.workspaces import Collection, Visibility

SERVICE = Sender(id=None, name="Reading Room")
MOST_ROOMS = 1000  # of a workspace that are told
MOST_SIGNALLED: Final = 100  # of them that follow the progress
SIGNAL_EVERY: Final = 1.0  # seconds between two signals about one document
PROGRESS: Final = "document.progress"


@frozen(kw_only=True)
class TellRooms:
    """Tell rooms that a document is ready, failed, or deleted.

    - A document that every member may read is told in every room; one of a restricted collection only in restricted
      rooms all of whose listed members may read it.
    - Telling the same again is harmless: the event of one state of a document is one event.
    """

    begin: UnitOfWorkFactory
    record: RecordEvent

    async def __call__(self, workspace_id: WorkspaceId, document_id: DocumentId) -> None:
        """Tell where the document stands now; nothing while it is worked on, and for one that is gone."""
        async with self.begin(workspace_id) as work:
            document = await work.documents.get(document_id)
            kind = None if document is None else _kind_of(document)
            if document is None or kind is None:
                return
            rooms = await _rooms_of(work, document, limit=MOST_ROOMS)
        for room in rooms:
            event = NewEvent(
                room_id=room.id,
                workspace_id=workspace_id,
                kind=kind,
                sender=SERVICE,
                client_msg_id=uuid5(document.id, f"{kind.value}/{document.version}"),
                data=_data_of(document),
            )
            try:
                async with self.begin(workspace_id) as work:
                    await self.record.last(work, event)
            except NotFound:
                continue  # the room was deleted meanwhile


@define(eq=False, kw_only=True)
class ProgressInRooms(DocumentNews):
    """Tells those who follow a document, and the rooms that may know of it, how far it is.

    Rooms are told by the signal `document.progress`, at most once a second: it may be dropped, the end is an event.
    """

    news: DocumentNews
    begin: UnitOfWorkFactory
    bus: LiveBus
    _next_at: dict[DocumentId, float] = field(factory=dict)  # of documents that are worked on

    async def tell(self, document_id: DocumentId) -> None:
        """Never fails: what is not told is not needed."""
        await self.news.tell(document_id)
        now = asyncio.get_running_loop().time()
        if now < self._next_at.get(document_id, now):
            return
        self._next_at[document_id] = now + SIGNAL_EVERY
        try:
            await self._signal(document_id)
        except ApplicationError:
            return

    def listen(self, document_id: DocumentId) -> AbstractContextManager[asyncio.Event]:
        """As the news do."""
        return self.news.listen(document_id)

    async def _signal(self, document_id: DocumentId) -> None:
        async with self.begin(None) as work:
            document = await work.documents.get(document_id)
            if document is None or document.is_deleted or _kind_of(document) is not None:
                self._next_at.pop(document_id, None)
                return
            rooms = await _rooms_of(work, document, limit=MOST_SIGNALLED)
        for room in rooms:
            frame = {
                "type": "signal",
                "room_id": str(room.id),
                "name": PROGRESS,
                "sender": sender_view(SERVICE),
                "data": _progress_of(document),
            }
            await self.bus.note(room.id, LiveNote(kind=NoteKind.SIGNAL, body=compact(frame)))


async def _rooms_of(work: UnitOfWork, document: Document, *, limit: int) -> list[Room]:
    """Rooms that may know of it."""
    collection = await work.collections.get(document.collection_id)
    if collection is None:
        return []
    rooms = await work.rooms.page(document.workspace_id, seen_by=document.created_by, role=Role.OWNER, limit=limit)
    return [room for room in rooms if await _may_be_told(work, room, collection)]


async def _may_be_told(work: UnitOfWork, room: Room, collection: Collection) -> bool:
    if collection.visibility is Visibility.WORKSPACE:
        return True
    if room.visibility is Visibility.WORKSPACE:
        return False
    for user_id in await work.rooms.listed(room.id):
        if not await _may_read(work, collection, user_id):
            return False
    return True


async def _may_read(work: UnitOfWork, collection: Collection, user_id: UserId) -> bool:
    membership = await work.workspaces.membership(collection.workspace_id, user_id)
    if membership is None:
        return True  # who is no member any more is told nothing in any room
    return collection.id in await work.collections.readable_by(collection.workspace_id, user_id, membership.role)


def _kind_of(document: Document) -> EventKind | None:
    if document.is_deleted:
        return EventKind.DOCUMENT_DELETED
    kinds = {DocumentStatus.READY: EventKind.DOCUMENT_READY, DocumentStatus.FAILED: EventKind.DOCUMENT_FAILED}
    return kinds.get(document.status)


def _data_of(document: Document) -> dict[str, Any]:
    # no title: events stay for ever, and whoever reads them later may not be allowed to read the document any more
    data: dict[str, Any] = {"document_id": str(document.id), "revision": document.revision}
    if document.failure is not None and not document.is_deleted:
        data["error"] = {"code": document.failure.code.value, "message": document.failure.message}
    return data


def _progress_of(document: Document) -> dict[str, Any]:
    return {
        "document_id": str(document.id),
        "title": document.title,
        "status": document.status.value,
        "stage": None if document.stage is None else document.stage.value,
        "progress": document.progress,
    }
