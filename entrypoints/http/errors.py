"""From what was broken to a status and a problem document (RFC 9457): the one table, the one shape.

Every error that leaves over HTTP passes here. What an engine or a library said stays in the log; people are told what
they can do, and programs a `code` that does not change.
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.routing import Match

from application import errors as application
from domain import errors as domain
from entrypoints.http.json_response import JSONResponse

PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER: Final = 2  # seconds, for an engine that said nothing better

STATUSES: Final[Mapping[type[Exception], HTTPStatus]] = {
    domain.DomainError: HTTPStatus.BAD_REQUEST,
    domain.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    domain.NotFound: HTTPStatus.NOT_FOUND,
    domain.Forbidden: HTTPStatus.FORBIDDEN,
    domain.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    domain.Conflict: HTTPStatus.CONFLICT,
    domain.StaleVersion: HTTPStatus.PRECONDITION_FAILED,
    domain.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    domain.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    domain.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    application.ApplicationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    application.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    application.SchemaOutdated: HTTPStatus.SERVICE_UNAVAILABLE,
    application.AlreadyExists: HTTPStatus.CONFLICT,
    application.ConcurrentChange: HTTPStatus.CONFLICT,
    application.ParsingFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    application.ModelFailed: HTTPStatus.BAD_GATEWAY,
}

# What is told in place of the words of an engine, which may name hosts, tables or paths.
DETAILS: Final[Mapping[type[Exception], str]] = {
    application.Unavailable: "A part of the service does not answer at the moment. Try again shortly.",
    application.HasherBusy: "Too many people log in at this moment. Try again shortly.",
    application.ModelUnavailable: "The language model cannot be reached at the moment. Try again shortly.",
    application.SchemaOutdated: "The service is being upgraded. Try again shortly.",
    application.AlreadyExists: "Something with the same unique value exists.",
    application.ConcurrentChange: "Somebody else changed it at the same moment. Read it again and repeat your change.",
    application.ModelFailed: "The language model did not finish its answer. Ask again.",
    application.ApplicationError: "Something went wrong on the server.",
}

CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    500: "internal",
}

log = structlog.get_logger(__name__)


class BodyTooLarge(HTTPException):
    """A request body over the limit of its route; raised while it is read."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body of this request may hold at most {limit} bytes.", {"Connection": "close"})


class JsonTooDeep(HTTPException):
    """JSON that is nested too deeply to be looked into; raised while it is read."""

    def __init__(self, limit: int) -> None:
        super().__init__(422, f"Arrays and objects may be nested {limit} deep at most.")


class RangeNotSatisfiable(HTTPException):
    """A range of bytes that begins after the end."""

    def __init__(self, size: int) -> None:
        super().__init__(416, f"There are only {size} bytes.", {"Content-Range": f"bytes */{size}"})


def request_id_of(connection: HTTPConnection) -> str | None:
    """The id under which this request stands in the log."""
    found: str | None = connection.scope.get("request_id")
    return found


