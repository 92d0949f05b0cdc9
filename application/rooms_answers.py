"""Claude in a room: somebody asks, and everybody in the room follows the answer."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID, uuid5

from attrs import define, field, frozen

from application.answer_reading import ReadAnswer
from application.asking import Asked, CancelAnswer, PostMessage
from application.authentication import EnterWorkspace, Identity
from application.errors import AlreadyExists, ApplicationError, CacheUnavailable
from application.ports.live import LiveBus, LiveNote, NoteKind
from application.ports.rooms import Appended
from application.ports.runs import RunEvent
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.rooms_events import PublishEvent, RecordEvent, compact
from domain.access import Action, Actor
from domain.conversations import Conversation, check_content
from domain.errors import Conflict, DomainError, NotFound
from domain.ids import ConversationId, DocumentId, MessageId, RoomId
from domain.rooms import EventKind, NewEvent, Room, Sender

CLAUDE: Final = Sender(id=None, name="Claude")
ATTEMPT: Final = 1  # an answer is written once; another one is another message
CLOSE_SECONDS: Final = 3.0  # that the ends of answers have to be told when the process stops


def conversation_of(room_id: RoomId) -> ConversationId:
    """What is asked in a room stands in the conversation that has the room's id."""
    return ConversationId(room_id)


async def is_theirs(work: UnitOfWork, actor: Actor, conversation: Conversation) -> bool:
    """Who may read a conversation: whoever sees the room that it belongs to; without a room, who started it."""
    room_id = RoomId(conversation.id)
    if await work.rooms.get(room_id) is None:
        return conversation.created_by == actor.user_id
    return bool(await work.rooms.admitted([(room_id, actor.user_id)]))


