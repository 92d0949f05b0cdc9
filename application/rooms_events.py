"""Events of rooms: appended in one order, read in pages, told to everybody who listens."""

import json
from typing import Any, Final
from uuid import UUID

from attrs import frozen

from application.errors import AlreadyExists, CacheUnavailable, ConcurrentChange
from application.ports.live import LiveBus, LiveEvent
from application.ports.rooms import UQ_CLIENT_MSG_ID, Appended
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.views import time_view
from domain.access import Action, Actor
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import RoomId
from domain.rooms import MAX_SEQ, NewEvent, RoomEvent, Sender, check_client_kind, check_data

MAX_PAGE: Final = 1000


def event_view(event: RoomEvent) -> dict[str, Any]:
    """An event in its place."""
    return {
        "room_id": str(event.room_id),
        "seq": event.seq,
        "epoch": str(event.epoch),
        "kind": event.kind.value,
        "sender": sender_view(event.sender),
        "client_msg_id": str(event.client_msg_id),
        "data": event.data,
        "created_at": time_view(event.created_at),
    }


def sender_view(sender: Sender) -> dict[str, Any]:
    """Who it was."""
    return {"id": None if sender.id is None else str(sender.id), "name": sender.name}


def compact(value: Any) -> bytes:
    """JSON in as few bytes as may be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def told(event: RoomEvent) -> LiveEvent:
    """An event as everybody is told it: the frame `publication`, made once for all readers."""
    body = compact({"type": "publication", **event_view(event)})
    return LiveEvent(seq=event.seq, epoch=event.epoch, body=body)


async def sender_of(work: UnitOfWork, actor: Actor) -> Sender:
    """The actor as others see them; `NotFound` when they are gone."""
    user = await work.users.get(actor.user_id)
    if user is None:
        raise NotFound("This user is not a member of the workspace any more.")
    return Sender(id=user.id, name=user.name)


async def readable_room(work: UnitOfWork, actor: Actor, room_id: RoomId) -> None:
    """`NotFound` unless the actor sees the room."""
    if not await work.rooms.admitted([(room_id, actor.user_id)]):
        raise NotFound("There is no such room.")


def same_event(appended: Appended) -> Appended:
    """`Conflict` (code `idempotency_conflict`) where another event stands under the id."""
    if not appended.is_same:
        raise Conflict("Another event was sent under this client_msg_id.", code="idempotency_conflict")
    return appended


@frozen(kw_only=True)
class RecordEvent:
    """Append an event and commit, then tell it. What cannot be told now is told by the sweeper."""

    bus: LiveBus
    clock: Clock
    log: Log

    async def last(self, work: UnitOfWork, event: NewEvent) -> Appended:
        """Append as the last statement of this unit of work, commit it, and tell the event.

        `NotFound` when the room is gone; `AlreadyExists` when a twin was appended at the same moment.
        """
        try:
            appended = await work.rooms.append(event, now=self.clock.now())
            if appended.duplicate:
                return appended  # nothing was written
            await work.commit(appended)
        except ConcurrentChange as error:
            raise NotFound("There is no such room.") from error
        await self.tell(appended.event)
        return appended

    async def tell(self, *events: RoomEvent) -> None:
        """Tell committed events."""
        of_rooms: dict[RoomId, list[LiveEvent]] = {}
        for event in sorted(events, key=lambda event: event.seq):
            of_rooms.setdefault(event.room_id, []).append(told(event))
        if not of_rooms:
            return
        try:
            await self.bus.publish(of_rooms)
        except CacheUnavailable as error:
            self.log.warning("events_not_told", rooms=[str(one) for one in of_rooms], reason=error.slug)


@frozen(kw_only=True)
class PublishEvent:
    """Send something to everybody in a room, now and later.

    - It is stored before anything is answered, with the next number of the room.
    - The same `client_msg_id` again, at any later time, is the same event; with another body it is refused.
    """

    begin: UnitOfWorkFactory
    record: RecordEvent

    async def __call__(self, actor: Actor, *, room_id: RoomId, kind: str, client_msg_id: UUID, data: Any) -> Appended:
        """`NotFound`, `Forbidden`, `InvalidInput`, `TooLarge` (code `payload_too_large`), or `Conflict`
        (code `idempotency_conflict`).
        """
        actor.require(Action.ROOM_READ)
        checked = check_client_kind(kind)
        check_data(data)
        try:
            appended = await self._append(actor, room_id, checked, client_msg_id, data)
        except AlreadyExists as error:
            if error.constraint != UQ_CLIENT_MSG_ID:
                raise
            appended = await self._append(actor, room_id, checked, client_msg_id, data)
        return same_event(appended)

    async def _append(self, actor: Actor, room_id: RoomId, kind: Any, client_msg_id: UUID, data: Any) -> Appended:
        async with self.begin(actor.workspace_id) as work:
            await readable_room(work, actor, room_id)
            actor.require(Action.ROOM_WRITE)
            event = NewEvent(
                room_id=room_id,
                workspace_id=actor.workspace_id,
                kind=kind,
                sender=await sender_of(work, actor),
                client_msg_id=client_msg_id,
                data=data,
            )
            return await self.record.last(work, event)


@frozen(kw_only=True)
class EventPage:
    """Events in order, and where the room stands."""

    events: list[RoomEvent]
    head_seq: int
    epoch: UUID
    is_whole: bool  # False: retention took some of those that were asked for


@frozen(kw_only=True)
class ReadEvents:
    """Events of a room in order: those after a number, or the last of those before one; the youngest without either."""

    begin: UnitOfWorkFactory

    async def __call__(
        self, actor: Actor, *, room_id: RoomId, limit: int, after: int | None = None, before: int | None = None
    ) -> EventPage:
        """At most `limit`. `NotFound`, or `InvalidInput` when both numbers are given."""
        actor.require(Action.ROOM_READ)
        if after is not None and before is not None:
            raise InvalidInput("Ask for events after a number or before one, not both.", pointer="/before")
        async with self.begin(actor.workspace_id) as work:
            await readable_room(work, actor, room_id)
            room = await work.rooms.get(room_id)
            if room is None:
                raise NotFound("There is no such room.")
            if after is not None:
                events = await work.rooms.events_after(room_id, after, limit=limit)
            else:
                border = MAX_SEQ if before is None else before
                events = await work.rooms.events_before(room_id, border, limit=limit)
        head = max([room.last_seq, *(event.seq for event in events)])
        asked = _asked_for(head, limit=limit, after=after, before=before)
        is_whole = [event.seq for event in events] == list(asked)
        return EventPage(events=events, head_seq=head, epoch=room.epoch, is_whole=is_whole)


def _asked_for(head: int, *, limit: int, after: int | None, before: int | None) -> range:
    """The numbers that a page would have if nothing was ever forgotten."""
    if after is not None:
        return range(max(after, 0) + 1, min(max(after, 0) + limit, head) + 1)
    end = head + 1 if before is None else max(1, min(before, head + 1))
    return range(max(1, end - limit), end)
