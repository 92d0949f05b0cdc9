"""Server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

from attrs import frozen
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEEP_ALIVE: Final = 15.0  # seconds of silence
EVENT_STREAM: Final = "text/event-stream"


@frozen(kw_only=True)
class ServerEvent:
    """One event; the data is told as JSON on one line."""

    id: int
    name: str
    data: Mapping[str, Any]

    def encode(self) -> bytes:
        """As it goes over the wire."""
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        return f"event: {self.name}\nid: {self.id}\ndata: {data}\n\n".encode()


def wants_events(accept: str | None) -> bool:
    """Whether an `Accept` header asks for the stream."""
    kinds = [part.split(";")[0].strip().lower() for part in (accept or "").split(",")]
    return EVENT_STREAM in kinds


def last_seen(last_event_id: str | None) -> int:
    """The offset to go on from; anything but a number counts as the beginning."""
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004


class EventStream(Response):
    """Events as they come, a comment when nothing comes, and an end as soon as the reader has gone.

    Only the reading ends with the reader: whoever makes the events goes on.
    """

    media_type = EVENT_STREAM

    def __init__(
        self, events: AsyncIterator[ServerEvent], *, keep_alive: float = KEEP_ALIVE, headers: Mapping[str, str] = {}
    ) -> None:
        self.events = events
        self.keep_alive = keep_alive
        self.status_code = 200
        self.background = None
        self.wrote_at = 0.0  # on the loop's clock
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 as ASGI calls it
        """Send until the events end or the reader goes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self.wrote_at = asyncio.get_running_loop().time()
        telling = asyncio.create_task(self._tell(send))
        waits = {telling, asyncio.create_task(self._keep_alive(send)), asyncio.create_task(_disconnected(receive))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        except OSError:
            return  # the server says that the connection is gone
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            if isinstance(self.events, AsyncGenerator):
                await self.events.aclose()

    async def _tell(self, send: Send) -> None:
        async for event in self.events:
            await self._write(send, event.encode())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _keep_alive(self, send: Send) -> None:
        """A task beside the telling, so that an event costs no timer."""
        silence = 0.0
        while True:
            await asyncio.sleep(self.keep_alive - silence)
            silence = asyncio.get_running_loop().time() - self.wrote_at
            if silence >= self.keep_alive:
                await self._write(send, b": keep-alive\n\n")
                silence = 0.0

    async def _write(self, send: Send, data: bytes) -> None:
        self.wrote_at = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": data, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
