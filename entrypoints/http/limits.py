"""How much of a body is read at all."""

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import TooLarge
from entrypoints.http.errors import BodyTooLarge

MAX_JSON_BYTES: Final = 1024 * 1024
FORM_BYTES: Final = 1024 * 1024  # what a form may hold besides its file
KEY: Final = "body_allowance"


class BodyLimit:
    """Middleware: a route reads at most 1 MiB, unless it asked for more with `allow_body` before it began to read.

    A body whose length is announced is refused before its first byte; another one as soon as it is over.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with a guarded `receive`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[KEY] = MAX_JSON_BYTES
        announced = content_length(scope)
        read = 0

        async def guarded() -> Message:
            nonlocal read
            limit: int = scope[KEY]
            if announced is not None and announced > limit:
                raise _over(limit)
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise _over(limit)
            return message

        await self.app(scope, guarded, send)


def _over(limit: int) -> Exception:
    return BodyTooLarge(limit) if limit == MAX_JSON_BYTES else _document_too_large(limit - FORM_BYTES)


def _document_too_large(limit: int) -> TooLarge:
    return TooLarge(f"A document may hold at most {limit} bytes.")


def content_length(scope: Scope) -> int | None:
    """The announced length of the body."""
    text = Headers(scope=scope).get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004


def allow_body(request: Request, max_file_bytes: int) -> None:
    """Let this route read a form with a file of that size; `TooLarge` when the announced length is over it."""
    limit = max_file_bytes + FORM_BYTES
    announced = content_length(request.scope)
    if announced is not None and announced > limit:
        raise _document_too_large(max_file_bytes)
    request.scope[KEY] = limit
