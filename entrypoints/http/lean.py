"""Routes that ask for nothing but who calls, which resource, and one JSON body are served without FastAPI's machinery.

FastAPI declares and documents them as all others. But to find out at each request what a route has asked for since the
start costs as much as the whole rest of a small request; here it is found out once. A body that is not as it should be
is left to FastAPI, which says what is wrong with it.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from fastapi.dependencies.models import Dependant
from fastapi.params import Body
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from entrypoints.http.dependencies import Member, Person, get_container, get_use_cases, resource_id

Find = Callable[[Request], Any]

_JSON: Final = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})

_AT_ONCE: Final[dict[Any, Find]] = {
    get_use_cases: lambda request: request.app.state.container.use_cases(),
    get_container: lambda request: request.app.state.container,
}


def make_lean(route: APIRoute) -> bool:
    """Whether the route can be, and from now on is, served so: with answers as they were."""
    plan = _plan(route.dependant)
    body = _body(route)
    if plan is None or (body is None and route.body_field is not None):
        return False
    endpoint: Callable[..., Awaitable[Response]] = route.endpoint
    in_full = route.app
    callers, finds = plan

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        values: dict[str, Any] = {}
        if body is not None:
            name, shape = body
            content = await request.body()
            try:
                values[name] = _read(request, content, shape)
            except (ValueError, RecursionError):  # of pydantic too
                await in_full(scope, _again(content, receive), send)
                return
        for name, ask in callers:
            values[name] = await ask(request)
        for name, find in finds:
            values[name] = find(request)
        response = await endpoint(**values)
        await response(scope, receive, send)

    route.app = app
    return True


def _body(route: APIRoute) -> tuple[str, type[BaseModel]] | None:
    """The parameter and model of a route that takes one JSON object and answers for itself."""
    returned = route.endpoint.__annotations__.get("return")
    if len(route.dependant.body_params) != 1 or not (isinstance(returned, type) and issubclass(returned, Response)):
        return None
    (field,) = route.dependant.body_params
    asked, shape = field.field_info, field.field_info.annotation
    if type(asked) is not Body or asked.embed or not asked.is_required():
        return None
    return (field.name, shape) if isinstance(shape, type) and issubclass(shape, BaseModel) else None


def _read(request: Request, content: bytes, shape: type[BaseModel]) -> BaseModel:
    """The body; `ValueError` for whatever is unusual about it."""
    if request.headers.get("content-type", "").lower() not in _JSON:
        raise ValueError
    return shape.model_validate(json.loads(content))


def _again(content: bytes, receive: Receive) -> Receive:
    """A `receive` that begins with a body that was read already."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay


def _plan(dependant: Dependant) -> tuple[list[tuple[str, Find]], list[tuple[str, Find]]] | None:
    """What to wait for, and what is there at once, by the names of parameters; None where more is asked for."""
    if dependant.query_params or dependant.header_params or dependant.cookie_params:
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
    async def enter(request: Request) -> Any:
        return await member(request, request.path_params["workspace_id"])

    return enter


def _id(name: str) -> Find:
    return lambda request: resource_id(request.path_params[name])
