"""How much of a body is read at all."""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import TooLarge
from entrypoints.http.errors import BodyTooLarge, JsonTooDeep

MAX_JSON_BYTES: Final = 1024 * 1024
FORM_BYTES: Final = 1024 * 1024  # what a form may hold besides its file
MAX_JSON_DEPTH: Final = 100
KEY: Final = "body_allowance"

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_PAIRS: Final = bytes.maketrans(b"[]{}", b"()()")
_ELSE: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


class BodyLimit:
    """Middleware: a route reads at most 1 MiB, unless it asked for more with `allow_body` before it began to read.

    A body whose length is announced is refused before its first byte; another one as soon as it is over. JSON that is
    nested deeper than anybody writes is refused before it is parsed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with a guarded `receive`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[KEY] = MAX_JSON_BYTES
        read = 0
        pieces: list[bytes] = []

        async def guarded() -> Message:
            nonlocal read
            limit: int = scope[KEY]
            if read == 0 and (content_length(scope) or 0) > limit:
                raise _over(limit)
            message = await receive()
            body = message.get("body", b"")
            read += len(body)
            if read > limit:
                raise _over(limit)
            if body and is_json(scope):
                pieces.append(body)
            if pieces and not message.get("more_body") and is_too_deep(b"".join(pieces)):
                raise JsonTooDeep(MAX_JSON_DEPTH)
            return message

        await self.app(scope, guarded, send)


def _over(limit: int) -> Exception:
    return BodyTooLarge(limit) if limit == MAX_JSON_BYTES else _document_too_large(limit - FORM_BYTES)


def _document_too_large(limit: int) -> TooLarge:
    return TooLarge(f"A document may hold at most {limit} bytes.")


def is_json(scope: Scope) -> bool:
    """Whether the body says that it is JSON."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def is_too_deep(text: bytes) -> bool:
    """Whether arrays and objects are nested deeper than `MAX_JSON_DEPTH`, told without recursion and without a loop
    over bytes: what has no brackets inside is taken out as often as may be.
    """
    if text.count(b"[") + text.count(b"{") <= MAX_JSON_DEPTH:
        return False
    brackets = _STRINGS.sub(b"", text).translate(_PAIRS, _ELSE)
    for _ in range(MAX_JSON_DEPTH):
        fewer = brackets.replace(b"()", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return b"()" in brackets or brackets.count(b"(") > MAX_JSON_DEPTH


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
