"""How the embedded Qdrant server reads requests and answers them: JSON as Qdrant writes it, errors and the key."""

import hmac
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from adapters.embedded.qdrant_shards import EngineFailed, NoCollection
from adapters.embedded.qdrant_translate import Unsupported

MAX_BODY = 64 * 1024 * 1024  # bytes
PROBES = frozenset({"/healthz", "/readyz", "/livez"})  # answered without the key

Handler = Callable[[Request], Awaitable[Any]]
# what the server itself decides; the rest of the query string is refused
_KNOWN_PARAMETERS = {"wait", "ordering", "timeout", "consistency"}


async def read(request: Request, shape: Any) -> Any:
    """The body, checked by its model. Raises Unsupported with the field that is wrong."""
    body = await request.body()
    if len(body) > MAX_BODY:
        raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
    try:
        if isinstance(shape, TypeAdapter):
            return shape.validate_json(body)
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise Unsupported(_blame(error, body)) from None


def _blame(error: ValidationError, body: bytes) -> str:
    """The one line that says which field is wrong.

    Models with alternatives yield an error for each of them. The one that got furthest into the body is meant,
    and an unknown field says more than a missing one.
    """
    with suppress(ValueError):
        data = TypeAdapter(Any).validate_json(body)
        best = max(
            error.errors(include_url=False, include_input=False),
            key=lambda each: (len(_path(each["loc"], data)), each["type"] == "extra_forbidden"),
        )
        path = ".".join(str(part) for part in _path(best["loc"], data)) or "body"
        return f"Format error in JSON body: `{path}`: {best['msg']}"
    return "Format error in JSON body: it is not JSON"


def _path(location: tuple[int | str, ...], data: Any) -> list[int | str]:
    """The part of an error's location that is in the body: names of alternatives are left out."""
    path: list[int | str] = []
    for part in location:
        in_array = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_array and not (isinstance(data, dict) and part in data):
            continue
        data = data[part]
        path.append(part)
    return path


def answer(handler: Handler) -> Handler:
    """Wrap a result, or what went wrong, the way Qdrant does."""

    async def endpoint(request: Request) -> Response:
        began = time.perf_counter()
        try:
            _check_parameters(request)
            result = await handler(request)
        except Unsupported as error:
            return failure(400, str(error), began)
        except NoCollection as error:
            return failure(404, str(error), began)
        except EngineFailed as error:
            status = 500 if "Service" in str(error) or "Panic" in type(error.__cause__).__name__ else 400
            return failure(status, str(error), began)
        except OSError as error:
            return failure(507, f"the folder cannot be written: {error.strerror}", began)
        return json_response({"time": time.perf_counter() - began, "status": "ok", "result": result})

    return endpoint


def _check_parameters(request: Request) -> None:
    if unknown := set(request.query_params) - _KNOWN_PARAMETERS:
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
