"""What routes ask for: the use cases, who asks, and in which workspace."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from application.authentication import Identity
from application.use_cases import UseCases
from domain.access import Actor
from domain.errors import Unauthenticated
from domain.ids import WorkspaceId
from entrypoints.http.rates import RatesDep


class HttpSettings(Protocol):
    """What HTTP needs to know of the installation."""

    @property
    def max_upload_bytes(self) -> int:
        """The largest file that is taken."""
        ...

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins whose pages may call from a browser; `*` for any."""
        ...

    @property
    def answers_by(self) -> str:
        """Who answers, in words for people."""
        ...


class Container(Protocol):
    """What is asked of the composition root."""

    def use_cases(self) -> UseCases:
        """Everything the application can do."""
        ...

    def settings(self) -> HttpSettings:
        """The installation's choices."""
        ...

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """By an engine's name: a ping that raises when it is down."""
        ...

    def needed_engines(self) -> frozenset[str]:
        """Those without which this process cannot serve."""
        ...


async def get_container(connection: HTTPConnection) -> Container:
    """The container of the application that serves this connection.

    Asynchronous, as all dependencies are: others would each go through a thread.
    """
    container: Container = connection.app.state.container
    return container


async def get_use_cases(connection: HTTPConnection) -> UseCases:
    """The use cases."""
    container: Container = connection.app.state.container
    return container.use_cases()


# Dependencies are coroutines even where they wait for nothing: FastAPI runs plain functions in a thread, which costs
# more than all the rest of a small request. They are few for the same reason: each costs as much as a route.
UseCasesDep = Annotated[UseCases, Depends(get_use_cases)]
ContainerDep = Annotated[Container, Depends(get_container)]

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An access token from POST /v1/auth/login, sent as `Authorization: Bearer <token>`.",
)


async def get_identity(
    connection: HTTPConnection,
    use_cases: UseCasesDep,
    rates: RatesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
) -> Identity:
    """The person that the bearer token proves."""
    try:
        identity = await use_cases.authenticate(_token(credentials))
    except Unauthenticated:
        await rates.charge_address(connection, "refused")
        raise
    await rates.charge_identity(connection, identity)
    return identity


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None or not credentials.credentials:
        raise Unauthenticated("Send `Authorization: Bearer <access token>`.")
    return credentials.credentials


IdentityDep = Annotated[Identity, Depends(get_identity)]


async def get_actor(
    connection: HTTPConnection, use_cases: UseCasesDep, rates: RatesDep, identity: IdentityDep, workspace_id: UUID
) -> Actor:
    """The person in the workspace of the path."""
    actor = await use_cases.enter_workspace(identity, WorkspaceId(workspace_id))
    await rates.charge_workspace(connection, identity, actor.workspace_id)
    return actor


ActorDep = Annotated[Actor, Depends(get_actor)]

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='The `ETag` that was read, e.g. `"3"`; 412 when it is stale.')
]


def expected_version(if_match: str | None) -> int | None:
    """The version that an `If-Match` demands; None when it demands nothing.

    Of several tags the youngest counts. A tag that is none of ours never matches.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip().strip('"') for tag in if_match.split(",")]
    return max((int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 10), default=-1)  # noqa: PLR2004


def etag(version: int) -> str:
    """The entity tag of a resource's version."""
    return f'"{version}"'
