"""Conversations and their messages."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from application import conversations
from application.views import message_view
from domain.ids import CollectionId, ConversationId, MessageId
from entrypoints.http.chat_resources import (
    ConversationOut,
    ConversationsOut,
    MessageOut,
    MessagesOut,
    conversation_view,
)
from entrypoints.http.dependencies import ActorDep, UseCasesDep
from entrypoints.http.idempotency import OnceDep
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
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """List conversations."""
    cursors = CursorOf(context=("conversations", actor.workspace_id, actor.user_id))
    after = cursors.decode(cursor, lambda key: ConversationId(UUID(key)))
    found = await use_cases.list_conversations(actor, limit=limit + 1, after=after)
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
