"""What becomes of documents, as events in the rooms of their workspace."""

from typing import Any
from uuid import uuid5

from attrs import frozen

from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.rooms_events import RecordEvent
from domain.access import Role
from domain.documents import Document, DocumentStatus
from domain.errors import NotFound
from domain.ids import DocumentId, UserId, WorkspaceId
from domain.rooms import EventKind, NewEvent, Room, Sender
from domain.workspaces import Collection, Visibility

SERVICE = Sender(id=None, name="Reading Room")
MOST_ROOMS = 1000  # of a workspace that are told


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
            rooms = await self._rooms(work, document)
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

    async def _rooms(self, work: UnitOfWork, document: Document) -> list[Room]:
        collection = await work.collections.get(document.collection_id)
        if collection is None:
            return []
        rooms = await work.rooms.page(
            document.workspace_id, seen_by=document.created_by, role=Role.OWNER, limit=MOST_ROOMS
        )
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
    data: dict[str, Any] = {"document_id": str(document.id), "title": document.title, "revision": document.revision}
    if document.failure is not None and not document.is_deleted:
        data["error"] = {"code": document.failure.code.value, "message": document.failure.message}
    return data
