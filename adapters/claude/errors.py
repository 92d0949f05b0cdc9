"""What the SDK, its HTTP layer and the wire raise, as the port's two errors.

Before the answer begins (`Refusal`s of the start, which may be retried) and after it began (`broken`) the
same event means different things: the first time nothing was said and nothing is lost.
"""

import email.utils
import time
from typing import Final

import anthropic
import httpx2
from attrs import frozen

from application.errors import ApplicationError, ModelFailed, ModelUnavailable

# everything that can come out of opening or reading a stream; see the SDK's MIGRATION.md for the raw ones
VENDOR_ERRORS: Final = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.StreamError, ValueError)

_PASSING: Final = frozenset({"overloaded_error", "api_error", "timeout_error", "rate_limit_error"})
_PASSING_STATUSES: Final = frozenset({408, 409, 429})
_SPEND_LIMITS: Final = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})
_SHOWN_LENGTH: Final = 300
_OK: Final = 200
_SERVER_ERROR: Final = 500


class NotAStream(ValueError):
    """Success was answered, but not with a stream of events."""


class StreamCutOff(ValueError):
    """The stream ended, cleanly or not, before the message was complete."""


@frozen
class FailedStart:
    """Why an answer did not begin, and whether the same request may be sent again by itself."""

    error: ApplicationError
    try_again: bool = False


def failed_start(error: Exception) -> FailedStart:
    """Nothing was said yet. `error.retry_after` holds what the provider asked for, in seconds."""
    if isinstance(error, anthropic.APIStatusError):
        return _refused(error)
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return FailedStart(ModelUnavailable("The language model did not answer in time."), try_again=True)
    if isinstance(error, anthropic.APIConnectionError | httpx2.TransportError | StreamCutOff):
        return FailedStart(ModelUnavailable("The language model cannot be reached."), try_again=True)
    if isinstance(error, NotAStream):
        message = "The server that was asked does not speak the Messages API: check ANTHROPIC_BASE_URL."
        return FailedStart(ModelFailed(message, code="model_bad_reply"))
    return FailedStart(
        ModelFailed("The language model's server sent what cannot be read.", code="model_bad_reply", retryable=True)
    )


def broken(error: Exception) -> ModelFailed:
    """The answer had begun."""
    if isinstance(error, anthropic.APIStatusError):
        passing = error.type in _PASSING
        message = "The language model is overloaded and broke off." if passing else "The language model broke off."
        return ModelFailed(message, code=_broken_code(error.type), retryable=passing or error.type is None)
    if isinstance(error, httpx2.TimeoutException):
        return ModelFailed("The language model fell silent.", code="model_stalled", retryable=True)
    if isinstance(error, StreamCutOff):
        return ModelFailed("The answer ended before it was complete.", code="model_cut_off", retryable=True)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError | httpx2.StreamError):
        return ModelFailed("The connection to the language model broke.", code="model_cut_off", retryable=True)
    return ModelFailed("The language model's server sent what cannot be read.", code="model_bad_reply", retryable=True)


def _broken_code(error_type: str | None) -> str:
    return "model_overloaded" if error_type == "overloaded_error" else "model_failed"


def _refused(error: anthropic.APIStatusError) -> FailedStart:
    # an `error` event inside a 200 carries its kind only
    status = error.status_code if error.status_code != _OK else _STATUS_OF.get(error.type or "", _SERVER_ERROR)
    if error.error_code in _SPEND_LIMITS:
        message = "The account's spend limit for the language model is reached."
        return FailedStart(ModelUnavailable(message, code="llm_spend_limit", retryable=False))
    if status in _UNAVAILABLE:
        code, message = _UNAVAILABLE[status]
        return FailedStart(ModelUnavailable(message, code=code, retryable=False))
    if status in _PASSING_STATUSES or status >= _SERVER_ERROR:
        code, message = _PASSING_BY.get(status, ("llm_unavailable", "The language model's provider has a problem."))
        unavailable = ModelUnavailable(message, code=code, retry_after=retry_after(error.response.headers))
        return FailedStart(unavailable, try_again=error.response.headers.get("x-should-retry") != "false")
    if status in _FAILED:
        code, message = _FAILED[status]
    else:
        code, message = "model_request_refused", "The language model's provider refused the request."
    if error.api_message:
        message = f"{message} It says: {error.api_message[:_SHOWN_LENGTH]}"
    return FailedStart(ModelFailed(message, code=code))


_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_PASSING_BY: Final = {
    429: ("llm_rate_limited", "The language model's provider limits the rate of requests."),
    529: ("llm_overloaded", "The language model is overloaded."),
}
_UNAVAILABLE: Final = {
    401: ("llm_key_refused", "The language model's provider refuses the key: check ANTHROPIC_API_KEY."),
    402: ("llm_billing", "The language model's provider refuses for lack of payment: check the account's billing."),
    403: ("llm_not_permitted", "The key in ANTHROPIC_API_KEY may not use the language model."),
}
_FAILED: Final = {
    404: ("model_not_found", "The language model is not known to its provider: check CLAUDE_MODEL."),
    413: ("model_request_too_large", "The question and its sources are too large for the language model."),
}


def retry_after(headers: httpx2.Headers, *, now: float | None = None) -> float | None:
    """Seconds from `retry-after-ms`, else `retry-after` as seconds or an HTTP date; None where there is neither."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(moment - (time.time() if now is None else now), 0.0)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
