"""Conversations with the model, and the messages in them."""

from attrs import frozen

from application.auditing import note
from application.conversation_access import ConversationAccess, with_readable_citations
from application.documents import check_version, readable_collection
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.audit import Deed
from domain.conversations import Conversation, Message, check_instructions, check_title
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
        now = self.clock.now()
        conversation = Conversation(
            id=ConversationId(self.ids.new()),
            workspace_id=actor.workspace_id,
            created_by=actor.user_id,
            title=check_title(title),
            collection_ids=tuple(dict.fromkeys(collection_ids)),
            instructions=check_instructions(instructions),
            model=model or None,
            created_at=now,
            updated_at=now,
        )
        async with self.begin(actor.workspace_id) as work:
            for collection_id in conversation.collection_ids:
                await readable_collection(work, actor, collection_id)
            await work.conversations.add(conversation)
            await note(work, Deed.CONVERSATION_CREATED, conversation.id, by=actor)
            await work.commit(conversation)
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
    """The actor's conversations, newest first; with `text` those whose title or messages hold it."""

    begin: UnitOfWorkFactory

    async def __call__(
        self, actor: Actor, *, limit: int, after: ConversationId | None = None, text: str | None = None
    ) -> list[Conversation]:
        """At most `limit`, after the one named."""
        actor.require(Action.CHAT)
        wanted = (text or "").strip() or None
        async with self.begin(actor.workspace_id) as work:
            return await work.conversations.of_user(
                actor.workspace_id, actor.user_id, limit=limit, after=after, text=wanted
            )


@frozen(kw_only=True)
class ChangeConversation:
    """Another title, other collections, instructions or model, for the questions to come."""

    begin: UnitOfWorkFactory
    access: ConversationAccess
    clock: Clock

    async def __call__(
        self,
        actor: Actor,
        *,
        conversation_id: ConversationId,
        title: str | None = None,
        collection_ids: tuple[CollectionId, ...] | None = None,
        instructions: str | None = None,
        model: str | None = None,
        version: int | None = None,
    ) -> Conversation:
        """What is None stays, empty text takes away. `NotFound`, `InvalidInput`, or `StaleVersion`."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            conversation = await self.access.own(work, actor, conversation_id)
            check_version(conversation.version, version)
            for collection_id in collection_ids or ():
                await readable_collection(work, actor, collection_id)
            changed = conversation.changed(
                self.clock.now(), title=title, collection_ids=collection_ids, instructions=instructions, model=model
            )
            await work.conversations.save(changed)
            await note(work, Deed.CONVERSATION_CHANGED, changed.id, by=actor)
            await work.commit()
        return changed


@frozen(kw_only=True)
class DeleteConversation:
    """The conversation and all its messages are gone; an answer being written stops."""

    begin: UnitOfWorkFactory
    access: ConversationAccess

    async def __call__(self, actor: Actor, *, conversation_id: ConversationId, version: int | None = None) -> None:
        """`NotFound`, or `StaleVersion` when `version` is not the present one."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            conversation = await self.access.own(work, actor, conversation_id)
            check_version(conversation.version, version)
            await work.conversations.remove(conversation.id)
            await note(work, Deed.CONVERSATION_DELETED, conversation.id, by=actor)
            await work.commit()


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
