"""Writing an answer: find passages, put them before the model, check what it cites, keep what it says."""

import asyncio
from collections.abc import Iterable
from typing import Final

from attrs import define, evolve, field, frozen

from application.answer_runs import Run
from application.errors import ApplicationError, ModelFailed, Unavailable
from application.knowledge import SearchFilters, SearchPassages
from application.pacing import paced
from application.ports.models import (
    AnswerModel,
    BlockEnded,
    BlockStarted,
    CitationPart,
    ModelPart,
    ModelRequest,
    PastTurn,
    Stop,
    StopReason,
    TextPart,
    ToolCall,
    ToolResult,
    ToolRound,
    ToolSpec,
)
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.views import citation_view, message_view, source_view
from domain.access import Actor
from domain.answers import AnswerDraft, Source, source_uri
from domain.conversations import AnswerError, Conversation, Message, MessageStatus, Speaker, Usage
from domain.passages import Passage
from domain.sentences import sentences

FLUSH_INTERVAL: Final = 0.04  # seconds
FLUSH_LENGTH: Final = 512  # characters
CHECKPOINT_INTERVAL: Final = 2.0  # seconds
MAX_ROUNDS: Final = 4  # times that the model may search again
PASSAGES_FOR_ANSWER: Final = 8
MAX_HISTORY_CHARACTERS: Final = 24_000
SHORT_QUESTION: Final = 60  # characters; a follow-up this short is searched for together with the one before

SEARCH_TOOL: Final = ToolSpec(
    name="search_knowledge",
    description=(
        "Search the team's documents for passages. Use it when the passages at hand do not answer the question. "
        "Ask for one thing at a time, in the words the documents would use."
    ),
    input_schema={
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to look for"}},
        "required": ["query"],
        "additionalProperties": False,
    },
)


@frozen(kw_only=True)
class AnswerOrder:
    """All that a run needs to know; what the asker may read was decided when they asked."""

    actor: Actor
    conversation: Conversation
    question: Message
    answer: Message
    history: tuple[Message, ...] = ()  # oldest first, without the question
    use_knowledge: bool = True
    filters: SearchFilters = field(factory=SearchFilters)


def make_source(passage: Passage) -> Source:
    """A passage as the model is given it: its sentences are the citable blocks."""
    chunk = passage.chunk
    starts = sorted({0, *(start for start, _ in sentences(chunk.text))})
    ends = [*starts[1:], len(chunk.text)]
    place = "" if chunk.page_from is None else f" - p. {chunk.page_from}"
    return Source(
        uri=source_uri(chunk.document_id, chunk.id),
        title=f"{passage.document.title}{place}",
        blocks=tuple(chunk.text[start:end] for start, end in zip(starts, ends, strict=True)),
        passage=passage,
    )


@define(eq=False)
class _Writing:
    """What one run has so far."""

    order: AnswerOrder
    run: Run
    message: Message
    draft: AnswerDraft = field(factory=AnswerDraft)
    usage: Usage = field(factory=Usage)
    pending: str = ""
    checkpoint_at: float = 0.0

    def current(self) -> Message:
        """The message with all that was written."""
        return evolve(self.message.grown(self.draft.content, tuple(self.draft.citations)), usage=self.usage)


