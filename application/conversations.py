"""Conversations with the model, and the messages in them."""

from attrs import frozen

from application.conversation_access import ConversationAccess, with_readable_citations
from application.documents import readable_collection
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.conversations import MAX_INSTRUCTIONS_LENGTH, MAX_TITLE_LENGTH, Conversation, Message
from domain.errors import InvalidInput
from domain.ids import CollectionId, ConversationId, MessageId


@frozen(kw_only=True)
class StartConversation:
    """A new conversation over some collections, or over all that the actor may read."""

    begin: UnitOfWorkFactory
    clock: Clock
    ids: Ids

    async def __call__(
        self,
        actor: Actor,
        *,
        title: str | None = None,
        collection_ids: tuple[CollectionId, ...] = (),
        instructions: str | None = None,
        model: str | None = None,
    ) -> Conversation:
        """`InvalidInput`, or `NotFound` for a collection that does not exist for this actor."""
        actor.require(Action.CHAT)
        cleaned = " ".join(title.split()) if title else None
        if cleaned and len(cleaned) > MAX_TITLE_LENGTH:
            raise InvalidInput(f"A title has at most {MAX_TITLE_LENGTH} characters.", pointer="/title")
        if instructions and len(instructions) > MAX_INSTRUCTIONS_LENGTH:
            raise InvalidInput(
                f"Instructions have at most {MAX_INSTRUCTIONS_LENGTH} characters.", pointer="/instructions"
            )
        now = self.clock.now()
        conversation = Conversation(
            id=ConversationId(self.ids.new()),
            workspace_id=actor.workspace_id,
            created_by=actor.user_id,
            title=cleaned or None,
            collection_ids=tuple(dict.fromkeys(collection_ids)),
            instructions=instructions or None,
            model=model or None,
            created_at=now,
            updated_at=now,
        )
        async with self.begin(actor.workspace_id) as work:
            for collection_id in conversation.collection_ids:
                await readable_collection(work, actor, collection_id)
            await work.conversations.add(conversation)
            await work.commit()
        return conversation


@frozen(kw_only=True)
class ShowConversation:
    """One of the actor's conversations."""

    begin: UnitOfWorkFactory
    access: ConversationAccess

    async def __call__(self, actor: Actor, *, conversation_id: ConversationId) -> Conversation:
        """`NotFound` when it is not theirs."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            return await self.access.conversation(work, actor, conversation_id)


@frozen(kw_only=True)
class ListConversations:
    """The actor's conversations, newest first."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, limit: int, after: ConversationId | None = None) -> list[Conversation]:
        """At most `limit`, after the one named."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            return await work.conversations.of_user(actor.workspace_id, actor.user_id, limit=limit, after=after)


@frozen(kw_only=True)
class ListMessages:
    """The messages of a conversation, oldest first."""

    begin: UnitOfWorkFactory
    access: ConversationAccess

    async def __call__(
        self, actor: Actor, *, conversation_id: ConversationId, limit: int, after: MessageId | None = None
    ) -> list[Message]:
        """At most `limit`, after the one named; `NotFound` when the conversation is not the actor's."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            await self.access.conversation(work, actor, conversation_id)
            messages = await work.messages.page(conversation_id, limit=limit, after=after)
            return await with_readable_citations(work, actor, messages)


@frozen(kw_only=True)
class ShowMessage:
    """One message."""

    begin: UnitOfWorkFactory
    access: ConversationAccess

    async def __call__(self, actor: Actor, *, message_id: MessageId) -> Message:
        """`NotFound` when it is not in a conversation of the actor."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            [message] = await with_readable_citations(work, actor, [await self.access.message(work, actor, message_id)])
        return message
