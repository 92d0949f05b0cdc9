"""Signatures of thinking blocks: each is bound to the model and to all that stands before it."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

_KEY = b"emulator"


def signature(body: Mapping[str, Any], message: int, content: list[Any], thinking: str) -> str:
    """Of a thinking block that stands in message `message` after `content`."""
    bound = [
        body["model"],
        body.get("system"),
        body.get("tools"),
        body["messages"][:message],
        content,
        thinking,
    ]
    written = json.dumps(_without_breakpoints(bound), sort_keys=True, ensure_ascii=False).encode()
    return hmac.new(_KEY, written, hashlib.sha256).hexdigest()


def signature_holds(body: Mapping[str, Any], message: int, place: int) -> bool:
    """Whether the thinking block at messages.{message}.content.{place} was made in exactly this conversation."""
    content = body["messages"][message]["content"]
    block = content[place]
    made = signature(body, message, content[:place], block["thinking"])
    return hmac.compare_digest(made, block["signature"])


def _without_breakpoints(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_breakpoints(each) for key, each in value.items() if key != "cache_control"}
    return [_without_breakpoints(each) for each in value] if isinstance(value, list) else value
