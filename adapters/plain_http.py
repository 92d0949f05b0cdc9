"""HTTP/1.1 without TLS, as a transport for httpx: for the engines of one's own that every search asks.

Head and body leave in one write, the answer is parsed in C, and there are no locks, cancel scopes and trace hooks in
between. TLS, bodies of unknown length and HEAD go httpx's own way.
"""

import asyncio
from typing import Final, cast

import httpx
from httptools import HttpParserError, HttpResponseParser

_READ_SECONDS: Final = 60.0  # where the request says nothing


class PlainTransport(httpx.AsyncBaseTransport):
    """Keeps up to `max_idle` connections to each server, each for `keepalive` seconds of rest.

    A server that closes its idle connections should do it later than that: a request is never sent twice.
    """

    def __init__(self, *, keepalive: float, max_idle: int = 20, max_connections: int = 100) -> None:
        self._keepalive = keepalive
        self._max_idle = max_idle
        self._free = asyncio.Semaphore(max_connections)
        self._idle: dict[tuple[str, int], list[_Connection]] = {}
        self._limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_idle, keepalive_expiry=keepalive
        )
        self._others: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and read the whole answer. Raises httpx's errors of transport."""
        if request.url.scheme != "http" or request.method == "HEAD" or "Transfer-Encoding" in request.headers:
            self._others = self._others or httpx.AsyncHTTPTransport(limits=self._limits)
            return await self._others.handle_async_request(request)
        seconds = request.extensions.get("timeout", {})
        server = (request.url.host, request.url.port or 80)
        head = [f"{request.method} {request.url.raw_path.decode('ascii')} HTTP/1.1\r\n".encode("ascii")]
        head += [b"%b: %b\r\n" % pair for pair in request.headers.raw]
        message = b"".join((*head, b"\r\n", await request.aread()))
        await self._turn(seconds.get("pool"))
        try:
            connection = self._resting(server) or await _connect(server, seconds.get("connect"))
            try:
                async with asyncio.timeout(seconds.get("read", _READ_SECONDS)):
                    return await connection.ask(message)
            except TimeoutError as error:
                raise httpx.ReadTimeout("The server does not answer in time.") from error
            finally:
                self._rest(server, connection)
        finally:
            self._free.release()

    async def fetch(self, request: httpx.Request) -> httpx.Response:
        """What a client's `send` gives, read whole, without what a client does besides: cookies, redirects, hooks."""
        response = await self.handle_async_request(request)
        response.request = request
        await response.aread()
        return response

    async def _turn(self, seconds: float | None) -> None:
        """Until there are fewer connections than allowed."""
        try:
            async with asyncio.timeout(seconds if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("All connections are in use.") from error

    def _resting(self, server: tuple[str, int]) -> "_Connection | None":
        idle = self._idle.get(server, [])
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()  # the one that rested the shortest
            if connection.is_open and now - connection.since < self._keepalive:
                return connection
            connection.close()
        return None

    def _rest(self, server: tuple[str, int], connection: "_Connection") -> None:
        """Keep it for another request, if the last one came to its end."""
        idle = self._idle.setdefault(server, [])
        if connection.is_open and connection.may_go_on and len(idle) < self._max_idle:
            connection.since = asyncio.get_running_loop().time()
            idle.append(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        """Close what rests."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
        if self._others is not None:
            await self._others.aclose()


async def _connect(server: tuple[str, int], seconds: float | None) -> "_Connection":
    try:
        async with asyncio.timeout(seconds):
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, *server)
    except TimeoutError as error:
        raise httpx.ConnectTimeout("The server does not take the connection in time.") from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    return connection


class _Connection(asyncio.Protocol):
    """One question at a time."""

    def __init__(self) -> None:
        self.since = 0.0  # when it came to rest, by the loop's clock
        self.is_open = False
        self.may_go_on = False  # the last answer was read to its end, and the server keeps the connection
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._ends_with_connection = False  # the answer says neither its length nor that it comes in chunks

    async def ask(self, message: bytes) -> httpx.Response:
        """Send all of it, and wait for the answer."""
        if self._transport is None:
            raise httpx.WriteError("The connection is closed.")
        self.may_go_on = False
        self._headers, self._body, self._ends_with_connection = [], [], False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        """Let go of it."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    # --- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport, self.is_open = cast(asyncio.Transport, transport), True  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        """A piece of the answer, or something that nobody asked for: then what comes next could not be told apart."""
        if self._answer is None or self._answer.done():
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self.close()
            self._fail(httpx.RemoteProtocolError(f"The server does not speak HTTP/1.1: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed it, or it broke."""
        self.is_open = False
        if exc is None and self._ends_with_connection:
            self._finish()
        self._fail(httpx.ReadError(str(exc)) if exc else httpx.RemoteProtocolError("The server closed the connection."))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # --- what the parser tells

    def on_message_begin(self) -> None:
        """An answer begins; behind the one that was asked for there must be none."""
        if self._answer is None or self._answer.done():
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of the answer's headers."""
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._body.append(body)

    def on_headers_complete(self) -> None:
        """All headers are there. Those before the real answer (100 Continue) are passed over."""
        names = {name.lower() for name, _ in self._headers}
        self._ends_with_connection = not names & {b"content-length", b"transfer-encoding"}
        if self._parser.get_status_code() < httpx.codes.OK:
            self._headers = []

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._parser.get_status_code() >= httpx.codes.OK:
            self.may_go_on = self._parser.should_keep_alive()
            self._finish()

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            body = httpx.ByteStream(b"".join(self._body))
            self._answer.set_result(httpx.Response(self._parser.get_status_code(), headers=self._headers, stream=body))
