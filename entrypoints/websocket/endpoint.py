"""Where WebSocket connections arrive: `/v1/ws`, subprotocol `rooms.v1`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog
from attrs import define, field
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from application.use_cases import UseCases
from entrypoints.websocket.connection import Connection
from entrypoints.websocket.frames import SUBPROTOCOL
from entrypoints.websocket.hub import Hub
from entrypoints.websocket.metrics import LiveMetrics
from entrypoints.websocket.presence import HubPresence

PATH: Final = "/v1/ws"
ABORT: Final = "readingroom.abort"  # in the scope's extensions: cuts the socket without waiting for its reader
WRITE: Final = "readingroom.write"  # there too: writes a text message at once; False where that cannot be

log = structlog.get_logger(__name__)


class LiveSettings(Protocol):
    """What the live side needs to know of the installation."""

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins whose pages may connect from a browser; `*` for any."""
        ...


class LiveContainer(Protocol):
    """What is asked of the composition root."""

    def use_cases(self) -> UseCases:
        """Everything the application can do."""
        ...

    def settings(self) -> LiveSettings:
        """The installation's choices."""
        ...


@define(eq=False)
class LiveEndpoint:
    """An ASGI application for WebSocket connections, and the loops beside them. `running` is its lifespan."""

    container: LiveContainer
    metrics: LiveMetrics
    _hub: Hub | None = field(default=None)

    @property
    def hub(self) -> Hub:
        """The connections of this process."""
        if self._hub is None:
            use_cases = self.container.use_cases()
            self._hub = Hub(
                feeds=use_cases.room_feeds,
                watch=use_cases.watch_rooms,
                standing=use_cases.check_standing,
                presence=HubPresence(use_cases.presence),
                clock=use_cases.check_standing.clock,
                observe=self.metrics.count,
            )
            self.metrics.watch(self._hub)
        return self._hub

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after connections and rooms while the context lasts; then let everybody go."""
        loops = asyncio.create_task(self.hub.run(), name="live-rooms")
        loops.add_done_callback(_report)
        try:
            yield
        finally:
            await self.drain()
            loops.cancel()
            await asyncio.gather(loops, return_exceptions=True)
            await self.hub.presence.aclose()
            await self.hub.feeds.aclose()

    async def drain(self) -> None:
        """Ask everybody to come again elsewhere. Twice is once."""
        if not self.hub.is_draining:
            await self.hub.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, from its upgrade to its end."""
        headers = Headers(scope=scope)
        await receive()  # websocket.connect
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            self.metrics.count("upgrade_refused")
            log.info("live_upgrade_refused", reason=refusal)
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL, "headers": []})
        extensions = scope.get("extensions", {})
        abort: Callable[[], None] | None = extensions.get(ABORT)
        write: Callable[[bytes], bool] | None = extensions.get(WRITE)
        connection = Connection(
            hub=self.hub,
            use_cases=self.container.use_cases(),
            receive=receive,
            send=send,
            header_token=_bearer(headers),
            abort=abort,
            write=write,
        )
        await connection.serve()

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Why it is not accepted: a page of a foreign origin, or another protocol."""
        origin = headers.get("origin")
        if origin is not None:
            allowed = self.container.settings().allowed_origins
            same = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
            if not same and "*" not in allowed and origin not in allowed:
                return "origin"
        if SUBPROTOCOL not in scope.get("subprotocols", []):
            return "subprotocol"
        return None


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _report(task: asyncio.Task[None]) -> None:
    """The loops end by being cancelled and in no other way."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("live_loops_broke", exc_info=error)
