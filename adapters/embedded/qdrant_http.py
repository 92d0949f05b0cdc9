"""How the embedded Qdrant server reads requests and answers them: JSON as Qdrant writes it, errors and the key."""

import hmac
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from adapters.embedded.qdrant_bodies import parse
from adapters.embedded.qdrant_collection import EngineFailed, NoCollection
from adapters.embedded.qdrant_translate import Unsupported

MAX_BODY = 64 * 1024 * 1024  # bytes
PROBES = frozenset({"/healthz", "/readyz", "/livez"})  # answered without the key

Handler = Callable[[Request], Awaitable[Any]]
# what the server itself decides; the rest of the query string is refused
_KNOWN_PARAMETERS = {"wait", "ordering", "timeout", "consistency"}


async def body_of(request: Request) -> bytes:
    """What was sent, unless it is too much."""
    body = await request.body()
    if len(body) > MAX_BODY:
        raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
    return body


async def read(request: Request, shape: Any) -> Any:
    """The body, checked by its model. Raises Unsupported with the field that is wrong."""
    return parse(await body_of(request), shape)


def answer(handler: Handler) -> Handler:
    """Wrap a result, or what went wrong, the way Qdrant does."""

    async def endpoint(request: Request) -> Response:
        began = time.perf_counter()
        try:
            _check_parameters(request)
            result = await handler(request)
        except (Unsupported, OverflowError) as error:  # a number that Edge cannot hold
            return failure(400, str(error), began)
        except NoCollection as error:
            return failure(404, str(error), began)
        except EngineFailed as error:
            status = 500 if "Service" in str(error) or "Panic" in type(error.__cause__).__name__ else 400
            return failure(status, str(error), began)
        except OSError as error:
            return failure(507, f"the folder cannot be written: {error.strerror}", began)
        except HTTPException as error:
            return failure(error.status_code, error.detail, began)
        return json_response({"time": time.perf_counter() - began, "status": "ok", "result": result})

    return endpoint


def _check_parameters(request: Request) -> None:
    if request.scope["query_string"] and (unknown := set(request.query_params) - _KNOWN_PARAMETERS):
        raise Unsupported(f"query parameter `{min(unknown)}` is not supported by the embedded engine")


def json_response(content: Any, status: int = 200) -> Response:
    """Infinite and undefined numbers are written as constants, as the client's models read them."""
    return Response(to_json(content, inf_nan_mode="constants"), status, media_type="application/json")


def failure(status: int, message: str, began: float | None = None) -> Response:
    """What went wrong, where Qdrant says it; `began`: perf_counter at the start of the request."""
    taken = 0.0 if began is None else time.perf_counter() - began
    return json_response({"time": taken, "status": {"error": message}, "result": None}, status)


class KeyRequired:
    """Lets nothing through without the key, except the probes."""

    def __init__(self, app: Any, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            given = dict(scope["headers"]).get(b"api-key", b"")
            if not hmac.compare_digest(given, self._key):
                await failure(401, "Must provide an API key")(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Shortcut:
    """Past the framework's layers to the one route of a collection that every search asks for."""

    def __init__(self, app: Any, ending: str, endpoint: Handler) -> None:
        self._app, self._endpoint = app, endpoint
        self._path = re.compile(f"/collections/(?P<name>[^/]+){re.escape(ending)}")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve it, or hand it on."""
        meant = self._path.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if meant is None:
            await self._app(scope, receive, send)
        else:
            response = await self._endpoint(Request(scope | {"path_params": meant.groupdict()}, receive))
            await response(scope, receive, send)
