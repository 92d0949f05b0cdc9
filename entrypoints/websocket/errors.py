"""Numbers of the protocol: errors that answer a request, and codes with which a connection is closed."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import structlog
from msgspec import UNSET, Struct, UnsetType

from application import errors as application
from domain import errors as domain

log = structlog.get_logger(__name__)


class ErrorCode(IntEnum):
    """Why a request was refused."""

    INTERNAL = 100
    UNAUTHORIZED = 101
    UNKNOWN_ROOM = 102
    PERMISSION_DENIED = 103
    METHOD_NOT_FOUND = 104
    ALREADY_JOINED = 105
    LIMIT_EXCEEDED = 106
    BAD_REQUEST = 107
    NOT_AVAILABLE = 108
    TOKEN_EXPIRED = 109
    TOO_MANY_REQUESTS = 111
    UNRECOVERABLE_POSITION = 112
    IDEMPOTENCY_CONFLICT = 201
    PAYLOAD_TOO_LARGE = 202
    ANSWER_NOT_ACTIVE = 204


class CloseCode(IntEnum):
    """Why a connection ends: below 4500 come again, from there on do not."""

    SHUTDOWN = 4001
    SERVER_ERROR = 4004
    EXPIRED = 4005
    SLOW = 4008
    INSUFFICIENT_STATE = 4010
    FORCE_RECONNECT = 4011
    NO_PONG = 4012
    TOO_MANY_REQUESTS = 4013
    INVALID_TOKEN = 4500
    BAD_REQUEST = 4501
    STALE = 4502
    FORCE_DISCONNECT = 4503
    CONNECTION_LIMIT = 4504
    PERMISSION_DENIED = 4507

    @property
    def is_final(self) -> bool:
        """Whether the client should not connect again by itself."""
        return self >= CloseCode.INVALID_TOKEN


class ErrorBody(Struct, frozen=True, kw_only=True):
    """What was refused and why; `temporary` says whether the same request may succeed later."""

    code: int
    name: str
    message: str
    temporary: bool = False
    retry_after_ms: int | UnsetType = UNSET


class Refused(Exception):
    """A request that breaks a rule of the protocol."""

    def __init__(self, code: ErrorCode, message: str, *, temporary: bool = False, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.body = body_of(code, message, temporary=temporary, retry_after_ms=retry_after_ms)


def body_of(code: ErrorCode, message: str, *, temporary: bool = False, retry_after_ms: float = 0) -> ErrorBody:
    """An error as it is sent."""
    return ErrorBody(
        code=int(code),
        name=code.name.lower(),
        message=message,
        temporary=temporary,
        retry_after_ms=int(retry_after_ms) if retry_after_ms else UNSET,
    )


_RETRY_MS: Final = 1000
_OF_CLASS: Final[Mapping[type[Exception], ErrorCode]] = {
    domain.InvalidInput: ErrorCode.BAD_REQUEST,
    domain.NotFound: ErrorCode.UNKNOWN_ROOM,
    domain.Forbidden: ErrorCode.PERMISSION_DENIED,
    domain.Unauthenticated: ErrorCode.UNAUTHORIZED,
    domain.TooLarge: ErrorCode.PAYLOAD_TOO_LARGE,
    domain.TooManyRequests: ErrorCode.TOO_MANY_REQUESTS,
    domain.Conflict: ErrorCode.LIMIT_EXCEEDED,
}
_OF_SLUG: Final[Mapping[str, ErrorCode]] = {
    "idempotency_conflict": ErrorCode.IDEMPOTENCY_CONFLICT,
    "token_expired": ErrorCode.TOKEN_EXPIRED,
    "answer_in_progress": ErrorCode.TOO_MANY_REQUESTS,
    "answer_not_active": ErrorCode.ANSWER_NOT_ACTIVE,
}


def explain(error: Exception) -> ErrorBody:
    """What a client is told of an error. What an engine said stays in the log."""
    if isinstance(error, Refused):
        return error.body
    if isinstance(error, domain.DomainError):
        code = _OF_SLUG.get(error.slug) or next((_OF_CLASS[c] for c in type(error).__mro__ if c in _OF_CLASS), None)
        wait = error.details.get("retry_after")
        return body_of(
            code or ErrorCode.BAD_REQUEST,
            error.message,
            temporary=code is ErrorCode.TOO_MANY_REQUESTS,
            retry_after_ms=float(wait) * 1000 if isinstance(wait, int | float) else 0,
        )
    if isinstance(error, application.Unavailable | application.ConcurrentChange):
        log.warning("live_request_failed", kind=type(error).__name__, error=error.message)
        return body_of(
            ErrorCode.NOT_AVAILABLE,
            "A part of the service does not answer at the moment. Try again shortly.",
            temporary=True,
            retry_after_ms=(error.retry_after or 0) * 1000 or _RETRY_MS,
        )
    log.error("live_request_broke", exc_info=error)
    return body_of(ErrorCode.INTERNAL, "Something went wrong on the server.", temporary=True)
