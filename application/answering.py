"""Writing an answer: find passages, put them before the model, check what it cites, keep what it says."""

import asyncio
from datetime import timedelta
from typing import Final

from attrs import evolve, field, frozen

from application.answer_runs import Run, RunLost
from application.answer_writing import Writing
from application.errors import ModelFailed, Unavailable
from application.history import past_turns, search_text, shortened
from application.knowledge import SearchFilters
from application.lost_answers import INTERRUPTED
from application.pacing import paced
from application.ports.models import (
    AnswerModel,
    ModelRequest,
    Stop,
    StopReason,
    ToolCall,
    ToolResult,
    ToolRound,
    ToolSpec,
)
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retelling import created
from application.rooms_chronicle import RoomChronicle
from application.sources import FindSources
from application.views import source_view
from domain.access import Actor
from domain.answers import Source
from domain.conversations import AnswerError, Conversation, Message, MessageStatus

FLUSH_INTERVAL: Final = 0.04  # seconds
MAX_ROUNDS: Final = 4  # times that the model may search again
MAX_QUERY: Final = 1000  # characters of what the model searches for
TOO_LARGE: Final = "model_request_too_large"

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


@frozen(kw_only=True)
class WriteAnswer:
    """Write one answer from beginning to end.

    - It always ends with exactly one of `message.completed` and `message.failed`, saved before it is told.
    - No database transaction is open while the model is asked.
    """

    begin: UnitOfWorkFactory
    chronicle: RoomChronicle
    find: FindSources
    model: AnswerModel
    clock: Clock
    log: Log
    max_tokens: int = 4096
    timeout: timedelta = timedelta(minutes=10)  # for the whole answer

    async def __call__(self, order: AnswerOrder, run: Run) -> None:
        """Write; cancelling the task leaves the answer `interrupted` with what it had."""
        writing = Writing(begin=self.begin, chronicle=self.chronicle, report=self.log, run=run, message=order.answer)
        try:
            await run.emit("message.created", created(order.answer, order.question))
            stop = await self._unless_cancelled(order, writing)
        except asyncio.CancelledError:
            await self._finish(writing, MessageStatus.INTERRUPTED, error=INTERRUPTED)
            raise
        except RunLost:
            await self._finish(writing, MessageStatus.INTERRUPTED, error=INTERRUPTED)
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

    async def _unless_cancelled(self, order: AnswerOrder, writing: Writing) -> Stop | None:
        """The model's last word, or None when somebody cancelled."""
        work = asyncio.ensure_future(self._write(order, writing))
        watch = asyncio.ensure_future(writing.run.cancelled.wait())
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED, timeout=self.timeout.total_seconds())
            if work.done():
                return work.result()
            if not watch.done():
                raise ModelFailed("The answer took too long and was stopped.", code="answer_timeout", retryable=True)
            return None
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _write(self, order: AnswerOrder, writing: Writing) -> Stop:
        sources: tuple[Source, ...] = ()
        if order.use_knowledge:
            sources = await self._retrieve(order, writing, search_text(order.question.content, order.history))
        can_search = order.use_knowledge and self.model.capabilities.tools
        request = ModelRequest(
            question=order.question.content,
            sources=sources,
            instructions=order.conversation.instructions or "",
            history=past_turns(order.history),
            model=order.conversation.model,
            max_tokens=self.max_tokens,
            tools=(SEARCH_TOOL,) if can_search else (),
            user_ref=str(order.actor.user_id),
        )
        is_shortened = False
        while True:
            stop = await self._ask_in_window(writing, request)
            match stop.reason:
                case StopReason.TOOL_USE if stop.calls and len(request.rounds) <= MAX_ROUNDS:
                    results = await asyncio.gather(*(self._use_tool(order, writing, call) for call in stop.calls))
                    rounds = (*request.rounds, ToolRound(turn=stop.turn, results=tuple(results)))
                    request = evolve(request, rounds=rounds, tools_allowed=len(rounds) < MAX_ROUNDS)
                case StopReason.PAUSE_TURN if len(request.rounds) <= MAX_ROUNDS:
                    request = evolve(request, rounds=(*request.rounds, ToolRound(turn=stop.turn, results=())))
                case StopReason.CONTEXT_WINDOW_EXCEEDED if (
                    request.history and not writing.draft.content and not is_shortened
                ):
                    request, is_shortened = evolve(request, history=shortened(request.history)), True
                case _:
                    return stop

    async def _ask_in_window(self, writing: Writing, request: ModelRequest) -> Stop:
        """Ask; a request that is refused for its size counts as one that fills the window."""
        try:
            return await self._ask(writing, request)
        except ModelFailed as failure:
            if failure.slug != TOO_LARGE or not request.history or writing.draft.content:
                raise
            self.log.warning("history_shortened", turns=len(request.history))
            return await self._ask(writing, evolve(request, history=shortened(request.history)))

    async def _retrieve(self, order: AnswerOrder, writing: Writing, query: str) -> tuple[Source, ...]:
        await writing.run.emit("retrieval.started", {"query": query})
        filters = order.filters
        if order.conversation.collection_ids:
            chosen = frozenset(order.conversation.collection_ids)
            both = chosen if filters.collection_ids is None else chosen & filters.collection_ids
            filters = evolve(filters, collection_ids=both)
        given = [source.passage.chunk.id for source in writing.draft.sources.values()]
        sources = await self.find(order.actor, query=query, filters=filters, given=given)
        writing.draft.give(sources)
        await writing.run.emit("retrieval.completed", {"sources": [source_view(source) for source in sources]})
        return sources

    async def _use_tool(self, order: AnswerOrder, writing: Writing, call: ToolCall) -> ToolResult:
        """Search for the model, with the asker's eyes; what it asks wrongly is told to it, not to the person."""
        query = (call.arguments or {}).get("query")
        if call.name != SEARCH_TOOL.name or not isinstance(query, str) or not query.strip():
            return ToolResult(call_id=call.id, error="Call search_knowledge with a non-empty string `query`.")
        try:
            return ToolResult(call_id=call.id, sources=await self._retrieve(order, writing, query[:MAX_QUERY]))
        except Unavailable as error:
            self.log.warning("tool_search_failed", error=error.slug)
            return ToolResult(call_id=call.id, error="The search is not available at the moment.")

    async def _ask(self, writing: Writing, request: ModelRequest) -> Stop:
        stop: Stop | None = None
        writing.asked = request
        async with self.model.stream(request) as parts:
            batches = paced(parts, interval=FLUSH_INTERVAL)
            try:
                async for batch in batches:
                    for part in batch:
                        stop = part if isinstance(part, Stop) else stop
                        await writing.take(part)
                    await writing.flush()
                    writing.checkpoint()
            finally:
                await batches.aclose()
        if stop is None:
            raise ModelFailed("The model's stream ended without an end.", code="model_stream_broken", retryable=True)
        writing.usage, writing.asked = writing.usage + stop.usage, None
        writing.message = evolve(writing.message, model=stop.model)
        return stop

    async def _finish(
        self, writing: Writing, status: MessageStatus, *, stop: Stop | None = None, error: AnswerError | None = None
    ) -> None:
        await writing.end(
            writing.current().ended(
                status, now=self.clock.now(), stop_reason=stop.reason.value if stop else None, error=error
            )
        )

    def _explain(self, failure: Exception) -> AnswerError:
        if isinstance(failure, ModelFailed):
            return AnswerError(code=failure.slug, message=failure.message, retryable=failure.retryable)
        if isinstance(failure, Unavailable):
            return AnswerError(
                code=failure.slug, message=failure.message, retryable=True, retry_after=failure.retry_after
            )
        self.log.error("answer_failed", error=repr(failure), kind=type(failure).__name__)
        return AnswerError(code="internal", message="Something went wrong on the server. Ask again.", retryable=True)
