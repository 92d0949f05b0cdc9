"""Claude, or any server that speaks its Messages API, as the AnswerModel."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final, cast
from urllib.parse import urlsplit

import anthropic
import httpx2
import structlog
from anthropic.types import RawMessageStreamEvent
from attrs import frozen

from adapters.claude.citations import SentSources
from adapters.claude.errors import VENDOR_ERRORS, FailedStart, NotAStream, StreamCutOff, broken, failed_start
from adapters.claude.events import Event, MarkedText, NativeText, TextReader, Turn
from adapters.claude.inline import MarkerReader, NumberedSources
from adapters.claude.messages import Body, inline_body, native_body
from application.errors import ApplicationError, ModelUnavailable
from application.ports.models import ModelCapabilities, ModelPart, ModelRequest

_log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT: Final = 5.0  # seconds
_PING_TIMEOUT: Final = 5.0
_PING_HOLDS: Final = 30.0  # seconds that the outcome of a ping is believed
_LONGEST_PAUSE: Final = 8.0
_JITTER: Final = 0.25  # the part of a pause that chance may take off


@frozen
class _Stream:
    """An open answer of the server."""

    response: anthropic.AsyncStream[RawMessageStreamEvent]
    events: AsyncGenerator[Event, None]

    async def close(self) -> None:
        await self.events.aclose()
        await self.response.close()


class CitationsMode(StrEnum):
    """How the model is made to cite."""

    NATIVE = "native"  # `search_result` blocks: Anthropic's API
    INLINE = "inline"  # numbered plain text and `[n]` markers: servers that drop `search_result` blocks


class ClaudeModel:
    """An AnswerModel over `client.messages` of the `anthropic` SDK.

    An answer is begun at most `1 + retries` times within `start_timeout` seconds, all attempts and pauses
    together; once its first event came, nothing is repeated. A provider that asks for a longer pause than is
    left is obeyed by raising at once, with its `retry_after`. `read_timeout` (seconds) is the longest silence
    inside an answer; `first_pause` (seconds) stands before the second attempt and doubles. Call `close` at the end.
    """

    def __init__(  # noqa: PLR0913 one argument per setting
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        citations: CitationsMode = CitationsMode.NATIVE,
        effort: str | None = "medium",
        retries: int = 2,
        start_timeout: float = 30.0,
        read_timeout: float = 60.0,
        first_pause: float = 0.5,
        open_telemetry: bool = False,
    ) -> None:
        url = (base_url or "https://api.anthropic.com").rstrip("/").removesuffix("/v1")
        self._model = model
        self._citations = citations
        self._effort = effort
        self._retries = retries
        self._start_timeout = start_timeout
        self._first_pause = first_pause
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=url,
            max_retries=0,
            timeout=httpx2.Timeout(read_timeout, connect=_CONNECT_TIMEOUT),
            http_client=_http_client(url),
            open_telemetry=None if open_telemetry else False,
        )
        self._capabilities = ModelCapabilities(
            provider="claude" if citations is CitationsMode.NATIVE else "claude-inline",
            default_model=model,
            tools=True,
            follows_instructions=True,
        )
        self._pinged_at: float | None = None
        self._ping_error: ApplicationError | None = None
        self._ping_lock = asyncio.Lock()

    @property
    def capabilities(self) -> ModelCapabilities:
        """Everything the port knows."""
        return self._capabilities

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelPart]]:
        """Send the request; the connection is closed on leaving, whatever the reason."""
        body, reader = self._prepared(request)
        stream, first = await self._started(body)
        try:
            async with aclosing(_parts(stream.events, first, Turn(reader))) as parts:
                yield parts
        finally:
            await stream.close()

    async def ping(self) -> None:
        """List one model: free of charge. The outcome is believed for half a minute."""
        async with self._ping_lock:
            now = asyncio.get_running_loop().time()
            if self._pinged_at is None or now - self._pinged_at >= _PING_HOLDS:
                self._ping_error = await self._ask_for_models()
                self._pinged_at = now
        if self._ping_error is not None:
            raise self._ping_error.with_traceback(None)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _ask_for_models(self) -> ApplicationError | None:
        try:
            await self._client.models.with_raw_response.list(limit=1, timeout=_PING_TIMEOUT)
        except anthropic.NotFoundError:
            return None  # it answers; not every server lists its models
        except VENDOR_ERRORS as error:
            return failed_start(error).error
        return None

    def _prepared(self, request: ModelRequest) -> tuple[Body, TextReader]:
        model = request.model or self._model
        if self._citations is CitationsMode.NATIVE:
            sent = SentSources()
            return native_body(request, model=model, effort=self._effort, sent=sent), NativeText(sent)
        numbered = NumberedSources()
        body = inline_body(request, model=model, effort=self._effort, numbered=numbered)
        return body, MarkedText(MarkerReader(numbered))

    async def _started(self, body: Body) -> tuple[_Stream, Event]:
        """The open stream and its first event."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._start_timeout
        attempt = 0
        while True:
            failed = await self._attempt(body, deadline)
            if not isinstance(failed, FailedStart):
                return failed
            pause = _pause(attempt, self._first_pause, failed.error.retry_after)
            attempt += 1
            _log.warning(
                "model.start_failed", code=failed.error.slug, attempt=attempt, retry_after=failed.error.retry_after
            )
            if not failed.try_again or attempt > self._retries or loop.time() + pause >= deadline:
                raise failed.error
            await asyncio.sleep(pause)

    async def _attempt(self, body: Body, deadline: float) -> tuple[_Stream, Event] | FailedStart:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._opened(body)
        except TimeoutError:
            message = f"The language model did not begin to answer within {self._start_timeout:g} seconds."
            return FailedStart(ModelUnavailable(message))
        except VENDOR_ERRORS as error:
            failed = failed_start(error)
            failed.error.__cause__ = error
            return failed

    async def _opened(self, body: Body) -> tuple[_Stream, Event]:
        response = await self._client.messages.create(**cast("Any", body), stream=True)
        stream = _Stream(response, _events(response.response))
        try:
            _check_kind(response.response.headers)
            return stream, await anext(stream.events)
        except BaseException:
            await stream.close()
            raise