@frozen(kw_only=True)
class WriteAnswer:
    """Write one answer from beginning to end.

    - It always ends with exactly one of `message.completed` and `message.failed`, saved before it is told.
    - No database transaction is open while the model is asked.
    """

    begin: UnitOfWorkFactory
    search: SearchPassages
    model: AnswerModel
    clock: Clock
    log: Log
    max_tokens: int = 4096

    async def __call__(self, order: AnswerOrder, run: Run) -> None:
        """Write; cancelling the task leaves the answer `interrupted` with what it had."""
        writing = _Writing(order=order, run=run, message=order.answer)
        writing.checkpoint_at = asyncio.get_running_loop().time() + CHECKPOINT_INTERVAL
        try:
            await run.emit(
                "message.created", {"message": message_view(order.answer), "user_message": message_view(order.question)}
            )
            stop = await self._unless_cancelled(writing)
        except asyncio.CancelledError:
            error = AnswerError(
                code="interrupted", message="The server stopped while it wrote this answer. Ask again.", retryable=True
            )
            await self._finish(writing, MessageStatus.INTERRUPTED, error=error)
            raise
        except Exception as failure:  # noqa: BLE001 whatever breaks, the answer ends
            await self._finish(writing, MessageStatus.FAILED, error=self._explain(failure))
        else:
            if stop is None:
                await self._finish(writing, MessageStatus.CANCELLED)
            elif stop.reason is StopReason.REFUSAL:
                error = AnswerError(
                    code="model_refused",
                    message=stop.refusal or "The model declined to answer this question.",
                    retryable=False,
                )
                await self._finish(writing, MessageStatus.FAILED, stop=stop, error=error)
            else:
                await self._finish(writing, MessageStatus.COMPLETE, stop=stop)

    async def _unless_cancelled(self, writing: _Writing) -> Stop | None:
        """The model's last word, or None when somebody cancelled."""
        work = asyncio.ensure_future(self._write(writing))
        watch = asyncio.ensure_future(writing.run.watch_cancel())
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _write(self, writing: _Writing) -> Stop:
        order = writing.order
        sources: tuple[Source, ...] = ()
        if order.use_knowledge:
            sources = await self._retrieve(writing, _search_text(order))
        can_search = order.use_knowledge and self.model.capabilities.tools
        request = ModelRequest(
            question=order.question.content,
            sources=sources,
            instructions=order.conversation.instructions or "",
            history=_past_turns(order.history),
            model=order.conversation.model,
            max_tokens=self.max_tokens,
            tools=(SEARCH_TOOL,) if can_search else (),
            user_ref=str(order.actor.user_id),
        )
        while True:
            stop = await self._ask(writing, request)
            match stop.reason:
                case StopReason.TOOL_USE if stop.calls and len(request.rounds) <= MAX_ROUNDS:
                    results = tuple([await self._use_tool(writing, call) for call in stop.calls])
                    rounds = (*request.rounds, ToolRound(turn=stop.turn, results=results))
                    request = evolve(request, rounds=rounds, tools_allowed=len(rounds) < MAX_ROUNDS)
                case StopReason.PAUSE_TURN if len(request.rounds) <= MAX_ROUNDS:
                    request = evolve(request, rounds=(*request.rounds, ToolRound(turn=stop.turn, results=())))
                case StopReason.CONTEXT_WINDOW_EXCEEDED if request.history and not writing.draft.content:
                    request = evolve(request, history=())
                case _:
                    return stop

    async def _retrieve(self, writing: _Writing, query: str) -> tuple[Source, ...]:
        await writing.run.emit("retrieval.started", {"query": query})
        filters = writing.order.filters
        if writing.order.conversation.collection_ids:
            chosen = frozenset(writing.order.conversation.collection_ids)
            both = chosen if filters.collection_ids is None else chosen & filters.collection_ids
            filters = evolve(filters, collection_ids=both)
        outcome = await self.search(writing.order.actor, query=query, limit=PASSAGES_FOR_ANSWER, filters=filters)
        sources = tuple(make_source(passage) for passage in outcome.passages)
        writing.draft.give(sources)
        await writing.run.emit("retrieval.completed", {"sources": [source_view(source) for source in sources]})
        return sources

    async def _use_tool(self, writing: _Writing, call: ToolCall) -> ToolResult:
        """Search for the model, with the asker's eyes; what it asks wrongly is told to it, not to the person."""
        query = (call.arguments or {}).get("query")
        if call.name != SEARCH_TOOL.name or not isinstance(query, str) or not query.strip():
            return ToolResult(call_id=call.id, error="Call search_knowledge with a non-empty string `query`.")
        try:
            return ToolResult(call_id=call.id, sources=await self._retrieve(writing, query[:1000]))
        except Unavailable as error:
            self.log.warning("tool_search_failed", error=error.slug)
            return ToolResult(call_id=call.id, error="The search is not available at the moment.")

    async def _ask(self, writing: _Writing, request: ModelRequest) -> Stop:
        stop: Stop | None = None
        async with self.model.stream(request) as parts:
            batches = paced(parts, interval=FLUSH_INTERVAL)
            try:
                async for batch in batches:
                    for part in batch:
                        stop = part if isinstance(part, Stop) else stop
                        await self._take(writing, part)
                    await self._flush(writing)
                    await self._checkpoint(writing)
            finally:
                await batches.aclose()
        if stop is None:
            raise ModelFailed("The model's stream ended without an end.", code="model_stream_broken", retryable=True)
        writing.usage += stop.usage
        writing.message = evolve(writing.message, model=stop.model)
        return stop

    async def _take(self, writing: _Writing, part: ModelPart) -> None:
        match part:
            case BlockStarted():
                writing.draft.open_block()
            case TextPart():
                writing.draft.add_text(part.text)
                writing.pending += part.text
                if len(writing.pending) >= FLUSH_LENGTH:
                    await self._flush(writing)
            case CitationPart():
                writing.draft.add_claim(part.claim)
            case BlockEnded():
                await self._flush(writing)
                before = writing.draft.dropped
                for citation in writing.draft.close_block():
                    await writing.run.emit("citation", citation_view(citation))
                if writing.draft.dropped > before:
                    self.log.warning("citations_dropped", count=writing.draft.dropped - before)
            case _:
                return

    async def _flush(self, writing: _Writing) -> None:
        if writing.pending:
            text, writing.pending = writing.pending, ""
            await writing.run.emit("content.delta", {"text": text})

    async def _checkpoint(self, writing: _Writing) -> None:
        now = asyncio.get_running_loop().time()
        if now >= writing.checkpoint_at:
            writing.checkpoint_at = now + CHECKPOINT_INTERVAL
            await self._save(writing.current())

    async def _finish(
        self,
        writing: _Writing,
        status: MessageStatus,
        *,
        stop: Stop | None = None,
        error: AnswerError | None = None,
    ) -> None:
        """Save the end, then tell it. A database that is down at this moment is told as a failure."""
        await self._flush(writing)
        message = writing.current().ended(
            status, now=self.clock.now(), stop_reason=stop.reason.value if stop else None, error=error
        )
        try:
            await self._save(message)
        except ApplicationError as failure:
            self.log.error("answer_not_saved", message_id=str(message.id), error=failure.slug)  # noqa: TRY400 the slug says all
            lost = AnswerError(
                code=failure.slug, message="The answer was written but could not be stored. Ask again.", retryable=True
            )
            message = evolve(message, status=MessageStatus.FAILED, error=lost)
        if message.status in {MessageStatus.COMPLETE, MessageStatus.CANCELLED}:
            await writing.run.emit("message.completed", {"message": message_view(message)})
        else:
            view = message_view(message)
            await writing.run.emit("message.failed", {"error": view["error"], "message": view})

    async def _save(self, message: Message) -> None:
        async with self.begin(message.workspace_id) as work:
            await work.messages.save(message)
            await work.commit()

    def _explain(self, failure: Exception) -> AnswerError:
        if isinstance(failure, ModelFailed):
            return AnswerError(code=failure.slug, message=failure.message, retryable=failure.retryable)
        if isinstance(failure, Unavailable):
            return AnswerError(code=failure.slug, message=failure.message, retryable=True)
        self.log.error("answer_failed", error=repr(failure), kind=type(failure).__name__)
        return AnswerError(code="internal", message="Something went wrong on the server. Ask again.", retryable=True)


def _search_text(order: AnswerOrder) -> str:
    """The question in the light of the talk: a short follow-up is searched for with the question before it."""
    question = order.question.content.strip()
    asked_before = [m.content for m in order.history if m.role is Speaker.USER]
    if asked_before and len(question) <= SHORT_QUESTION:
        question = f"{asked_before[-1].strip()[:500]}\n{question}"
    return question[:2000]


def _past_turns(history: Iterable[Message]) -> tuple[PastTurn, ...]:
    """Whole exchanges, the youngest within the budget; a question without an answer is left out."""
    exchanges: list[tuple[Message, Message]] = []
    question: Message | None = None
    for message in history:
        if message.role is Speaker.USER:
            question = message
        elif question is not None and message.content.strip():
            exchanges.append((question, message))
            question = None
    turns: list[PastTurn] = []
    budget = MAX_HISTORY_CHARACTERS
    for asked, answered in reversed(exchanges):
        budget -= len(asked.content) + len(answered.content)
        if budget < 0:
            break
        turns[:0] = [
            PastTurn(speaker=Speaker.USER, text=asked.content),
            PastTurn(speaker=Speaker.ASSISTANT, text=answered.content),
        ]
    return tuple(turns)
