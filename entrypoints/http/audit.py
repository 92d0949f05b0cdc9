"""The audit log, for admins."""

from typing import Any

from fastapi import APIRouter

from application import auditing
from application.views import time_view
from domain.audit import AuditEntry
from entrypoints.http.dependencies import ActorDep, UseCasesDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, page_of
from entrypoints.http.resources import Resource
from entrypoints.http.routing import WORKSPACE, about

router = APIRouter(tags=["workspaces"])


class ResourceOut(Resource):
    """What something was done to."""

    kind: str
    id: str | None


class AuditEntryOut(Resource):
    """One deed; `user_id` is null where nobody known did it."""

    id: str
    at: str
    action: str
    user_id: str | None
    api_key_id: str | None
    resource: ResourceOut
    address: str | None
    request_id: str | None


class AuditLogOut(Resource):
    """A page of deeds."""

    items: list[AuditEntryOut]
    next_cursor: str | None


def audit_view(entry: AuditEntry) -> dict[str, Any]:
    """A deed."""
    return {
        "id": str(entry.entry_id),
        "at": time_view(entry.at),
        "action": entry.deed.value,
        "user_id": str(entry.user_id) if entry.user_id else None,
        "api_key_id": str(entry.api_key_id) if entry.api_key_id else None,
        "resource": {"kind": entry.deed.kind, "id": str(entry.resource_id) if entry.resource_id else None},
        "address": entry.address,
        "request_id": entry.request_id,
    }


@router.get(
    f"{WORKSPACE}/audit-log",
    response_model=AuditLogOut,
    operation_id="showAuditLog",
    summary="Who did what",
    description=about(auditing.ShowAuditLog),
)
async def show_audit_log(
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """Who did what."""
    cursors = CursorOf(context=("audit-log", actor.workspace_id))
    before = cursors.decode(cursor, int)
    found = await use_cases.show_audit_log(actor, limit=limit + 1, before=before)
    return JSONResponse(page_of(found, limit, view=audit_view, key=lambda entry: entry.number, cursors=cursors))
