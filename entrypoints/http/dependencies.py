"""What routes ask for: the use cases, who asks, and in which workspace."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, Protocol
from uuid import UUID

from fastapi import Depends, Header, Path, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from application.authentication import Identity
from application.use_cases import UseCases
from domain.access import Actor
from domain.errors import NotFound, Unauthenticated
from domain.ids import WorkspaceId
from entrypoints.http.rates import Rates

IDENTITY: Final = "identity"  # in the scope


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


async def identify(connection: HTTPConnection) -> Identity:
    """The person that the bearer token proves, asked for and charged for once a request."""
    known: Identity | None = connection.scope.get(IDENTITY)
    if known is not None:
        return known
    state = connection.app.state
    use_cases: UseCases = state.container.use_cases()
    rates: Rates = state.rates
    try:
        identity = await use_cases.authenticate(_token(connection))
    except Unauthenticated:
        await rates.charge_address(connection, "refused")
        raise
    await rates.charge_identity(connection, identity)
    connection.scope[IDENTITY] = identity
    return identity


def _token(connection: HTTPConnection) -> str:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send `Authorization: Bearer <access token>`.")
    return token


class Bearer(SecurityBase):
    """How the token is documented. What derives from it is a single dependency, since each of them costs."""

    scheme_name = "bearer"
    model = HTTPBearerModel(
        description="An access token from POST /v1/auth/login, sent as `Authorization: Bearer <token>`."
    )


class Person(Bearer):
    """Whoever asks."""

    async def __call__(self, connection: HTTPConnection) -> Identity:
        """Their identity."""
        return await identify(connection)


def resource_id(text: str) -> UUID:
    """An id in a path; `NotFound` for what is none, as for one that nothing has."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("There is no such resource.") from error


class Member(Bearer):
    """Whoever asks, in the workspace of the path."""

    async def __call__(
        self, connection: HTTPConnection, workspace_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]
    ) -> Actor:
        """Their place in it; who asks is settled before it is said whether that is an id at all."""
        identity = await identify(connection)
        state = connection.app.state
        use_cases: UseCases = state.container.use_cases()
        actor = await use_cases.enter_workspace(identity, WorkspaceId(resource_id(workspace_id)))
        await state.rates.charge_workspace(connection, identity, actor.workspace_id)
        return actor


IdentityDep = Annotated[Identity, Security(Person())]
ActorDep = Annotated[Actor, Security(Member())]

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
