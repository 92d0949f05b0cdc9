"""From text to the requests of `rooms.v1`."""

from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from entrypoints.websocket.errors import ErrorCode, Refused
from entrypoints.websocket.frames import REPLIES, REQUESTS, AnyRequest


class _Head(Struct, frozen=True, kw_only=True):
    type: str
    id: int | UnsetType = UNSET


_decoder: Final = msgspec.json.Decoder(AnyRequest)
_heads: Final = msgspec.json.Decoder(_Head)
_NAMES: Final = frozenset(str(request.__struct_config__.tag) for request in REQUESTS)


class BadFrame(Refused):
    """A frame that cannot be read; with the id of its request where that could be."""

    def __init__(self, code: ErrorCode, message: str, request_id: int | UnsetType = UNSET) -> None:
        super().__init__(code, message)
        self.request_id = request_id


def decode(text: str) -> AnyRequest:
    """One object of a frame; `BadFrame` (104 for a name that is none, else 107)."""
    try:
        request: AnyRequest = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        head = _head_of(text)
        if head is not None and head.type not in _NAMES:
            raise BadFrame(ErrorCode.METHOD_NOT_FOUND, f"There is no request {head.type[:50]!r}.", head.id) from error
        told = str(error) if isinstance(error, msgspec.ValidationError) else "This is not a JSON object."
        raise BadFrame(ErrorCode.BAD_REQUEST, told[:300], UNSET if head is None else head.id) from error
    if request.id is UNSET and REPLIES[type(request)] is not None:
        raise BadFrame(ErrorCode.BAD_REQUEST, "A request that is answered needs an `id`.")
    return request


def _head_of(text: str) -> _Head | None:
    try:
        return _heads.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
