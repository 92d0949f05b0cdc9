"""Keys for programs, and tickets for browsers."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from application import api_keys, tickets
from domain.ids import ApiKeyId, CollectionId
from entrypoints.http.account_resources import (
    ApiKeyOut,
    ApiKeysOut,
    MadeKeyOut,
    TicketOut,
    api_key_view,
    made_key_view,
    ticket_view,
)
from entrypoints.http.dependencies import ActorDep, IdentityDep, UseCasesDep
from entrypoints.http.idempotency import OnceDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, page_of
from entrypoints.http.routing import WORKSPACE, about, problems
from entrypoints.http.schemas import ApiKeyBody

router = APIRouter(tags=["auth"])
KEYS = f"{WORKSPACE}/api-keys"


@router.post(
    "/v1/auth/ws-ticket",
    response_model=TicketOut,
    operation_id="issueTicket",
    summary="A ticket for a WebSocket",
    description=about(tickets.IssueTicket),
)
async def issue_ticket(use_cases: UseCasesDep, identity: IdentityDep) -> JSONResponse:
    """A ticket for a WebSocket."""
    return JSONResponse(ticket_view(await use_cases.issue_ticket(identity)), headers={"Cache-Control": "no-store"})


@router.post(
    KEYS,
    status_code=201,
    response_model=MadeKeyOut,
    operation_id="createApiKey",
    summary="Make an API key",
    description=about(api_keys.CreateApiKey),
    responses=problems(409),
)
async def create_api_key(use_cases: UseCasesDep, actor: ActorDep, once: OnceDep, body: ApiKeyBody) -> Response:
    """Make an API key."""
    return await once(
        lambda: use_cases.create_api_key(
            actor,
            name=body.name,
            scopes=frozenset(body.scopes),
            expires_at=body.expires_at,
            collection_ids=None if body.collection_ids is None else frozenset(map(CollectionId, body.collection_ids)),
        ),
        lambda made: JSONResponse(
            made_key_view(made),
            status_code=201,
            headers={
                "Location": f"/v1/workspaces/{actor.workspace_id}/api-keys/{made.key.id}",
                "Cache-Control": "no-store",
            },
        ),
    )


@router.get(
    KEYS,
    response_model=ApiKeysOut,
    operation_id="listApiKeys",
    summary="API keys",
    description=about(api_keys.ListApiKeys),
)
async def list_api_keys(
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """List API keys."""
    cursors = CursorOf(context=("api_keys", actor.workspace_id))
    after = cursors.decode(cursor, lambda key: ApiKeyId(UUID(key)))
    found = await use_cases.list_api_keys(actor, limit=limit + 1, after=after)
    return JSONResponse(page_of(found, limit, view=api_key_view, key=lambda key: key.id, cursors=cursors))


@router.get(
    f"{KEYS}/{{key_id}}",
    response_model=ApiKeyOut,
    operation_id="showApiKey",
    summary="One API key",
    description=about(api_keys.ShowApiKey),
)
async def show_api_key(use_cases: UseCasesDep, actor: ActorDep, key_id: UUID) -> JSONResponse:
    """One API key."""
    return JSONResponse(api_key_view(await use_cases.show_api_key(actor, key_id=ApiKeyId(key_id))))


@router.delete(
    f"{KEYS}/{{key_id}}",
    status_code=204,
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    description=about(api_keys.RevokeApiKey),
)
async def revoke_api_key(use_cases: UseCasesDep, actor: ActorDep, key_id: UUID) -> Response:
    """Revoke an API key."""
    await use_cases.revoke_api_key(actor, key_id=ApiKeyId(key_id))
    return Response(status_code=204)
