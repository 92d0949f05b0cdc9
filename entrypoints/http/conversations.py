"""Conversations and their messages."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from application import conversation_export, conversations
from application.views import conversation_view, message_view
from domain.ids import CollectionId, ConversationId, MessageId
from entrypoints.http.chat_resources import (
    ConversationOut,
    ConversationsOut,
    ExportOut,
    MessageOut,
    MessagesOut,
)
from entrypoints.http.dependencies import ActorDep, IfMatch, UseCasesDep, expected_version
from entrypoints.http.idempotency import OnceDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, page_of
from entrypoints.http.routing import WORKSPACE, about, problems, versioned
from entrypoints.http.schemas import ConversationBody

router = APIRouter(tags=["chat"])
CONVERSATION = f"{WORKSPACE}/conversations/{{conversation_id}}"


@router.post(
    f"{WORKSPACE}/conversations",
    status_code=201,
    response_model=ConversationOut,
    operation_id="startConversation",
    summary="Start a conversation",
    description=about(conversations.StartConversation),
    responses=problems(409),
)
async def start_conversation(
    use_cases: UseCasesDep, actor: ActorDep, once: OnceDep, body: ConversationBody | None = None
) -> Response:
    """Start a conversation."""
    asked = body or ConversationBody()
    return await once(
        lambda: use_cases.start_conversation(
            actor,
            title=asked.title,
            collection_ids=tuple(map(CollectionId, asked.collection_ids or ())),
            instructions=asked.instructions,
            model=asked.model,
        ),
        lambda started: versioned(
            conversation_view(started),
            status=201,
            location=f"/v1/workspaces/{actor.workspace_id}/conversations/{started.id}",
        ),
    )


@router.get(
    f"{WORKSPACE}/conversations",
    response_model=ConversationsOut,
    operation_id="listConversations",
    summary="Your conversations",
    description=about(conversations.ListConversations),
)
async def list_conversations(
    use_cases: UseCasesDep,
    actor: ActorDep,
    q: Annotated[str | None, Query(max_length=200, description="Words in the title or in a message.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> JSONResponse:
    """List conversations."""
    cursors = CursorOf(context=("conversations", actor.workspace_id, actor.user_id, q))
    after = cursors.decode(cursor, lambda key: ConversationId(UUID(key)))
    found = await use_cases.list_conversations(actor, limit=limit + 1, after=after, text=q)
    return JSONResponse(
        page_of(found, limit, view=conversation_view, key=lambda conversation: conversation.id, cursors=cursors)
    )


@router.get(
    CONVERSATION,
    response_model=ConversationOut,
    operation_id="showConversation",
    summary="One conversation",
    description=about(conversations.ShowConversation),
)
async def show_conversation(use_cases: UseCasesDep, actor: ActorDep, conversation_id: UUID) -> JSONResponse:
    """One conversation."""
    shown = await use_cases.show_conversation(actor, conversation_id=ConversationId(conversation_id))
    return versioned(conversation_view(shown))


@router.patch(
    CONVERSATION,
    response_model=ConversationOut,
    operation_id="changeConversation",
    summary="Change a conversation",
    description=about(conversations.ChangeConversation),
    responses=problems(409, 412),
)
async def change_conversation(
    use_cases: UseCasesDep, actor: ActorDep, conversation_id: UUID, body: ConversationBody, if_match: IfMatch = None
) -> JSONResponse:
    """Change a conversation; a member that is null is taken away."""
    named = body.model_fields_set
    changed = await use_cases.change_conversation(
        actor,
        conversation_id=ConversationId(conversation_id),
        title=body.title or "" if "title" in named else None,
        collection_ids=tuple(map(CollectionId, body.collection_ids or ())) if "collection_ids" in named else None,
        instructions=body.instructions or "" if "instructions" in named else None,
        model=body.model or "" if "model" in named else None,
        version=expected_version(if_match),
    )
    return versioned(conversation_view(changed))


@router.delete(
    CONVERSATION,
    status_code=204,
    response_class=Response,
    operation_id="deleteConversation",
    summary="Delete a conversation",
    description=about(conversations.DeleteConversation),
    responses=problems(409, 412),
)
async def delete_conversation(
    use_cases: UseCasesDep, actor: ActorDep, conversation_id: UUID, if_match: IfMatch = None
) -> Response:
    """Delete a conversation."""
    await use_cases.delete_conversation(
        actor, conversation_id=ConversationId(conversation_id), version=expected_version(if_match)
    )
    return Response(status_code=204)


@router.get(
    f"{CONVERSATION}/export",
    response_model=ExportOut,
    operation_id="exportConversation",
    summary="A conversation to keep",
    description=about(conversation_export.ExportConversation),
    responses={200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
async def export_conversation(
    use_cases: UseCasesDep,
    actor: ActorDep,
    conversation_id: UUID,
    format: Annotated[  # noqa: A002 the contract's word
        Literal["markdown", "json"], Query(description="Markdown for people, JSON for programs.")
    ] = "markdown",
) -> Response:
    """A conversation to keep."""
    exported = await use_cases.export_conversation(actor, conversation_id=ConversationId(conversation_id))
    extension = "md" if format == "markdown" else "json"
    headers = {"Content-Disposition": f'attachment; filename="conversation-{conversation_id}.{extension}"'}
    if format == "json":
        return JSONResponse(exported.as_json(), headers=headers)
    return Response(exported.as_markdown(), media_type="text/markdown", headers=headers)


@router.get(
    f"{CONVERSATION}/messages",
    response_model=MessagesOut,
    operation_id="listMessages",
    summary="Messages of a conversation",
    description=about(conversations.ListMessages),
)
async def list_messages(
    use_cases: UseCasesDep,
    actor: ActorDep,
    conversation_id: UUID,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> JSONResponse:
    """List messages."""
    cursors = CursorOf(context=("messages", conversation_id))
    after = cursors.decode(cursor, lambda key: MessageId(UUID(key)))
    found = await use_cases.list_messages(
        actor, conversation_id=ConversationId(conversation_id), limit=limit + 1, after=after
    )
    return JSONResponse(page_of(found, limit, view=message_view, key=lambda message: message.id, cursors=cursors))


@router.get(
    f"{WORKSPACE}/messages/{{message_id}}",
    response_model=MessageOut,
    operation_id="showMessage",
    summary="One message",
    description=about(conversations.ShowMessage),
)
async def show_message(use_cases: UseCasesDep, actor: ActorDep, message_id: UUID) -> JSONResponse:
    """One message."""
    return JSONResponse(message_view(await use_cases.show_message(actor, message_id=MessageId(message_id))))
