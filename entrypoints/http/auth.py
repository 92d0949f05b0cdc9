"""Registration, log in, log out, and where one is logged in."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from application import authentication, login_sessions
from domain.access import Role
from domain.ids import SessionId
from entrypoints.http.account_resources import SessionOut, SessionsOut, session_view
from entrypoints.http.dependencies import IdentityDep, UseCasesDep
from entrypoints.http.idempotency import OnceForAnybodyDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, page_of
from entrypoints.http.rates import RatesDep, charge_open
from entrypoints.http.resources import (
    ProfileOut,
    RegisteredOut,
    TokensOut,
    profile_view,
    tokens_view,
    user_view,
    workspace_view,
)
from entrypoints.http.routing import about, problems
from entrypoints.http.schemas import LogInBody, PasswordBody, RefreshTokenBody, RegisterBody

router = APIRouter(tags=["auth"])
UserAgent = Annotated[str, Header(alias="User-Agent", include_in_schema=False)]
Attempt = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A random word for this exchange. The same request again within ten seconds gives the same token.",
    ),
]


@router.post(
    "/v1/auth/register",
    status_code=201,
    response_model=RegisteredOut,
    operation_id="register",
    summary="Make an account",
    description=about(authentication.Register, authentication.CreateUser),
    responses=problems(403, 404, 409),
    dependencies=[Depends(charge_open)],
)
async def register(use_cases: UseCasesDep, once: OnceForAnybodyDep, body: RegisterBody) -> Response:
    """Make an account."""
    return await once(
        lambda: use_cases.register(
            email=body.email, password=body.password, name=body.name, invitation=body.invitation_token
        ),
        lambda made: JSONResponse(
            {"user": user_view(made.user), "workspace": workspace_view(made.workspace, Role.OWNER)}, status_code=201
        ),
    )


@router.post(
    "/v1/auth/login",
    response_model=TokensOut,
    operation_id="logIn",
    summary="Log in",
    description=about(login_sessions.LogIn),
    responses=problems(401),
)
async def log_in(
    request: Request, use_cases: UseCasesDep, rates: RatesDep, body: LogInBody, user_agent: UserAgent = ""
) -> JSONResponse:
    """Log in."""
    device = "".join(c if c.isprintable() else " " for c in user_agent)
    async with rates.guarding_login(request, body.email):
        tokens = await use_cases.log_in(email=body.email, password=body.password, device=device)
    return JSONResponse(tokens_view(tokens))


@router.post(
    "/v1/auth/refresh",
    response_model=TokensOut,
    operation_id="refreshSession",
    summary="Exchange a refresh token",
    description=about(login_sessions.RefreshSession),
    responses=problems(401),
    dependencies=[Depends(charge_open)],
)
async def refresh(use_cases: UseCasesDep, body: RefreshTokenBody, attempt: Attempt = None) -> JSONResponse:
    """Exchange a refresh token."""
    pair = await use_cases.refresh_session(refresh_token=body.refresh_token, attempt=attempt)
    return JSONResponse(tokens_view(pair))


@router.post(
    "/v1/auth/logout",
    status_code=204,
    operation_id="logOut",
    summary="Log out",
    description=about(login_sessions.LogOut),
    responses=problems(403),
)
async def log_out(use_cases: UseCasesDep, identity: IdentityDep, body: RefreshTokenBody) -> Response:
    """Log out."""
    await use_cases.log_out(identity, refresh_token=body.refresh_token)
    return Response(status_code=204)


@router.post(
    "/v1/auth/password",
    status_code=204,
    operation_id="changePassword",
    summary="Change your password",
    description=about(login_sessions.ChangePassword),
    responses=problems(403, 409),
)
async def change_password(use_cases: UseCasesDep, identity: IdentityDep, body: PasswordBody) -> Response:
    """Change your password."""
    await use_cases.change_password(identity, current_password=body.current_password, new_password=body.new_password)
    return Response(status_code=204)


@router.get(
    "/v1/me",
    response_model=ProfileOut,
    operation_id="showProfile",
    summary="Who am I",
    description=about(authentication.ShowProfile),
)
async def me(use_cases: UseCasesDep, identity: IdentityDep) -> JSONResponse:
    """Who am I."""
    return JSONResponse(profile_view(await use_cases.show_profile(identity)))


@router.get(
    "/v1/me/sessions",
    response_model=SessionsOut,
    operation_id="listSessions",
    summary="Where you are logged in",
    description=about(login_sessions.ListSessions),
    responses=problems(403, 422),
)
async def list_sessions(
    use_cases: UseCasesDep, identity: IdentityDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> JSONResponse:
    """Where you are logged in."""
    cursors = CursorOf(context=("sessions", identity.user_id))
    after = cursors.decode(cursor, UUID)
    live = [one for one in await use_cases.list_sessions(identity) if after is None or one.id < after]
    return JSONResponse(
        page_of(
            live,
            limit,
            view=lambda one: session_view(one, current=identity.session_id),
            key=lambda one: one.id,
            cursors=cursors,
        )
    )


@router.get(
    "/v1/me/sessions/{session_id}",
    response_model=SessionOut,
    operation_id="showSession",
    summary="One of your login sessions",
    description=about(login_sessions.ShowSession),
    responses=problems(403, 404),
)
async def show_session(use_cases: UseCasesDep, identity: IdentityDep, session_id: UUID) -> JSONResponse:
    """One of your login sessions."""
    shown = await use_cases.show_session(identity, session_id=SessionId(session_id))
    return JSONResponse(session_view(shown, current=identity.session_id))


@router.delete(
    "/v1/me/sessions/{session_id}",
    status_code=204,
    operation_id="revokeSession",
    summary="End one of your login sessions",
    description=about(login_sessions.RevokeSession),
    responses=problems(403, 404),
)
async def revoke_session(use_cases: UseCasesDep, identity: IdentityDep, session_id: UUID) -> Response:
    """End one of your login sessions."""
    await use_cases.revoke_session(identity, session_id=SessionId(session_id))
    return Response(status_code=204)