@define(eq=False)
class AskInRoom:
    """Ask Claude in a room.

    - The question is an event of the kind `message`, stored before anything is answered; the same again is the same.
    - The answer is searched for with the asker's eyes. Its text is told to everybody in the room, each citation to
      those who may read the document.
    - One answer is written at a time in a room.
    """

    begin: UnitOfWorkFactory
    publish: PublishEvent
    post: PostMessage
    read: ReadAnswer
    record: RecordEvent
    bus: LiveBus
    clock: Clock
    log: Log
    _telling: set[asyncio.Task[None]] = field(factory=set)

    async def __call__(self, actor: Actor, *, room_id: RoomId, client_msg_id: UUID, content: str) -> Appended:
        """As for publishing; `Conflict` (code `answer_in_progress`) while an answer is being written in the room."""
        actor.require(Action.CHAT)
        check_content(content)
        room, is_busy = await self._look(actor, room_id)
        if is_busy and not await self._is_known(actor, room_id, client_msg_id):
            raise Conflict("An answer is being written in this room. Wait for it.", code="answer_in_progress")
        data = {"content": content, "to": "claude"}
        asked = await self.publish(
            actor, room_id=room_id, kind=EventKind.MESSAGE.value, client_msg_id=client_msg_id, data=data
        )
        if not asked.duplicate:
            await self._converse(actor, room)
            posted = await self.post(actor, conversation_id=conversation_of(room_id), content=content)
            task = asyncio.create_task(self._tell(actor, room, posted, asked.event.seq))
            self._telling.add(task)
            task.add_done_callback(self._told)
        return asked

    async def close(self) -> None:
        """Let the ends of answers be told, for a moment."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=CLOSE_SECONDS)
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("answer_not_told", error=repr(error))

    async def _look(self, actor: Actor, room_id: RoomId) -> tuple[Room, bool]:
        """The room, and whether an answer is being written in it."""
        async with self.begin(actor.workspace_id) as work:
            room = await work.rooms.get(room_id)
            if room is None or not await work.rooms.admitted([(room_id, actor.user_id)]):
                raise NotFound("There is no such room.")
            latest = await work.messages.latest(conversation_of(room_id))
        return room, latest is not None and not latest.is_over

    async def _is_known(self, actor: Actor, room_id: RoomId, client_msg_id: UUID) -> bool:
        async with self.begin(actor.workspace_id) as work:
            recent = await work.rooms.events_before(room_id, 2**53 - 1, limit=100)
        return any(event.client_msg_id == client_msg_id for event in recent)

    async def _converse(self, actor: Actor, room: Room) -> None:
        """Have the room's conversation."""
        now = self.clock.now()
        conversation = Conversation(
            id=conversation_of(room.id),
            workspace_id=room.workspace_id,
            created_by=actor.user_id,
            title=room.name,
            created_at=now,
            updated_at=now,
        )
        try:
            async with self.begin(room.workspace_id) as work:
                if await work.conversations.get(conversation.id) is None:
                    await work.conversations.add(conversation)
                    await work.commit()
        except AlreadyExists:
            return  # somebody asked at the same moment

    async def _tell(self, actor: Actor, room: Room, asked: Asked, question_seq: int) -> None:
        """Follow the answer to its end."""
        answer_id = asked.answer.id
        about = {"message_id": str(answer_id), "question_id": str(asked.question.id), "question_seq": question_seq}
        await self._event(room, EventKind.ANSWER_STARTED, answer_id, about)
        frame = {"room_id": str(room.id), "message_id": str(answer_id)}
        offset = 0
        async with aclosing(await self.read(actor, message_id=answer_id)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.name == "content.delta":
                    offset += 1
                    where = {**frame, "attempt": ATTEMPT, "offset": offset}
                    await self._note(
                        room, NoteKind.DELTA, {"type": "answer_delta", **where, "text": event.data["text"]}
                    )
                elif event.name == "citation":
                    where = {**frame, "attempt": ATTEMPT, "offset": offset}
                    await self._cite(room, {"type": "answer_citation", **where, "citation": dict(event.data)})
                elif event.is_last:
                    status = _status(event)
                    await self._event(room, EventKind.ANSWER_COMPLETED, answer_id, {**about, "status": status})
                    end = {"type": "answer_end", **frame, "status": status, "offset": offset}
                    await self._note(room, NoteKind.RUN, end)

    async def _cite(self, room: Room, frame: Mapping[str, Any]) -> None:
        """Tell a citation with the collection that decides who is shown it."""
        document_id = DocumentId(UUID(frame["citation"]["document_id"]))
        async with self.begin(room.workspace_id) as work:
            document = await work.documents.get(document_id)
        if document is not None and not document.is_deleted:
            body = {"collection_id": str(document.collection_id), "frame": frame}
            await self._note(room, NoteKind.CITATION, body)

    async def _event(self, room: Room, kind: EventKind, answer_id: MessageId, data: Mapping[str, Any]) -> None:
        event = NewEvent(
            room_id=room.id,
            workspace_id=room.workspace_id,
            kind=kind,
            sender=CLAUDE,
            client_msg_id=uuid5(answer_id, kind.value),
            data=dict(data),
        )
        try:
            async with self.begin(room.workspace_id) as work:
                await self.record.last(work, event)
        except (ApplicationError, DomainError) as error:
            self.log.warning("answer_event_lost", room_id=str(room.id), kind=kind.value, reason=error.slug)

    async def _note(self, room: Room, kind: NoteKind, body: Mapping[str, Any]) -> None:
        try:
            await self.bus.note(room.id, LiveNote(kind=kind, body=compact(body)))
        except CacheUnavailable:
            return  # the answer is stored; who missed a part reads the message


def _status(last: RunEvent) -> str:
    status: str = last.data["message"]["status"]
    return status


@frozen(kw_only=True)
class CancelLive:
    """Stop an answer by its id alone, from any device with the right."""

    begin: UnitOfWorkFactory
    enter_workspace: EnterWorkspace
    cancel: CancelAnswer

    async def __call__(self, identity: Identity, message_id: MessageId) -> None:
        """`Conflict` (code `answer_not_active`) unless it is being written and is there for them."""
        async with self.begin(None) as work:
            message = await work.messages.get(message_id)
        try:
            if message is not None and not message.is_over:
                actor = await self.enter_workspace(identity, message.workspace_id)
                await self.cancel(actor, message_id=message_id)
                return
        except NotFound:
            pass
        raise Conflict("No such answer is being written.", code="answer_not_active")
