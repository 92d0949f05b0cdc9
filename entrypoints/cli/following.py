"""An answer of a running server, followed to its end through connections that break."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import httpx
from attrs import define, field

from application.errors import ApplicationError

Json = dict[str, Any]

READ_TIMEOUT: Final = 60.0  # seconds; a server that lives sends at least a comment every 15
PATIENCE: Final = 30.0  # seconds without an event after which a broken connection is given up
PAUSE: Final = 0.5  # seconds before a connection is made again
LAST: Final = frozenset({"message.completed", "message.failed"})
_GONE: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class ServerFailed(ApplicationError):
    """A running server refused or did not answer."""

    code = "server_failed"


@define(kw_only=True)
class FollowedAnswer:
    """Ask, and read the answer's events to the last; each is given once.

    A broken connection is taken up after the last event that came, on whichever process answers; where not even the
    first event came, the question is sent again under the same `Idempotency-Key`, and is asked once. Leaving early
    cancels the answer.
    """

    client: httpx.AsyncClient
    workspace: str  # its path
    patience: float = PATIENCE
    pause: float = PAUSE
    _key: str = field(factory=lambda: str(uuid4()))
    _message_id: str | None = None
    _seen: int = 0  # the last event's number
    _is_over: bool = False

    async def __call__(self, conversation: str, question: str) -> AsyncIterator[tuple[str, Json]]:
        """Name and data of each event. `ServerFailed` when the server refuses, or stays away for `patience` seconds."""
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        try:
            while not self._is_over:
                broken: Exception | None = None
                try:
                    async for event in self._connected(conversation, question):
                        heard_at = loop.time()
                        yield event
                except httpx.TransportError as error:
                    broken = error
                if not self._is_over and loop.time() - heard_at > self.patience:
                    self._is_over = True  # for us; the server writes it to its end, if it lives
                    raise ServerFailed(f"The connection to the server broke: {broken or 'it ended'}.") from broken
                if not self._is_over:
                    await asyncio.sleep(self.pause)
        finally:
            if self._message_id is not None and not self._is_over:
                with suppress(httpx.HTTPError):
                    await self.client.post(f"{self.workspace}/messages/{self._message_id}/cancel")

    async def _connected(self, conversation: str, question: str) -> AsyncIterator[tuple[str, Json]]:
        """The events of one connection."""
        headers = {"Accept": "text/event-stream"}
        if self._message_id is None:
            method, url = "POST", f"{self.workspace}/conversations/{conversation}/messages"
            headers["Idempotency-Key"] = self._key
        else:
            method, url = "GET", f"{self.workspace}/messages/{self._message_id}/stream"
            headers["Last-Event-ID"] = str(self._seen)
        body = {"content": question} if self._message_id is None else None
        timeout = httpx.Timeout(READ_TIMEOUT)
        async with self.client.stream(method, url, json=body, headers=headers, timeout=timeout) as response:
            await self._check(response)
            async for number, name, data in server_sent_events(response.aiter_lines()):
                if name == "message.created":
                    self._message_id = data["message"]["id"]
                self._seen = number
                self._is_over = name in LAST
                yield name, data

    async def _check(self, response: httpx.Response) -> None:
        if not response.is_error:
            return
        await response.aread()
        refused = refusal(response)
        again = self._message_id is not None and response.status_code in _GONE
        if again or refused.slug == "idempotency_in_progress":
            raise httpx.RemoteProtocolError(refused.message)
        raise refused


async def server_sent_events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[int, str, Json]]:
    """Number, name and data of each event; comments are passed over (WHATWG HTML, server-sent events)."""
    number, name, data = 0, "message", ""
    async for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("id:"):
            number = int(line[3:])
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield number, name, json.loads(data)
            name, data = "message", ""


def refusal(response: httpx.Response) -> ServerFailed:
    """What an error response says."""
    problem: Mapping[str, Any] = {}
    if "json" in response.headers.get("content-type", ""):
        problem = response.json()
    detail = problem.get("detail") or problem.get("title") or response.reason_phrase
    return ServerFailed(f"The server said {response.status_code}: {detail}", code=problem.get("code"))
