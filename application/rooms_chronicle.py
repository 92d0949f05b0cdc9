"""What rooms are told of answers, written in the very transactions in which these begin and end."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from attrs import frozen

from application.errors import AlreadyExists
from application.ports.rooms import UQ_CLIENT_MSG_ID, Appended
from application.ports.unit_of_work import UnitOfWork
from application.rooms_events import RecordEvent, sender_of
from domain.access import Action, Actor
from domain.conversations import Message
from domain.errors import Conflict
from domain.ids import ConversationId, RoomId
from domain.rooms import EventKind, NewEvent, Room, RoomEvent, Sender, check_data

CLAUDE: Final = Sender(id=None, name="Claude")


def conversation_of(room_id: RoomId) -> ConversationId:
    """What is asked in a room stands in the conversation that has the room's id."""
    return ConversationId(room_id)


def question_data(content: str) -> dict[str, Any]:
    """The event `message` of a question."""
    return {"content": content, "to": "claude"}


@frozen(kw_only=True)
class RoomChronicle:
    """Events of the answers in a room's conversation; of a conversation that is no room's there are none.

    `began` and `ended` come last in a unit of work, since they hold the room's row. The caller commits, then lets the
    events be told; those of a process that dies in between are told by the sweeper.
    """

    record: RecordEvent

    async def began(
        self, work: UnitOfWork, actor: Actor, question: Message, answer: Message, *, asked_as: UUID | None
    ) -> tuple[RoomEvent, ...]:
        """`message` for a question that is new (`asked_as` is its `client_msg_id`), and `answer.started`.

        `Conflict` (code `answer_in_progress`) while another answer is being written in the room; `AlreadyExists` for
        a question that was asked under this id before; `Forbidden`, `TooLarge`.
        """
        room = await work.rooms.get(RoomId(answer.conversation_id))
        if room is None:
            return ()
        actor.require(Action.ROOM_WRITE)
        events: list[RoomEvent] = []
        about: dict[str, Any] = {"message_id": str(answer.id), "question_id": str(question.id)}
        if asked_as is not None:
            data = question_data(question.content)
            check_data(data)
            sender = await sender_of(work, actor)
            asked = await self._append(work, room, EventKind.MESSAGE, asked_as, data, sender)
            if asked.duplicate:
                raise AlreadyExists("This question was asked before.", constraint=UQ_CLIENT_MSG_ID)
            events.append(asked.event)
            about["question_seq"] = asked.event.seq
        key = _key(answer, EventKind.ANSWER_STARTED)
        started = await self._append(work, room, EventKind.ANSWER_STARTED, key, about)
        # the room's row is held from here on: of two who ask at the same moment the second one sees the first
        if any(other.id != answer.id for other in await work.runs.written_in(answer.conversation_id)):
            raise Conflict("An answer is being written in this room. Wait for it.", code="answer_in_progress")
        return (*events, started.event)

    async def ended(self, work: UnitOfWork, answer: Message) -> tuple[RoomEvent, ...]:
        """`answer.completed`, whatever the end was."""
        room = await work.rooms.get(RoomId(answer.conversation_id))
        if room is None:
            return ()
        started = await work.rooms.find_event(room.id, _key(answer, EventKind.ANSWER_STARTED))
        about = {"message_id": str(answer.id)} if started is None else started.data
        data = {**about, "status": answer.status.value}
        key = _key(answer, EventKind.ANSWER_COMPLETED)
        return ((await self._append(work, room, EventKind.ANSWER_COMPLETED, key, data)).event,)

    async def tell(self, events: tuple[RoomEvent, ...]) -> None:
        """Tell what was committed."""
        await self.record.tell(*events)

    async def _append(
        self,
        work: UnitOfWork,
        room: Room,
        kind: EventKind,
        client_msg_id: UUID,
        data: Mapping[str, Any],
        sender: Sender = CLAUDE,
    ) -> Appended:
        event = NewEvent(
            room_id=room.id,
            workspace_id=room.workspace_id,
            kind=kind,
            sender=sender,
            client_msg_id=client_msg_id,
            data=dict(data),
        )
        return await work.rooms.append(event, now=self.record.clock.now())


def _key(answer: Message, kind: EventKind) -> UUID:
    """One event of a kind for each answer."""
    return uuid5(answer.id, kind.value)
