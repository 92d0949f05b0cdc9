"""Conversations with the model, and the messages in them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from application.answer_runs import AnswerRuns
from application.answering import AnswerOrder, WriteAnswer
from application.documents import readable_collection
from application.errors import CacheUnavailable
from application.knowledge import SearchFilters
from application.ports.runs import RunEvent, RunLog
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.views import citation_view, message_view
from domain.access import Action, Actor
from domain.conversations import (
    MAX_INSTRUCTIONS_LENGTH,
    MAX_TITLE_LENGTH,
    Conversation,
    Message,
    MessageStatus,
    Speaker,
    check_content,
)
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import CollectionId, ConversationId, MessageId

HISTORY_MESSAGES = 40


async def own_conversation(work: UnitOfWork, actor: Actor, conversation_id: ConversationId) -> Conversation:
    """The conversation if it is the actor's own, else `NotFound`."""
    conversation = await work.conversations.get(conversation_id)
    if (
        conversation is None
        or conversation.workspace_id != actor.workspace_id
        or conversation.created_by != actor.user_id
    ):
        raise NotFound("There is no such conversation.")
    return conversation


async def own_message(work: UnitOfWork, actor: Actor, message_id: MessageId) -> Message:
    """The message if it stands in a conversation of the actor, else `NotFound`."""
    message = await work.messages.get(message_id)
    if message is None or message.workspace_id != actor.workspace_id:
        raise NotFound("There is no such message.")
    await own_conversation(work, actor, message.conversation_id)
    return message


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
            await work.commit(conversation)
        return conversation


