"""Just enough WebSocket that thousands of clients cost little."""

import asyncio
import json
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
)
ROOMS = "Sec-WebSocket-Protocol: rooms.v1\r\n"
TEXT, CLOSE = 1, 8


class Wire(asyncio.Protocol):
    """One socket. `heard` is given each text frame as it came."""

    def __init__(self, heard: Callable[["Wire", bytes], None], path: str = "/v1/ws", protocol: str = ROOMS) -> None:
        self.heard = heard
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._hello = HANDSHAKE.format(path=path, protocol=protocol).encode()
        self._data = bytearray()
        self._code = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self._transport = transport
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        """Whole frames are given on; servers never mask."""
        self._data += data
        if not self.opened.done():
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head[:20]:
                self.opened.set_exception(ConnectionError(head[:80].decode()))
                self._transport.abort()
                return
            self.opened.set_result(None)
            self._data = rest
        self._frames()

    def _frames(self) -> None:
        data, at = self._data, 0
        while len(data) - at >= 2:  # noqa: PLR2004 a head
            length, start = data[at + 1], at + 2
            if length == 126:  # noqa: PLR2004 two bytes follow
                length, start = int.from_bytes(data[start : start + 2]), start + 2
            elif length == 127:  # noqa: PLR2004 eight bytes follow
                length, start = int.from_bytes(data[start : start + 8]), start + 8
            if len(data) < start + length:
                break
            kind, body = data[at] & 15, bytes(data[start : start + length])
            at = start + length
            if kind == TEXT:
                self.heard(self, body)
            elif kind == CLOSE:
                self._code = int.from_bytes(body[:2])
                self._transport.close()
        del data[:at]

    def connection_lost(self, error: Exception | None) -> None:
        """Say with which code."""
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("closed"))
        if not self.closed.done():
            self.closed.set_result(self._code)

    def send(self, text: bytes) -> None:
        """Masked with zeros, which is nothing to compute."""
        size = len(text)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)  # noqa: PLR2004 short form
        self._transport.write(head + bytes(4) + text)

    def pause(self) -> None:
        """Read nothing any more."""
        self._transport.pause_reading()

    def abort(self) -> None:
        """Cut it."""
        self._transport.abort()


async def open_wire(port: int, heard: Callable[[Wire, bytes], None], **options: Any) -> Wire:
    """A socket after its upgrade."""
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(lambda: Wire(heard, **options), "127.0.0.1", port)
    try:
        await wire.opened
    except BaseException:
        wire.abort()
        raise
    return wire


class Client:
    """A connection of `rooms.v1`: replies go to who asked, pushes to `pushed`, raw."""

    def __init__(self, pushed: Callable[["Client", bytes], None]) -> None:
        self.pushed = pushed
        self.wire: Wire
        self._is_open = False
        self._numbers = count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}

    async def open(self, port: int, token: str) -> "Client":
        """Connected."""
        self.wire = await open_wire(port, self._heard)
        self._is_open = True
        self.wire.closed.add_done_callback(lambda _: self._lost())
        await self.ask("connect", token=token)
        return self

    def close(self) -> None:
        """Cut it, if it was opened."""
        if self._is_open:
            self.wire.abort()

    def _lost(self) -> None:
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("lost"))
        self._replies.clear()

    def _heard(self, wire: Wire, text: bytes) -> None:
        for line in text.split(b"\n"):
            if line.startswith(b'{"type":"ping"'):
                wire.send(b'{"type":"pong"}')
            elif (at := line.find(b'"id":', 0, 40)) >= 0 and line[at + 5 : at + 6].isdigit():
                frame = json.loads(line)
                waiting = self._replies.pop(frame["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
            else:
                self.pushed(self, line)

    def send(self, kind: str, /, **members: Any) -> None:
        """Without an answer."""
        self.wire.send(json.dumps({"type": kind, **members}).encode())

    async def ask(self, kind: str, /, **members: Any) -> Any:
        """The reply; `ConnectionError` when the connection is lost before, `RuntimeError` for a refusal."""
        number = next(self._numbers)
        waiting = self._replies[number] = asyncio.get_running_loop().create_future()
        if self.wire.closed.done():
            raise ConnectionError("lost")
        self.send(kind, id=number, **members)
        reply = await waiting
        if reply["type"] == "error":
            raise RuntimeError(reply["error"]["name"])
        return reply

    async def publish(self, room: str, data: Any, client_msg_id: str | None = None) -> Any:
        """The reply `published`."""
        body = {"room_id": room, "client_msg_id": client_msg_id or str(uuid4()), "kind": "update", "data": data}
        return await self.ask("publish", **body)
