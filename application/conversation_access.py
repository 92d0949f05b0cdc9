"""Whose conversations are whose."""

from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve, frozen

from application.ports.unit_of_work import UnitOfWork
from domain.access import Actor
from domain.conversations import Conversation, Message, Speaker
from domain.errors import Conflict, Forbidden, NotFound
from domain.ids import ConversationId, MessageId

# whether the conversation is there for the actor; asked inside the unit of work that loaded it
AccessRule = Callable[[UnitOfWork, Actor, Conversation], Awaitable[bool]]


async def is_own(_work: UnitOfWork, actor: Actor, conversation: Conversation) -> bool:
    """The actor started it."""
    return conversation.created_by == actor.user_id


@frozen
class ConversationAccess:
    """A conversation is there for whoever one of the rules lets in; for others it does not exist."""

    rules: tuple[AccessRule, ...] = (is_own,)

    async def conversation(self, work: UnitOfWork, actor: Actor, conversation_id: ConversationId) -> Conversation:
        """`NotFound` when it is not there for the actor."""
        found = await work.conversations.get(conversation_id)
        if found is not None and found.workspace_id == actor.workspace_id:
            for rule in self.rules:
                if await rule(work, actor, found):
                    return found
        raise NotFound("There is no such conversation.")

    async def own(self, work: UnitOfWork, actor: Actor, conversation_id: ConversationId) -> Conversation:
        """`NotFound` when it is not there for the actor, `Forbidden` when somebody else started it."""
        found = await self.conversation(work, actor, conversation_id)
        if found.created_by != actor.user_id:
            raise Forbidden("Only who started a conversation may change or delete it.")
        return found

    async def message(self, work: UnitOfWork, actor: Actor, message_id: MessageId) -> Message:
        """`NotFound` when it does not stand in a conversation that is there for the actor."""
        found = await work.messages.get(message_id)
        if found is None or found.workspace_id != actor.workspace_id:
            raise NotFound("There is no such message.")
        await self.conversation(work, actor, found.conversation_id)
        return found

    async def answer(self, work: UnitOfWork, actor: Actor, message_id: MessageId) -> Message:
        """As `message`; `Conflict` (``not_an_answer``) for a question, which nobody writes or streams."""
        found = await self.message(work, actor, message_id)
        if found.role is not Speaker.ASSISTANT:
            raise Conflict("This message is a question. Take the id of its answer.", code="not_an_answer")
        return found


async def with_readable_citations(work: UnitOfWork, actor: Actor, messages: Sequence[Message]) -> list[Message]:
    """The messages without citations of documents that are gone, or not for the actor's eyes any more."""
    cited = {citation.document_id for message in messages for citation in message.citations}
    if not cited:
        return list(messages)
    documents = await work.documents.get_many(list(cited))
    readable = {
        document.id
        for document in documents.values()
        if not document.is_deleted and actor.can_read(document.collection_id)
    }
    return [
        evolve(message, citations=tuple(c for c in message.citations if c.document_id in readable))
        for message in messages
    ]
