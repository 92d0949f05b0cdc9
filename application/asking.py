"""Asking: a question goes in, an answer begins, and may be stopped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from attrs import frozen

from application.answer_limits import AnswerLimits
from application.answer_reading import ReadAnswer
from application.answer_runs import AnswerRuns
from application.answering import AnswerOrder, FirstSources, WriteAnswer
from application.conversation_access import ConversationAccess
from application.conversations import StartConversation
from application.knowledge import SearchFilters
from application.ports.runs import RunEvent
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.rooms_chronicle import RoomChronicle
from domain.access import Action, Actor
from domain.conversations import Conversation, Message, MessageStatus, Speaker, check_content
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import CollectionId, ConversationId, MessageId
from domain.rooms import RoomEvent

HISTORY_MESSAGES: Final = 400  # the budget of tokens is the limit that counts


@frozen(kw_only=True)
class Asked:
    """A question and the answer that is being written to it."""

    question: Message
    answer: Message


@frozen(kw_only=True)
class Begun:
    """An answer that is stored: the search that runs for it, and what its room is told once that is committed."""

    found: FirstSources
    events: tuple[RoomEvent, ...]


@frozen(kw_only=True)
class BeginAnswer:
    """The part that all ways of asking share: an answer's message and record are stored, then its run starts."""

    write: WriteAnswer
    runs: AnswerRuns
    chronicle: RoomChronicle
    limits: AnswerLimits
    clock: Clock
    ids: Ids

    @asynccontextmanager
    async def ordered(self, work: UnitOfWork, order: AnswerOrder, *, asked_as: UUID | None) -> AsyncIterator[Begun]:
        """Store the answer, to be committed inside and at once; the search begins beside it.

        `asked_as`: the question is new, is stored too, and is an event of that `client_msg_id` in a room.
        `TooManyRequests` beyond the limits, before anything is done, and what `RoomChronicle.began` raises.
        """
        await self.limits.check(work, order.actor, self.clock.now())
        found = self.write.search(order)
        try:
            await work.messages.add(*([] if asked_as is None else [order.question]), order.answer)
            await work.runs.open(order.answer, order.actor.user_id)
            events = await self.chronicle.began(work, order.actor, order.question, order.answer, asked_as=asked_as)
            yield Begun(found=found, events=events)
        except BaseException:
            if found is not None:
                found.cancel()
            raise

    def answer(self, actor: Actor, conversation: Conversation, question: Message) -> Message:
        """A new answer, nothing of it written."""
        return Message(
            id=MessageId(self.ids.new()),
            workspace_id=actor.workspace_id,
            conversation_id=conversation.id,
            parent_id=question.id,
            role=Speaker.ASSISTANT,
            status=MessageStatus.STREAMING,
            model=conversation.model or self.write.model.capabilities.default_model,
            created_by=actor.user_id,
            created_at=self.clock.now(),
        )

    async def start(self, order: AnswerOrder, begun: Begun) -> Asked:
        """Once it is committed."""
        self.runs.start(order.answer.id, lambda run: self.write(order, run, found=begun.found))
        await self.chronicle.tell(begun.events)
        return Asked(question=order.question, answer=order.answer)


