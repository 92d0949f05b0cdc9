"""uvicorn's WebSocket protocol, with a way to cut a socket that takes nothing any more."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from entrypoints.websocket.endpoint import ABORT


class RoomsProtocol(WebSocketsSansIOProtocol):
    """Closing a transport waits until its buffer is written, which for a reader that went silent is never."""

    async def run_asgi(self) -> None:
        """Serve, with the way to abort in the scope's extensions."""
        extensions: Any = self.scope.setdefault("extensions", {})
        extensions[ABORT] = self._cut
        await super().run_asgi()

    def _cut(self) -> None:
        self.transport.abort()