@frozen(kw_only=True)
class ShowConversation:
    """One of the actor's conversations."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, conversation_id: ConversationId) -> Conversation:
        """`NotFound` when it is not theirs."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            return await own_conversation(work, actor, conversation_id)


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

    async def __call__(
        self, actor: Actor, *, conversation_id: ConversationId, limit: int, after: MessageId | None = None
    ) -> list[Message]:
        """At most `limit`, after the one named; `NotFound` when the conversation is not the actor's."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            await own_conversation(work, actor, conversation_id)
            messages = await work.messages.page(conversation_id, limit=limit, after=after)
            return await with_readable_citations(work, actor, messages)


@frozen(kw_only=True)
class ShowMessage:
    """One message."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, message_id: MessageId) -> Message:
        """`NotFound` when it is not in a conversation of the actor."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            [message] = await with_readable_citations(work, actor, [await own_message(work, actor, message_id)])
        return message


@frozen(kw_only=True)
class Asked:
    """A question and the answer that is being written to it."""

    question: Message
    answer: Message


@frozen(kw_only=True)
class PostMessage:
    """Ask: store the question, begin the answer, and let it be written whoever listens.

    - Without `parent_id` the question follows the conversation's youngest message.
    - A conversation without a title is titled after its first question.
    """

    begin: UnitOfWorkFactory
    write: WriteAnswer
    runs: AnswerRuns
    clock: Clock
    ids: Ids

    async def __call__(
        self,
        actor: Actor,
        *,
        conversation_id: ConversationId,
        content: str,
        parent_id: MessageId | None = None,
        use_knowledge: bool = True,
        filters: SearchFilters | None = None,
    ) -> Asked:
        """`InvalidInput`; `NotFound` for conversation or parent; `Conflict` while the parent is still being written."""
        actor.require(Action.CHAT)
        check_content(content)
        now = self.clock.now()
        async with self.begin(actor.workspace_id) as work:
            conversation = await own_conversation(work, actor, conversation_id)
            history = await self._history(work, conversation, parent_id)
            question = Message(
                id=MessageId(self.ids.new()),
                workspace_id=actor.workspace_id,
                conversation_id=conversation.id,
                parent_id=history[-1].id if history else None,
                role=Speaker.USER,
                status=MessageStatus.COMPLETE,
                content=content,
                created_by=actor.user_id,
                created_at=now,
                completed_at=now,
            )
            answer = Message(
                id=MessageId(self.ids.new()),
                workspace_id=actor.workspace_id,
                conversation_id=conversation.id,
                parent_id=question.id,
                role=Speaker.ASSISTANT,
                status=MessageStatus.STREAMING,
                model=conversation.model or self.write.model.capabilities.default_model,
                created_by=actor.user_id,
                created_at=now,
            )
            await work.messages.add(question)
            await work.messages.add(answer)
            titled = conversation.titled_after(content, now)
            if titled is not conversation:
                await work.conversations.save(titled)
            asked = Asked(question=question, answer=answer)
            await work.commit(asked)
        order = AnswerOrder(
            actor=actor,
            conversation=conversation,
            question=question,
            answer=answer,
            history=tuple(history),
            use_knowledge=use_knowledge,
            filters=filters or SearchFilters(),
        )
        self.runs.start(answer.id, lambda run: self.write(order, run))
        return asked

    async def _history(
        self, work: UnitOfWork, conversation: Conversation, parent_id: MessageId | None
    ) -> list[Message]:
        """The thread that the question follows, oldest first."""
        if parent_id is None:
            parent = await work.messages.latest(conversation.id)
            if parent is None:
                return []
        else:
            parent = await work.messages.get(parent_id)
            if parent is None or parent.conversation_id != conversation.id:
                raise NotFound("There is no such message in this conversation.")
        if not parent.is_over:
            raise Conflict(
                "The answer before is still being written. Wait for it or cancel it.", code="answer_in_progress"
            )
        return await work.messages.thread(parent.id, limit=HISTORY_MESSAGES)


@frozen(kw_only=True)
class ReadAnswer:
    """The event stream of an answer, from any event on, from any process, for any number of readers."""

    begin: UnitOfWorkFactory
    runs: AnswerRuns
    log: RunLog

    async def __call__(self, actor: Actor, *, message_id: MessageId, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events with a greater offset than `after` until the last; `NotFound` before the first event.

        When the log of the run is lost, what the message holds is told as one short stream.
        """
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            message = await own_message(work, actor, message_id)
        return self._events(actor, message, after)

    async def _events(self, actor: Actor, message: Message, after: int) -> AsyncIterator[RunEvent]:
        run = self.runs.find(message.id)
        position = after
        if run is not None:
            async for event in run.read(after):
                yield event
            return
        try:
            async for event in self.log.read(message.id, after=after):
                yield event
                position = event.offset
                if event.is_last:
                    return
        except CacheUnavailable:
            pass  # the message in the database is the truth
        if position == 0:
            for event in await self._retold(actor, message):
                yield event

    async def _retold(self, actor: Actor, message: Message) -> list[RunEvent]:
        """A short stream made of the message itself."""
        async with self.begin(actor.workspace_id) as work:
            [message] = await with_readable_citations(work, actor, [await own_message(work, actor, message.id)])
            question = await work.messages.get(message.parent_id) if message.parent_id else None
        view = message_view(message)
        told: list[tuple[str, Mapping[str, Any]]] = [
            ("message.created", {"message": view, "user_message": question and message_view(question)})
        ]
        if message.content:
            told.append(("content.delta", {"text": message.content}))
        told.extend(("citation", citation_view(citation)) for citation in message.citations)
        if message.status in {MessageStatus.COMPLETE, MessageStatus.CANCELLED}:
            told.append(("message.completed", {"message": view}))
        else:
            error = view["error"] or {
                "code": "interrupted",
                "message": "The live stream of this answer was lost. Read the message again in a moment.",
                "retryable": True,
            }
            told.append(("message.failed", {"error": error, "message": view}))
        return [RunEvent(offset=n, name=name, data=data) for n, (name, data) in enumerate(told, start=1)]


@frozen(kw_only=True)
class CancelAnswer:
    """Stop an answer wherever it is written; what it has so far is kept."""

    begin: UnitOfWorkFactory
    runs: AnswerRuns

    async def __call__(self, actor: Actor, *, message_id: MessageId) -> None:
        """`NotFound` when it is not the actor's; an answer that is over stays as it is."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            message = await own_message(work, actor, message_id)
        if not message.is_over:
            await self.runs.cancel(message.id)


@frozen(kw_only=True)
class Ask:
    """One question without a conversation at hand: starts one, asks, and gives the answer's events."""

    start: StartConversation
    post: PostMessage
    read: ReadAnswer

    async def __call__(
        self,
        actor: Actor,
        *,
        question: str,
        collection_ids: tuple[CollectionId, ...] = (),
        conversation_id: ConversationId | None = None,
    ) -> AsyncIterator[RunEvent]:
        """The stream from its first event; errors as for starting a conversation and posting a message."""
        check_content(question)
        if conversation_id is None:
            conversation_id = (await self.start(actor, collection_ids=collection_ids)).id
        asked = await self.post(actor, conversation_id=conversation_id, content=question)
        return await self.read(actor, message_id=asked.answer.id)