@frozen(kw_only=True)
class PostMessage:
    """Ask: store the question, begin the answer, and let it be written whoever listens.

    - Without `parent_id` the question follows the conversation's youngest message; with it, the one named: a question
      after an earlier answer begins a branch.
    - `edits` names a question that this one is a better version of: it follows what that one follows, also where that
      one is the first. Both stay.
    - A conversation without a title is titled after its first question.
    """

    begin: UnitOfWorkFactory
    begin_answer: BeginAnswer
    access: ConversationAccess
    clock: Clock
    ids: Ids

    async def __call__(
        self,
        actor: Actor,
        *,
        conversation_id: ConversationId,
        content: str,
        parent_id: MessageId | None = None,
        edits: MessageId | None = None,
        use_knowledge: bool = True,
        filters: SearchFilters | None = None,
        client_msg_id: UUID | None = None,
    ) -> Asked:
        """`InvalidInput`; `NotFound` for conversation, parent or what is edited; `Conflict` where an answer is edited
        (`not_a_question`), or while the parent is still being written.

        In a room the question is an event: under `client_msg_id`, or else under an id of its own.
        """
        actor.require(Action.CHAT)
        check_content(content)
        now = self.clock.now()
        async with self.begin(actor.workspace_id) as work:
            conversation = await self.access.conversation(work, actor, conversation_id)
            history = await self._history(work, conversation, parent_id, edits)
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
            order = AnswerOrder(
                actor=actor,
                conversation=conversation,
                question=question,
                answer=self.begin_answer.answer(actor, conversation, question),
                history=tuple(history),
                use_knowledge=use_knowledge,
                filters=filters or SearchFilters(),
            )
            async with self.begin_answer.ordered(work, order, asked_as=client_msg_id or question.id) as begun:
                titled = conversation.titled_after(content, now)
                if titled is not conversation:
                    await work.conversations.save(titled)
                await work.commit(Asked(question=question, answer=order.answer))
        return await self.begin_answer.start(order, begun)

    async def _history(
        self, work: UnitOfWork, conversation: Conversation, parent_id: MessageId | None, edits: MessageId | None
    ) -> list[Message]:
        """The thread that the question follows, oldest first."""
        if edits is not None:
            if parent_id is not None:
                raise InvalidInput("A question either follows a message or edits one.", pointer="/edits")
            parent_id = await self._followed_by(work, conversation, edits)
            if parent_id is None:
                return []
        if parent_id is None:
            thread = await work.messages.latest_thread(conversation.id, limit=HISTORY_MESSAGES)
        else:
            thread = await work.messages.thread(parent_id, limit=HISTORY_MESSAGES)
            if not thread or thread[-1].conversation_id != conversation.id:
                raise NotFound("There is no such message in this conversation.")
        if thread and not thread[-1].is_over:
            raise Conflict(
                "The answer before is still being written. Wait for it or cancel it.", code="answer_in_progress"
            )
        return thread

    async def _followed_by(
        self, work: UnitOfWork, conversation: Conversation, question_id: MessageId
    ) -> MessageId | None:
        """What a question follows; None for the first."""
        question = await work.messages.get(question_id)
        if question is None or question.conversation_id != conversation.id:
            raise NotFound("There is no such message in this conversation.")
        if question.role is not Speaker.USER:
            raise Conflict("Only a question can be edited.", code="not_a_question")
        return question.parent_id


@frozen(kw_only=True)
class RegenerateAnswer:
    """Another answer to the same question, beside the first; with the documents as they are now."""

    begin: UnitOfWorkFactory
    begin_answer: BeginAnswer
    access: ConversationAccess

    async def __call__(
        self,
        actor: Actor,
        *,
        message_id: MessageId,
        use_knowledge: bool = True,
        filters: SearchFilters | None = None,
    ) -> Asked:
        """`NotFound`; `Conflict` for a message that is no answer, or is still being written."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            present = await self.access.message(work, actor, message_id)
            if present.role is not Speaker.ASSISTANT or present.parent_id is None:
                raise Conflict("Only an answer can be written again.", code="not_an_answer")
            if not present.is_over:
                raise Conflict("The answer is still being written. Cancel it first.", code="answer_in_progress")
            conversation = await self.access.conversation(work, actor, present.conversation_id)
            *history, question = await work.messages.thread(present.parent_id, limit=HISTORY_MESSAGES + 1)
            order = AnswerOrder(
                actor=actor,
                conversation=conversation,
                question=question,
                answer=self.begin_answer.answer(actor, conversation, question),
                history=tuple(history),
                use_knowledge=use_knowledge,
                filters=filters or SearchFilters(),
            )
            async with self.begin_answer.ordered(work, order, asked_as=None) as begun:
                await work.commit(Asked(question=question, answer=order.answer))
        return await self.begin_answer.start(order, begun)


@frozen(kw_only=True)
class CancelAnswer:
    """Stop an answer wherever it is written; what it has so far is kept.

    Another process sees the wish within a second, by the database alone. A question cannot be stopped:
    `not_an_answer` (409).
    """

    begin: UnitOfWorkFactory
    runs: AnswerRuns
    access: ConversationAccess

    async def __call__(self, actor: Actor, *, message_id: MessageId) -> None:
        """`NotFound` when it is not the actor's, `Conflict` for a question; an answer that is over stays as it is."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            message = await self.access.answer(work, actor, message_id)
            if message.is_over or self.runs.cancel(message.id):
                return
            await work.runs.request_cancel(message.id)
            await work.commit()


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
        return await self.read.own(actor, message_id=asked.answer.id)
