"""The protocol as AsyncAPI 3, made from the frames' types."""

import inspect
from functools import cache
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from entrypoints.http.json_response import JSONResponse
from entrypoints.websocket.endpoint import PATH
from entrypoints.websocket.errors import CloseCode, ErrorCode
from entrypoints.websocket.frames import PUSHES, REPLIES, REQUESTS, SUBPROTOCOL, PublicationBody
from entrypoints.websocket.frames import Request as ClientFrame

URL: Final = "/v1/asyncapi.json"
_SCHEMAS: Final = "#/components/schemas/{name}"
_MESSAGES: Final = "#/channels/rooms/messages/"

_DESCRIPTION: Final = f"""\
JSON text frames, named by `type`; one frame may hold several objects, a line each. A request carries `id` and its
reply echoes it; a frame without `id` is a push. Members that are not known are ignored, and so should clients do.
Connect with the subprotocol `{SUBPROTOCOL}`. Per-message deflate is off.
"""


@cache
def document() -> dict[str, Any]:
    """The document; it does not depend on the installation."""
    replies = [reply for reply in REPLIES.values() if reply is not None]
    types: list[type[Any]] = [*REQUESTS, *dict.fromkeys([*replies, *PUSHES])]
    _, schemas = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    publication = {"$ref": _SCHEMAS.format(name=PublicationBody.__name__)}
    for schema in schemas.values():
        listed = schema.get("properties", {}).get("publications")
        if listed is not None:  # they are spliced in as they were stored, so their type says nothing
            listed["items"] = publication
    names = {kind.__name__: _message_name(kind) for kind in types}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Reading Room, live", "version": SUBPROTOCOL, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "rooms": {
                "address": PATH,
                "description": "Close codes: "
                + ", ".join(f"{code.value} {code.name.lower()}" for code in CloseCode)
                + ". Below 4500: connect again; from 4500 on: do not. Errors: "
                + ", ".join(f"{code.value} {code.name.lower()}" for code in ErrorCode)
                + ".",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()},
            }
        },
        "operations": _operations(),
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "summary": (inspect.getdoc(kind) or "").splitlines()[0],
                    "payload": {"$ref": _SCHEMAS.format(name=kind.__name__)},
                }
                for kind, name in ((kind, names[kind.__name__]) for kind in types)
            },
            "schemas": schemas,
        },
    }


def _message_name(kind: type[Any]) -> str:
    """Unique in both directions: `history` is asked for and answered under one name."""
    direction = "request" if issubclass(kind, ClientFrame) else "frame"
    return f"{kind.__struct_config__.tag}.{direction}"


def _operations() -> dict[str, Any]:
    channel = {"$ref": "#/channels/rooms"}
    operations: dict[str, Any] = {}
    for request, reply in REPLIES.items():
        operation: dict[str, Any] = {
            "action": "receive",
            "channel": channel,
            "summary": (inspect.getdoc(request) or "").splitlines()[0],
            "messages": [{"$ref": _MESSAGES + _message_name(request)}],
        }
        if reply is not None:
            operation["reply"] = {"channel": channel, "messages": [{"$ref": _MESSAGES + _message_name(reply)}]}
        operations[str(request.__struct_config__.tag)] = operation
    operations["push"] = {
        "action": "send",
        "channel": channel,
        "summary": "What comes without being asked for.",
        "messages": [{"$ref": _MESSAGES + _message_name(push)} for push in PUSHES],
    }
    return operations


async def _serve(_request: Request) -> JSONResponse:
    return JSONResponse(document())


route: Final = Route(URL, _serve, methods=["GET"], name="asyncapi")
