"""What surrounds every request: its id, its line in the log, its numbers, its headers, and the last net for defects."""

import re
from collections.abc import Iterable
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application.calls import calling
from entrypoints.http.errors import problem, unexpected
from entrypoints.http.rates import headers_of
from entrypoints.telemetry import Metrics

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
CLIENT_GONE: Final = 499  # as nginx logs it

# Of every answer that does not say otherwise itself.
USUAL: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

log = structlog.get_logger(__name__)


class Surroundings:
    """Middleware around everything else.

    - `X-Request-Id` is kept when it is a plain word, else made; it goes into the log, the answer and every problem.
    - The log gets one line a request, with the route's template: no query, no body, no token.
    - An exception that nobody foresaw is logged with its trace and told as a plain 500.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bound = _facts(scope)
        scope["request_id"] = bound["request_id"]
        begun = perf_counter()
        status = CLIENT_GONE

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), scope)
            await send(message)

        client = scope.get("client")
        self.metrics.in_progress.inc()
        facts = structlog.contextvars.bind_contextvars(**bound)
        try:
            with calling(address=client[0] if client else None, request_id=bound["request_id"]):
                await self.app(scope, receive, sending)
        except ClientDisconnect:
            status = CLIENT_GONE
        except Exception:
            log.exception("request_broke", method=scope["method"], route=route_of(scope))
            if status != CLIENT_GONE:
                raise  # the answer has begun: only breaking it off tells the client
            await unexpected(HTTPConnection(scope))(scope, receive, sending)
        finally:
            seconds = perf_counter() - begun
            route, method = route_of(scope), _known(scope["method"])
            self.metrics.in_progress.dec()
            self.metrics.answered(method, route, status, seconds)
            log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))
            structlog.contextvars.reset_contextvars(**facts)


def _facts(scope: Scope) -> dict[str, Any]:
    """What every line of the log says while the request is served."""
    facts: dict[str, Any] = {"request_id": None}
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(given := value.decode("latin-1")):
            facts["request_id"] = given
        elif name == b"traceparent" and (traced := TRACEPARENT.fullmatch(value.decode("latin-1"))):
            facts["trace_id"] = traced[1]
    facts["request_id"] = facts["request_id"] or uuid4().hex
    return facts


def route_of(scope: Scope) -> str:
    """The template of the route that took the request; `-` when none did, so that paths cannot flood the numbers."""
    path: str = getattr(scope.get("route"), "path", "-")
    return path


def _known(method: str) -> str:
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "-"


def _completed(headers: Iterable[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    """With those that every answer has."""
    told = headers_of(scope)
    complete = [(name, value) for name, value in headers if name not in told]
    present = {name for name, _ in complete}
    complete += [header for header in USUAL if header[0] not in present]
    complete.append((b"x-request-id", scope["request_id"].encode()))
    complete += told.items()
    return complete


class Origins(CORSMiddleware):
    """Cross-origin calls for the allowed origins; a refused preflight is a problem document too."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=(
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "If-None-Match",
                "Last-Event-ID",
                "Range",
                "X-Request-Id",
                "traceparent",
            ),
            expose_headers=(
                "Content-Disposition",
                "Content-Range",
                "ETag",
                "Idempotent-Replayed",
                "Location",
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "X-Request-Id",
            ),
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        preflight = "origin" in headers and "access-control-request-method" in headers
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and preflight:
            response: Response = self.preflight_response(headers)
            if response.status_code != 200:  # noqa: PLR2004
                detail = "This origin, method or header is not allowed by the installation's settings."
                response = problem(HTTPConnection(scope), 403, "origin_not_allowed", detail)
            await response(scope, receive, send)
            return
        await super().__call__(scope, receive, send)
