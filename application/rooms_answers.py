"""Claude in a room: somebody asks, and everybody in the room follows the answer."""

from uuid import UUID

from attrs import evolve, frozen

from application.asking import CancelAnswer, PostMessage
from application.authentication import EnterWorkspace, Identity
from application.errors import AlreadyExists
from application.ports.rooms import Appended
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.rooms_chronicle import conversation_of, question_data
from application.rooms_events import readable_room, same_event
from domain.access import Action, Actor
from domain.conversations import Conversation, check_content
from domain.errors import Conflict, NotFound
from domain.ids import MessageId, RoomId
from domain.rooms import EventKind, NewEvent, Room, Sender, check_data

ATTEMPTS = 3  # at asking: somebody may have the same thought at the same moment


async def is_theirs(work: UnitOfWork, actor: Actor, conversation: Conversation) -> bool:
    """Who may read a conversation: whoever sees the room that it belongs to; without a room, who started it."""
    room_id = RoomId(conversation.id)
    if await work.rooms.get(room_id) is None:
        return conversation.created_by == actor.user_id
    return bool(await work.rooms.admitted([(room_id, actor.user_id)]))


@frozen(kw_only=True)
class AskInRoom:
    """Ask Claude in a room.

    - The question, its event `message`, the answer that begins and its event `answer.started` are one transaction:
      a question never stands in a room without an answer. The same question again is the same event.
    - The answer is searched for with the asker's eyes. Its text is told to everybody in the room, each citation to
      those who may read the document.
    - One answer is written at a time in a room.
    """

    begin: UnitOfWorkFactory
    post: PostMessage
    clock: Clock

    async def __call__(self, actor: Actor, *, room_id: RoomId, client_msg_id: UUID, content: str) -> Appended:
        """As for publishing; `Conflict` (code `answer_in_progress`) while an answer is being written in the room."""
        actor.require(Action.CHAT)
        check_content(content)
        check_data(question_data(content))
        event = NewEvent(
            room_id=room_id,
            workspace_id=actor.workspace_id,
            kind=EventKind.MESSAGE,
            sender=Sender(id=actor.user_id, name=""),
            client_msg_id=client_msg_id,
            data=question_data(content),
        )
        for _ in range(ATTEMPTS):
            try:
                known = await self._known(actor, event)
                if known is not None:
                    break
                conversation_id = conversation_of(room_id)
                await self.post(actor, conversation_id=conversation_id, content=content, client_msg_id=client_msg_id)
            except AlreadyExists:
                continue  # a twin was faster
            return evolve(await self._posted(event), duplicate=False)
        else:
            known = await self._posted(event)
        return same_event(known)

    async def _known(self, actor: Actor, event: NewEvent) -> Appended | None:
        """The question, if it was asked before; else the room has a conversation for it."""
        async with self.begin(actor.workspace_id) as work:
            await readable_room(work, actor, event.room_id)
            actor.require(Action.ROOM_WRITE)
            known = await work.rooms.known(event)
            room = await work.rooms.get(event.room_id)
            if room is None:
                raise NotFound("There is no such room.")
            if known is None and await work.conversations.get(conversation_of(room.id)) is None:
                await work.conversations.add(self._conversation(actor, room))
                await work.commit()
        return known

    async def _posted(self, event: NewEvent) -> Appended:
        async with self.begin(event.workspace_id) as work:
            known = await work.rooms.known(event)
        if known is None:
            raise NotFound("There is no such room.")
        return known

    def _conversation(self, actor: Actor, room: Room) -> Conversation:
        now = self.clock.now()
        return Conversation(
            id=conversation_of(room.id),
            workspace_id=room.workspace_id,
            created_by=actor.user_id,
            title=room.name,
            created_at=now,
            updated_at=now,
        )


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
