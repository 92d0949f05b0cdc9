"""Members, invitations, and who is listed for a collection."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from application import collection_access, invitations, joining, members
from domain.access import Role
from domain.ids import CollectionId, InvitationId, UserId
from entrypoints.http.account_resources import (
    InvitationOut,
    InvitationsOut,
    MadeInvitationOut,
    MemberOut,
    MembersOut,
    invitation_view,
    made_invitation_view,
    member_view,
)
from entrypoints.http.dependencies import ActorDep, IdentityDep, UseCasesDep
from entrypoints.http.idempotency import OnceDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, page_of
from entrypoints.http.resources import WorkspaceOut, workspace_view
from entrypoints.http.routing import WORKSPACE, about, problems
from entrypoints.http.schemas import InvitationBody, InvitationTokenBody, RoleBody

router = APIRouter(tags=["workspaces"])
MEMBERS = f"{WORKSPACE}/members"
INVITATIONS = f"{WORKSPACE}/invitations"
READER = f"{WORKSPACE}/collections/{{collection_id}}/members/{{user_id}}"


@router.get(
    MEMBERS,
    response_model=MembersOut,
    operation_id="listMembers",
    summary="Members",
    description=about(members.ListMembers),
)
async def list_members(
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """List members."""
    cursors = CursorOf(context=("members", actor.workspace_id))
    after = cursors.decode(cursor, lambda key: UserId(UUID(key)))
    found = await use_cases.list_members(actor, limit=limit + 1, after=after)
    return JSONResponse(page_of(found, limit, view=member_view, key=lambda member: member.user_id, cursors=cursors))


@router.patch(
    f"{MEMBERS}/{{user_id}}",
    response_model=MemberOut,
    operation_id="changeRole",
    summary="Change a member's role",
    description=about(members.ChangeRole),
    responses=problems(409),
)
async def change_role(use_cases: UseCasesDep, actor: ActorDep, user_id: UUID, body: RoleBody) -> JSONResponse:
    """Change a member's role."""
    changed = await use_cases.change_role(actor, user_id=UserId(user_id), role=Role.parse(body.role))
    return JSONResponse(member_view(changed))


@router.delete(
    f"{MEMBERS}/{{user_id}}",
    status_code=204,
    operation_id="removeMember",
    summary="Remove a member, or leave",
    description=about(members.RemoveMember),
    responses=problems(409),
)
async def remove_member(use_cases: UseCasesDep, actor: ActorDep, user_id: UUID) -> Response:
    """Remove a member, or leave."""
    await use_cases.remove_member(actor, user_id=UserId(user_id))
    return Response(status_code=204)


@router.post(
    INVITATIONS,
    status_code=201,
    response_model=MadeInvitationOut,
    operation_id="invite",
    summary="Invite somebody",
    description=about(invitations.Invite),
    responses=problems(409),
)
async def invite(use_cases: UseCasesDep, actor: ActorDep, once: OnceDep, body: InvitationBody) -> Response:
    """Invite somebody."""
    return await once(
        lambda: use_cases.invite(actor, email=body.email, role=Role.parse(body.role)),
        lambda made: JSONResponse(
            made_invitation_view(made),
            status_code=201,
            headers={
                "Location": f"/v1/workspaces/{actor.workspace_id}/invitations/{made.invitation.id}",
                "Cache-Control": "no-store",
            },
        ),
    )


@router.get(
    INVITATIONS,
    response_model=InvitationsOut,
    operation_id="listInvitations",
    summary="Open invitations",
    description=about(invitations.ListInvitations),
)
async def list_invitations(
    use_cases: UseCasesDep, actor: ActorDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """List open invitations."""
    cursors = CursorOf(context=("invitations", actor.workspace_id))
    after = cursors.decode(cursor, lambda key: InvitationId(UUID(key)))
    found = await use_cases.list_invitations(actor, limit=limit + 1, after=after)
    return JSONResponse(page_of(found, limit, view=invitation_view, key=lambda one: one.id, cursors=cursors))


@router.get(
    f"{INVITATIONS}/{{invitation_id}}",
    response_model=InvitationOut,
    operation_id="showInvitation",
    summary="One open invitation",
    description=about(invitations.ShowInvitation),
)
async def show_invitation(use_cases: UseCasesDep, actor: ActorDep, invitation_id: UUID) -> JSONResponse:
    """One open invitation."""
    shown = await use_cases.show_invitation(actor, invitation_id=InvitationId(invitation_id))
    return JSONResponse(invitation_view(shown))


@router.delete(
    f"{INVITATIONS}/{{invitation_id}}",
    status_code=204,
    operation_id="withdrawInvitation",
    summary="Take an invitation back",
    description=about(invitations.WithdrawInvitation),
)
async def withdraw_invitation(use_cases: UseCasesDep, actor: ActorDep, invitation_id: UUID) -> Response:
    """Take an invitation back."""
    await use_cases.withdraw_invitation(actor, invitation_id=InvitationId(invitation_id))
    return Response(status_code=204)


@router.post(
    "/v1/invitations/accept",
    response_model=WorkspaceOut,
    operation_id="acceptInvitation",
    summary="Accept an invitation",
    description=about(joining.AcceptInvitation),
    responses=problems(403, 404, 409),
)
async def accept_invitation(
    use_cases: UseCasesDep, identity: IdentityDep, once: OnceDep, body: InvitationTokenBody
) -> Response:
    """Accept an invitation."""
    return await once(
        lambda: use_cases.accept_invitation(identity, token=body.token),
        lambda joined: JSONResponse(workspace_view(joined.workspace, joined.role)),
    )


@router.put(
    READER,
    status_code=204,
    operation_id="listReader",
    summary="List a member for a collection",
    description=about(collection_access.ListReader),
    tags=["collections"],
)
async def list_reader(use_cases: UseCasesDep, actor: ActorDep, collection_id: UUID, user_id: UUID) -> Response:
    """List a member for a collection."""
    await use_cases.list_reader(actor, collection_id=CollectionId(collection_id), user_id=UserId(user_id))
    return Response(status_code=204)


@router.delete(
    READER,
    status_code=204,
    operation_id="unlistReader",
    summary="Take a member off a collection's list",
    description=about(collection_access.UnlistReader),
    tags=["collections"],
)
async def unlist_reader(use_cases: UseCasesDep, actor: ActorDep, collection_id: UUID, user_id: UUID) -> Response:
    """Take a member off a collection's list."""
    await use_cases.unlist_reader(actor, collection_id=CollectionId(collection_id), user_id=UserId(user_id))
    return Response(status_code=204)