def problem(
    request: HTTPConnection,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """A problem document as a response; `more` are further members of it."""
    body = {
        "type": f"urn:readingroom:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id_of(request),
        **more,
    }
    return JSONResponse(body, status_code=status, headers=dict(headers or {}), media_type=PROBLEM_JSON)


def of_class(table: Mapping[type[Exception], Any], error: Exception) -> Any:
    """The entry of the most specific class of the error."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def headers_for(error: domain.DomainError | application.ApplicationError, status: int) -> dict[str, str]:
    """Headers that belong to the status."""
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers["Connection"] = "close"  # what is left of the body is not read
    wait = error.details.get("retry_after") if isinstance(error, domain.DomainError) else error.retry_after
    if wait is None and status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait = RETRY_AFTER
    if isinstance(wait, int | float):
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return headers


async def on_domain_error(request: Request, error: Exception) -> JSONResponse:
    """A broken rule."""
    assert isinstance(error, domain.DomainError)  # noqa: S101 registered for this class
    status = of_class(STATUSES, error)
    more: dict[str, Any] = {}
    if isinstance(error, domain.InvalidInput):
        pointer = error.details.get("pointer", "")
        more["errors"] = [{"pointer": pointer, "code": error.slug, "message": error.message}]
    return problem(request, status, error.slug, error.message, headers=headers_for(error, status), **more)


async def on_application_error(request: Request, error: Exception) -> JSONResponse:
    """An outside thing that failed."""
    assert isinstance(error, application.ApplicationError)  # noqa: S101 registered for this class
    if isinstance(error, application.ConcurrentChange) and "if-match" in request.headers:
        return await on_domain_error(request, domain.StaleVersion(DETAILS[application.ConcurrentChange]))
    if isinstance(error, application.ParsingFailed):
        return await on_domain_error(request, domain.InvalidInput(error.message, code=error.slug))
    status = of_class(STATUSES, error)
    log.warning("request_failed", kind=type(error).__name__, error=error.message, code=error.slug)
    return problem(request, status, error.slug, of_class(DETAILS, error), headers=headers_for(error, status))


async def on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """A request that does not fit the documented shape."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 registered for this class
    if isinstance(error.body, bytes):
        return problem(request, 415, CODES[415], "Send a JSON body with Content-Type: application/json.")
    if any(entry["loc"][:1] == ("path",) for entry in error.errors()):
        return problem(request, 404, CODES[404], "There is no such resource.")
    entries = [
        {
            "pointer": pointer_to(_place_of(entry)),
            "in": str(entry["loc"][0]) if entry["loc"] else "body",
            "code": entry["type"],
            "message": entry["msg"].removeprefix("Value error, "),
        }
        for entry in error.errors()[:100]
    ]
    detail = "The request is not as it should be; see `errors`."
    return problem(request, 422, domain.InvalidInput.code, detail, errors=entries)


def _place_of(entry: Mapping[str, Any]) -> Sequence[int | str]:
    if entry["type"] == "json_invalid":
        return ()
    return (*entry["loc"][1:], *entry.get("ctx", {}).get("at", ()))


def pointer_to(location: Sequence[int | str]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses: unknown paths, methods, bodies that cannot be read."""
    assert isinstance(error, HTTPException)  # noqa: S101 registered for this class
    status, detail, headers = error.status_code, str(error.detail), dict(error.headers or {})
    if isinstance(error, JsonTooDeep):
        entry = {"pointer": "", "in": "body", "code": "json_too_deep", "message": detail}
        return problem(request, 422, domain.InvalidInput.code, detail, errors=[entry])
    if status == HTTPStatus.BAD_REQUEST:
        entry = {"pointer": "", "in": "body", "code": "malformed_body", "message": "The body cannot be read."}
        return problem(request, 422, domain.InvalidInput.code, "The body of the request is malformed.", errors=[entry])
    if status == HTTPStatus.NOT_FOUND:
        detail = "There is nothing at this path."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = allowed_methods(request)
        headers["Allow"] = ", ".join(allowed)
        detail = f"This path takes {' and '.join(allowed)}."
    return problem(request, status, CODES.get(status, "http_error"), detail, headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """Every method that some route takes at this path."""
    methods: set[str] = set()
    for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"):
        scope = {**request.scope, "method": method, "path_params": {}}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            methods.add(method)
    return sorted(methods)


def unexpected(request: HTTPConnection) -> JSONResponse:
    """For a defect of ours: nothing but the id to ask about."""
    return problem(
        request, 500, CODES[500], "Something went wrong on the server. The request's id helps to find the cause."
    )


def install(app: FastAPI) -> None:
    """Let every error of the application leave as a problem document."""
    app.add_exception_handler(domain.DomainError, on_domain_error)
    app.add_exception_handler(application.ApplicationError, on_application_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)
