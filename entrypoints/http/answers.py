"""Questions and the answers to them: as a stream of events, or as one message at the end."""

import math
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header
from starlette.responses import Response

from application import answer_reading, asking, feedback
from application.ports.runs import RunEvent
from application.use_cases import UseCases
from application.views import message_view
from domain.access import Actor
from domain.feedback import Rating
from domain.ids import ConversationId, MessageId
from entrypoints.http.chat_resources import MessageOut
from entrypoints.http.dependencies import ActorDep, UseCasesDep
from entrypoints.http.errors import RETRY_AFTER, problem
from entrypoints.http.idempotency import REPLAYED, Once, OnceDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.routing import WORKSPACE, about, event_stream, problems
from entrypoints.http.schemas import FeedbackBody, MessageBody, RegenerateBody
from entrypoints.http.sse import EventStream, ServerEvent, last_seen, wants_events

router = APIRouter(tags=["chat"])
MESSAGE: Final = f"{WORKSPACE}/messages/{{message_id}}"
# codes of errors after which asking again later may help, and nothing was written
NOTHING_BEGUN: Final = ("llm_", "database_", "vector_index_", "embedder_", "unavailable")
MEND_AFTER: Final = 60  # seconds, where somebody has to mend a key or an account first
EVENTS: Final = event_stream(
    "The answer as it is written",
    "message.created",
    "retrieval.started",
    "retrieval.completed",
    "content.delta",
    "citation",
    "message.completed",
    "message.failed",
)


async def _told(events: AsyncIterator[RunEvent]) -> AsyncIterator[ServerEvent]:
    async for event in events:
        yield ServerEvent(id=event.offset, name=event.name, data=event.data)


async def _answered(use_cases: UseCases, actor: Actor, once: Once, answer_id: str, accept: str | None) -> Response:
    """As a stream, or as one message at its end; a repeated question is answered by the same answer."""
    message_id = MessageId(UUID(answer_id))
    read = use_cases.read_answer if once.replayed else use_cases.read_answer.own
    events = await read(actor, message_id=message_id)
    headers = {"Location": f"/v1/workspaces/{actor.workspace_id}/messages/{message_id}"}
    if once.replayed:
        headers |= REPLAYED
    if wants_events(accept):
        return EventStream(_told(events), headers=headers)
    last: dict[str, Any] = {}
    async for event in events:
        last = dict(event.data)
    answer = last.get("message") or message_view(await use_cases.show_message(actor, message_id=message_id))
    error = answer["error"]
    if error is not None and not answer["content"] and error["code"].startswith(NOTHING_BEGUN):
        code = "llm_unavailable" if error["code"].startswith("llm_") else error["code"]
        usual = RETRY_AFTER if error["retryable"] else MEND_AFTER
        headers["Retry-After"] = str(math.ceil(error.get("retry_after") or usual))
        return problem(once.request, 503, code, error["message"], headers=headers, message=answer)
    return JSONResponse(answer, status_code=201, headers=headers)


@router.post(
    f"{WORKSPACE}/conversations/{{conversation_id}}/messages",
    status_code=201,
    response_model=MessageOut,
    operation_id="postMessage",
    summary="Ask",
    description=about(asking.PostMessage)
    + "\n\nWith `Accept: text/event-stream` the answer comes as a stream of events (200); else the call waits for its "
    "end and gives the answer (201). A client that goes away does not stop the answer.",
    responses={200: EVENTS, **problems(409, 429, 503)},
)
async def post_message(
    *,
    use_cases: UseCasesDep,
    actor: ActorDep,
    once: OnceDep,
    conversation_id: UUID,
    body: MessageBody,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Ask."""
    answer_id = await once.reference(
        lambda: use_cases.post_message(
            actor,
            conversation_id=ConversationId(conversation_id),
            content=body.content,
            parent_id=None if body.parent_id is None else MessageId(body.parent_id),
            edits=None if body.edits is None else MessageId(body.edits),
            use_knowledge=body.use_knowledge,
            filters=None if body.filters is None else body.filters.filters(),
        ),
        lambda asked: str(asked.answer.id),
    )
    return await _answered(use_cases, actor, once, answer_id, accept)


@router.get(
    f"{MESSAGE}/stream",
    status_code=200,
    response_class=EventStream,
    operation_id="readAnswer",
    summary="Read an answer's events",
    description=about(answer_reading.ReadAnswer),
    responses={200: EVENTS, **problems(409)},
)
async def read_answer(
    use_cases: UseCasesDep,
    actor: ActorDep,
    message_id: UUID,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Go on after this event; from the first without it.")
    ] = None,
) -> EventStream:
    """Read an answer's events."""
    events = await use_cases.read_answer(actor, message_id=MessageId(message_id), after=last_seen(last_event_id))
    return EventStream(_told(events))


@router.post(
    f"{MESSAGE}/cancel",
    status_code=202,
    response_model=MessageOut,
    operation_id="cancelAnswer",
    summary="Stop an answer",
    description=about(asking.CancelAnswer),
    responses=problems(409),
)
async def cancel_answer(use_cases: UseCasesDep, actor: ActorDep, message_id: UUID) -> JSONResponse:
    """Stop an answer."""
    await use_cases.cancel_answer(actor, message_id=MessageId(message_id))
    message = await use_cases.show_message(actor, message_id=MessageId(message_id))
    return JSONResponse(message_view(message), status_code=202)


@router.post(
    f"{MESSAGE}/regenerate",
    status_code=201,
    response_model=MessageOut,
    operation_id="regenerateAnswer",
    summary="Another answer to the same question",
    description=about(asking.RegenerateAnswer)
    + "\n\nAnswers as asking does: with `Accept: text/event-stream` a stream, else the message at its end.",
    responses={200: EVENTS, **problems(409, 429, 503)},
)
async def regenerate_answer(
    *,
    use_cases: UseCasesDep,
    actor: ActorDep,
    once: OnceDep,
    message_id: UUID,
    body: RegenerateBody | None = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Another answer to the same question."""
    asked = body or RegenerateBody()
    answer_id = await once.reference(
        lambda: use_cases.regenerate_answer(
            actor,
            message_id=MessageId(message_id),
            use_knowledge=asked.use_knowledge,
            filters=None if asked.filters is None else asked.filters.filters(),
        ),
        lambda asked: str(asked.answer.id),
    )
    return await _answered(use_cases, actor, once, answer_id, accept)


@router.put(
    f"{MESSAGE}/feedback",
    status_code=204,
    response_class=Response,
    operation_id="rateAnswer",
    summary="Say what you think of an answer",
    description=about(feedback.RateAnswer),
)
async def rate_answer(use_cases: UseCasesDep, actor: ActorDep, message_id: UUID, body: FeedbackBody) -> Response:
    """Say what you think of an answer."""
    await use_cases.rate_answer(
        actor, message_id=MessageId(message_id), rating=Rating(body.rating), comment=body.comment
    )
    return Response(status_code=204)
