"""JSON answers, written ten times as fast as by the standard library."""

import json
from typing import Any

import msgspec
from starlette import responses


class JSONResponse(responses.JSONResponse):
    """As Starlette's, of plain JSON values."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return encoded(content)


def encoded(content: Any) -> bytes:
    """Plain JSON values as a body."""
    try:
        return msgspec.json.encode(content)
    except (OverflowError, TypeError):  # integers of more than 64 bits
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
