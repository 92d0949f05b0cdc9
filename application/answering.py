"""Writing an answer: find passages, put them before the model, check what it cites, keep what it says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from attrs import evolve, field, frozen

from application.answer_runs import Run, RunLost
from application.answer_writing import Writing
from application.errors import ModelFailed, ModelUnavailable, Unavailable
from application.history import past_turns, search_text, shortened
from application.knowledge import SearchFilters
from application.lost_answers import INTERRUPTED
from application.pacing import paced
from application.ports.models import (
    AnswerModel,
    ModelPart,
    ModelRequest,
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
from application.retelling import created
from application.rooms_chronicle import RoomChronicle
from application.sources import FindSources
from application.views import source_view
from domain.access import Actor
from domain.answers import Source
from domain.conversations import AnswerError, Conversation, Message, MessageStatus
from domain.ids import ChunkId

FLUSH_INTERVAL: Final = 0.04  # seconds
EASY: Final = 50  # answers that one process writes at once without telling them in larger pieces
FLUSH_SHARE: Final = 0.0005  # seconds more for each answer beyond these
FLUSH_LATEST: Final = 0.12  # seconds, however many there are
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


def flush_interval(active: int) -> float:
    """Seconds between two pieces of an answer that are told, where that many are being written."""
    return min(FLUSH_INTERVAL + FLUSH_SHARE * max(active - EASY, 0), FLUSH_LATEST)


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

    @property
    def query(self) -> str:
        """What is searched for at first."""
        return search_text(self.question.content, self.history)


FirstSources = asyncio.Task[tuple[Source, ...]] | None  # of a search that is under way; None without one


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

    async def __call__(self, order: AnswerOrder, run: Run, *, found: FirstSources) -> None:
        """Write; cancelling the task leaves the answer `interrupted` with what it had."""
        writing = Writing(begin=self.begin, chronicle=self.chronicle, report=self.log, run=run, message=order.answer)
        try:
            await run.emit("message.created", created(order.answer, order.question))
            stop = await self._unless_cancelled(order, writing, found)
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
            else:
                error = _why_no_answer(stop, is_empty=not writing.draft.content.strip())
                status = MessageStatus.COMPLETE if error is None else MessageStatus.FAILED
                await self._finish(writing, status, stop=stop, error=error)

    def search(self, order: AnswerOrder) -> FirstSources:
        """Begin the search that every answer begins with; whoever gives the order up cancels it."""
        if not order.use_knowledge:
            return None
        search = asyncio.create_task(self._find(order, order.query))
        search.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may be that nobody asks
        return search

    async def _unless_cancelled(self, order: AnswerOrder, writing: Writing, found: FirstSources) -> Stop | None:
        """The model's last word, or None when somebody cancelled."""
        work = asyncio.ensure_future(self._write(order, writing, found))
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

    async def _write(self, order: AnswerOrder, writing: Writing, found: FirstSources) -> Stop:
        sources: tuple[Source, ...] = ()
        if found is not None:
            sources = await self._retrieve(writing, order.query, lambda: found)
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
                case StopReason.TOOL_USE if stop.calls and request.tools_allowed:
                    results = await asyncio.gather(*(self._use_tool(order, writing, call) for call in stop.calls))
                    rounds = (*request.rounds, ToolRound(turn=stop.turn, results=tuple(results)))
                    request = evolve(request, rounds=rounds, tools_allowed=len(rounds) < MAX_ROUNDS)
                    writing.begin_turn()
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

    async def _retrieve(
        self, writing: Writing, query: str, find: Callable[[], Awaitable[tuple[Source, ...]]]
    ) -> tuple[Source, ...]:
        await writing.run.emit("retrieval.started", {"query": query})
        sources = await find()
        writing.draft.give(sources)
        await writing.run.emit("retrieval.completed", {"sources": [source_view(source) for source in sources]})
        return sources

    async def _find(self, order: AnswerOrder, query: str, given: Sequence[ChunkId] = ()) -> tuple[Source, ...]:
        filters = order.filters
        if order.conversation.collection_ids:
            chosen = frozenset(order.conversation.collection_ids)
            both = chosen if filters.collection_ids is None else chosen & filters.collection_ids
            filters = evolve(filters, collection_ids=both)
        return await self.find(order.actor, query=query, filters=filters, given=given)

    async def _use_tool(self, order: AnswerOrder, writing: Writing, call: ToolCall) -> ToolResult:
        """Search for the model, with the asker's eyes; what it asks wrongly is told to it, not to the person."""
        query = (call.arguments or {}).get("query")
        if call.name != SEARCH_TOOL.name or not isinstance(query, str) or not query.strip():
            return ToolResult(call_id=call.id, error="Call search_knowledge with a non-empty string `query`.")
        asked = query[:MAX_QUERY]
        given = [source.passage.chunk.id for source in writing.draft.sources.values()]
        try:
            sources = await self._retrieve(writing, asked, lambda: self._find(order, asked, given))
            return ToolResult(call_id=call.id, sources=sources)
        except Unavailable as error:
            self.log.warning("tool_search_failed", error=error.slug)
            return ToolResult(call_id=call.id, error="The search is not available at the moment.")

    async def _ask(self, writing: Writing, request: ModelRequest) -> Stop:
        stop: Stop | None = None
        writing.asked, writing.begun = request, None
        async with self.model.stream(request) as parts:
            batches = paced(parts, interval=lambda: flush_interval(writing.run.runs.active), shown=_is_text)
            try:
                async for batch in batches:
                    for part in batch:
                        stop = part if isinstance(part, Stop) else stop
                        await writing.take(part)
                    await writing.flush()
            finally:
                await batches.aclose()
        if stop is None:
            raise ModelFailed("The model's stream ended without an end.", code="model_stream_broken", retryable=True)
        writing.usage, writing.asked, writing.begun = writing.usage + stop.usage, None, None
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
        if isinstance(failure, ModelFailed | ModelUnavailable):
            return AnswerError(
                code=failure.slug,
                message=failure.message,
                retryable=failure.retryable,
                retry_after=failure.retry_after,
            )
        if isinstance(failure, Unavailable):
            return AnswerError(
                code=failure.slug, message=failure.message, retryable=True, retry_after=failure.retry_after
            )
        self.log.error("answer_failed", error=repr(failure), kind=type(failure).__name__)
        return AnswerError(code="internal", message="Something went wrong on the server. Ask again.", retryable=True)


def _is_text(part: ModelPart) -> bool:
    return isinstance(part, TextPart)


def _why_no_answer(stop: Stop, *, is_empty: bool) -> AnswerError | None:
    """What is wrong with a model's last word, None where it is an answer; an ordinary end may be an empty one."""
    if stop.reason is StopReason.REFUSAL:
        declined = "The language model declined to answer this question."
        said = f"{declined} It says: {stop.refusal}" if stop.refusal else declined
        return AnswerError(code="model_refused", message=said, retryable=False)
    if not is_empty or stop.reason in {StopReason.END_TURN, StopReason.STOP_SEQUENCE}:
        return None
    if stop.reason is StopReason.CONTEXT_WINDOW_EXCEEDED:
        message = "The question, its sources and the talk so far are too large for the language model."
        return AnswerError(code=TOO_LARGE, message=message, retryable=False)
    if stop.reason is StopReason.MAX_TOKENS:
        message = "The language model used up the tokens of an answer before it said anything. Ask for less at once."
    else:
        message = "The language model searched and thought, and said nothing. Ask again."
    return AnswerError(code="model_said_nothing", message=message, retryable=True)