def _check_kind(headers: httpx2.Headers) -> None:
    kind = headers.get("content-type", "")
    if not kind.startswith("text/event-stream"):
        raise NotAStream(kind)


async def _events(response: httpx2.Response) -> AsyncGenerator[Event, None]:
    """What the stream tells, until `StreamCutOff` at its end.

    Read as the SDK reads it, but for the models that it builds: one for each token takes longer than all the rest.
    """
    async for sent in anthropic.AsyncStream.raw_events(response):
        if sent.event is None or sent.event == "ping" or not sent.data:
            continue
        event = sent.json()
        if sent.event == "error":
            raise anthropic.APIStatusError("The stream tells of an error.", response=response, body=event)
        if isinstance(event, Mapping):
            yield event
    raise StreamCutOff


async def _parts(events: AsyncGenerator[Event, None], first: Event, turn: Turn) -> AsyncGenerator[ModelPart, None]:
    event = first
    while True:
        for part in turn.read(event):
            yield part
        if turn.stop is not None:
            yield turn.stop
            return
        try:
            event = await anext(events)
        except VENDOR_ERRORS as error:
            failed = broken(error)
            _log.warning("model.broke_off", code=failed.slug, error=type(error).__name__)
            raise failed from error


def _pause(attempt: int, first: float, asked_for: float | None) -> float:
    if asked_for is not None:
        return asked_for
    pause = min(first * 2.0**attempt, _LONGEST_PAUSE)
    return pause * (1 - _JITTER * random.random())  # noqa: S311 spreads attempts, guards nothing


def _http_client(url: str) -> httpx2.AsyncClient:
    """The SDK's own; for this machine's own addresses without the environment's proxies."""
    if not _is_loopback(url):
        return anthropic.DefaultAsyncHttpxClient(base_url=url)
    transport = httpx2.AsyncHTTPTransport(trust_env=False, limits=anthropic.DEFAULT_CONNECTION_LIMITS)
    return anthropic.DefaultAsyncHttpxClient(base_url=url, transport=transport, trust_env=False)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
