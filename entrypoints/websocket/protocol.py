"""uvicorn's WebSocket protocol, with two short ways to the socket: to write to it at once, and to cut it."""

from typing import Any, Final

from attrs import define
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from entrypoints.websocket.endpoint import ABORT, WRITE

_TEXT: Final = 0x81  # a text frame, whole
_SHORT, _MEDIUM, _LONG = 125, 126, 127  # RFC 6455, 5.2: how the length is written
_MEDIUM_MAX: Final = 0xFFFF
_MOST_HELD: Final = 64 * 1024  # bytes that wait for the end of the loop's turn


class RoomsProtocol(WebSocketsSansIOProtocol):
    """Closing a transport waits until its buffer is written, which for a reader that went silent is never.

    `send` of ASGI costs a coroutine, a dictionary and a frame for each reader; what all readers are told is made into
    a frame once. What is told in one turn of the event loop is given to the socket in one write, which costs more than
    all the rest: under load events of rooms come in bursts.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._held: list[bytes] = []
        self._held_bytes = 0

    async def run_asgi(self) -> None:
        """Serve, with both ways in the scope's extensions."""
        extensions: Any = self.scope.setdefault("extensions", {})
        extensions[ABORT] = self._cut
        extensions[WRITE] = self._write
        await super().run_asgi()

    def _cut(self) -> None:
        self.transport.abort()

    async def send(self, message: Any) -> None:
        """Whatever ASGI sends comes after what was written before."""
        self._write_held()
        await super().send(message)

    def data_received(self, data: bytes) -> None:
        """So do answers to what the client sends, such as to its goodbye."""
        self._write_held()
        super().data_received(data)

    def _write(self, text: bytes) -> bool:
        """Write a text message in this turn; False where the socket takes no more at the moment, or is closing."""
        if not self.writable.is_set() or self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        frame = _last.of(text)
        self._held.append(frame)
        self._held_bytes += len(frame)
        if self._held_bytes > _MOST_HELD:
            self._write_held()
        elif len(self._held) == 1:
            self.loop.call_soon(self._write_held)
        return True

    def _write_held(self) -> None:
        if self._held:
            held, self._held, self._held_bytes = self._held, [], 0
            if not self.transport.is_closing():
                self.transport.write(held[0] if len(held) == 1 else b"".join(held))


@define
class _LastFrame:
    """The frame that was made last: it is written to one reader after the other."""

    text: bytes = b""
    frame: bytes = b""

    def of(self, text: bytes) -> bytes:
        """The frame of a message."""
        if text is not self.text:
            self.text, self.frame = text, framed(text)
        return self.frame


def framed(text: bytes) -> bytes:
    """A text message in one frame that is not masked, as servers send."""
    size = len(text)
    if size <= _SHORT:
        return bytes((_TEXT, size)) + text
    if size <= _MEDIUM_MAX:
        return bytes((_TEXT, _MEDIUM)) + size.to_bytes(2) + text
    return bytes((_TEXT, _LONG)) + size.to_bytes(8) + text


_last: Final = _LastFrame()
