"""Routes that ask for nothing but who calls and which resource are served without FastAPI's dependency machinery.

FastAPI declares and documents them as all others. But to find out at each request what a route has asked for since the
start costs as much as the whole rest of a small request; here it is found out once.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.errors import NotFound
from entrypoints.http.dependencies import Member, Person, get_container, get_use_cases

Find = Callable[[Request], Any]

_AT_ONCE: Final[dict[Any, Find]] = {
    get_use_cases: lambda request: request.app.state.container.use_cases(),
    get_container: lambda request: request.app.state.container,
}


def make_lean(route: APIRoute) -> bool:
    """Whether the route can be, and from now on is, served so: with answers as they were."""
    plan = _plan(route.dependant)
    if route.body_field is not None or plan is None:
        return False
    endpoint: Callable[..., Awaitable[Response]] = route.endpoint
    callers, finds = plan

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        values = {name: await ask(request) for name, ask in callers}
        for name, find in finds:
            values[name] = find(request)
        response = await endpoint(**values)
        await response(scope, receive, send)

    route.app = app
    return True


def _plan(dependant: Dependant) -> tuple[list[tuple[str, Find]], list[tuple[str, Find]]] | None:
    """What to wait for, and what is there at once, by the names of parameters; None where more is asked for."""
    if dependant.query_params or dependant.header_params or dependant.cookie_params or dependant.body_params:
        return None
    callers: list[tuple[str, Find]] = []
    finds: list[tuple[str, Find]] = []
    for asked in dependant.dependencies:
        if asked.name is None:
            return None
        if isinstance(asked.call, Person):
            callers.append((asked.name, asked.call))
        elif isinstance(asked.call, Member):
            callers.append((asked.name, _entering(asked.call)))
        elif asked.call in _AT_ONCE:
            finds.append((asked.name, _AT_ONCE[asked.call]))
        else:
            return None
    for parameter in dependant.path_params:
        if parameter.field_info.annotation is not UUID:
            return None
        finds.append((parameter.name, _id(parameter.alias)))
    if dependant.request_param_name:
        finds.append((dependant.request_param_name, lambda request: request))
    return callers, finds


def _entering(member: Member) -> Find:
    workspace_id = _id("workspace_id")

    async def enter(request: Request) -> Any:
        return await member(request, workspace_id(request))

    return enter


def _id(name: str) -> Find:
    def find(request: Request) -> UUID:
        try:
            return UUID(request.path_params[name])
        except ValueError as error:
            raise NotFound("There is no such resource.") from error

    return find
