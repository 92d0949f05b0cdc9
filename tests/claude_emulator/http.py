"""As much HTTP/1.1 as the emulator needs, over raw sockets, so that it can break it at any byte."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import define

REASONS = {200: "OK", 204: "No Content"}
LARGEST_BODY = 32 * 1024 * 1024


class Gone(Exception):
    """The client went away."""


class TooLarge(Exception):
    """The body is larger than the API takes."""


@define
class Request:
    """A request, read whole."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        """The body; ValueError if it is no JSON."""
        return json.loads(self.body)


@define
class Connection:
    """One request and its answer; every connection serves one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    disconnected_at: float | None = None  # time.monotonic() when the client was seen to leave
    _watch: asyncio.Task[bytes] | None = None

    async def request(self) -> Request | None:
        """None if the client said nothing."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        length = int(headers.get("content-length", "0"))
        if length > LARGEST_BODY:
            left = length
            while left:  # closing on unread bytes would be a reset
                left -= len(await self.reader.read(min(left, 1 << 20)))
            raise TooLarge
        body = await self.reader.readexactly(length)
        self._watch = asyncio.create_task(self.reader.read(1))
        return Request(method, target.partition("?")[0], headers, body)

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer."""
        self._head(status, {**headers, "content-length": str(len(body))})
        await self.write(body)

    async def start_chunks(self, headers: Mapping[str, str]) -> None:
        """The head of a chunked answer."""
        self._head(200, {**headers, "transfer-encoding": "chunked"})
        await self._drain()

    async def chunk(self, data: bytes) -> None:
        """One chunk of it."""
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_chunks(self) -> None:
        """The end, as it should be."""
        await self.write(b"0\r\n\r\n")

    async def write(self, data: bytes) -> None:
        """Bytes, as they are; `Gone` if nobody is there to read them."""
        self.writer.write(data)
        await self._drain()

    async def pause(self, seconds: float | None) -> None:
        """Wait, for ever if None, but not for a client that is gone."""
        if self._watch is None:
            return
        await asyncio.wait({self._watch}, timeout=seconds)
        self._check()

    def cut(self, *, reset: bool) -> None:
        """Close in the middle: with a FIN, or with a RST."""
        if reset:
            raw = self.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()

    async def close(self) -> None:
        """Done with it."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await self._watch
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def _drain(self) -> None:
        self._check()
        try:
            await self.writer.drain()
        except ConnectionError as error:
            self.disconnected_at = self.disconnected_at or time.monotonic()
            raise Gone from error

    def _check(self) -> None:
        if self._watch is not None and self._watch.done():
            self.disconnected_at = self.disconnected_at or time.monotonic()
            raise Gone
