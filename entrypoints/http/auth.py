"""Registration, log in and log out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import JSONResponse, Response

from application import authentication
from domain.access import Role
from entrypoints.http.dependencies import IdentityDep, UseCasesDep
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
from entrypoints.http.schemas import LogInBody, RefreshTokenBody, RegisterBody

router = APIRouter(tags=["auth"])
UserAgent = Annotated[str, Header(alias="User-Agent", include_in_schema=False)]


@router.post(
    "/v1/auth/register",
    status_code=201,
    response_model=RegisteredOut,
    operation_id="register",
    summary="Make an account",
    description=about(authentication.Register, authentication.CreateUser),
    responses=problems(403, 409),
    dependencies=[Depends(charge_open)],
)
async def register(use_cases: UseCasesDep, body: RegisterBody) -> JSONResponse:
    """Make an account."""
    registered = await use_cases.register(email=body.email, password=body.password, name=body.name)
    content = {
        "user": user_view(registered.user),
        "workspace": workspace_view(registered.workspace, Role.OWNER),
    }
    return JSONResponse(content, status_code=201)


@router.post(
    "/v1/auth/login",
    response_model=TokensOut,
    operation_id="logIn",
    summary="Log in",
    description=about(authentication.LogIn),
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
    description=about(authentication.RefreshSession),
    responses=problems(401),
    dependencies=[Depends(charge_open)],
)
async def refresh(use_cases: UseCasesDep, body: RefreshTokenBody) -> JSONResponse:
    """Exchange a refresh token."""
    return JSONResponse(tokens_view(await use_cases.refresh_session(refresh_token=body.refresh_token)))


@router.post(
    "/v1/auth/logout",
    status_code=204,
    operation_id="logOut",
    summary="Log out",
    description=about(authentication.LogOut),
)
async def log_out(use_cases: UseCasesDep, identity: IdentityDep, body: RefreshTokenBody) -> Response:
    """Log out."""
    await use_cases.log_out(identity, refresh_token=body.refresh_token)
    return Response(status_code=204)


@router.get(
    "/v1/me",
    response_model=ProfileOut,
    operation_id="showProfile",
    summary="Who am I",
    description=about(authentication.Profile),
)
async def me(use_cases: UseCasesDep, identity: IdentityDep) -> JSONResponse:
    """Who am I."""
    return JSONResponse(profile_view(await use_cases.show_profile(identity)))
