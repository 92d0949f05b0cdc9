"""The transport between us and our engines, against servers that answer in every way that HTTP/1.1 allows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop

from adapters.embedded.sockets import free_port
from adapters.plain_http import PlainTransport

ANSWERS = {
    "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "/until-the-end": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "/closes": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    "/continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
    "/nothing": b"",
    "/more": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 408 Too late\r\nContent-Length: 0\r\n\r\n",
    "/garbage": b"what?\r\n\r\n",
}
CLOSING = {"/until-the-end", "/closes", "/cut", "/nothing", "/garbage"}


@asynccontextmanager
async def server() -> AsyncIterator[tuple[httpx.AsyncClient, list[int], list[bytes]]]:
    """A client, the connections that it opened, and the bodies that it sent."""
    connections: list[int] = []
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                chunked = b"transfer-encoding: chunked" in head
                bodies.append(await (reader.readuntil(b"\r\n0\r\n\r\n") if chunked else reader.readexactly(length)))
                path = head.split()[1].decode()
                if path == "/silent":
                    await reader.read()
                for start in range(0, len(ANSWERS[path]), 7):  # in pieces that fall anywhere
                    writer.write(ANSWERS[path][start : start + 7])
                    await writer.drain()
                if path in CLOSING:
                    break
        except (asyncio.IncompleteReadError, KeyError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    transport = PlainTransport(keepalive=30, max_connections=2)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=10) as client:
            yield client, connections, bodies
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.mark.parametrize("path", ["/length", "/chunks", "/until-the-end", "/closes", "/continue"])
async def test_answers_of_every_form(path: str) -> None:
    """Each is read to its end; a connection is used again where the server keeps it."""
    async with server() as (client, connections, bodies):
        for body in (b"", b"x" * 300_000):
            answer = await client.post(path, content=body)
            assert (answer.status_code, answer.text) == (200, "hello")

        assert bodies == [b"", b"x" * 300_000]
        assert len(connections) == (2 if path in CLOSING else 1)


@pytest.mark.parametrize("path", ["/cut", "/nothing", "/garbage"])
async def test_what_is_no_answer(path: str) -> None:
    """It is an error of transport, and the next request is answered."""
    async with server() as (client, _, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(path)

        assert (await client.get("/length")).text == "hello"


async def test_a_server_that_says_nothing() -> None:
    """The request ends in time, and its connection is not used again."""
    async with server() as (client, connections, _):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/silent", timeout=0.1)
        await client.get("/length")

        assert len(connections) == 2


async def test_more_than_was_asked_for() -> None:
    """The answer is read, and what came behind it is not taken for the next one's."""
    async with server() as (client, connections, _):
        assert (await client.get("/more")).text == "hello"
        assert (await client.get("/chunks")).text == "hello"

        assert len(connections) == 2


async def test_all_connections_in_use() -> None:
    """Who waits for one too long is told so; afterwards there is one again."""
    async with server() as (client, _, _):
        taken = [asyncio.create_task(client.get("/silent", timeout=0.3)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(httpx.PoolTimeout):
            await client.get("/length", timeout=httpx.Timeout(10, pool=0.05))
        await asyncio.gather(*taken, return_exceptions=True)

        assert (await client.get("/length")).text == "hello"


async def test_a_body_of_unknown_length() -> None:
    """It is sent, by httpx's own transport."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"hel"
        yield b"lo"

    async with server() as (client, _, bodies):
        assert (await client.post("/length", content=pieces(), timeout=1)).text == "hello"
        assert bodies == [b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"]


async def test_many_at_once() -> None:
    """No more connections than allowed, and every answer belongs to its question."""
    async with server() as (client, connections, _):
        answers = await asyncio.gather(*(client.get("/length") for _ in range(20)))

        assert {answer.text for answer in answers} == {"hello"}
        assert len(connections) == 2


async def test_nobody_listens() -> None:
    """That is told as an error of connection."""
    async with httpx.AsyncClient(transport=PlainTransport(keepalive=1)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{free_port()}/")


def test_on_the_loop_of_the_api() -> None:
    """API processes run on uvloop, whose transports are no asyncio.Transport."""

    async def ask() -> None:
        async with server() as (client, connections, _):
            answers = [(await client.post(path, content=b"x")).text for path in ("/length", "/chunks", "/length")]

            assert answers == ["hello"] * 3
            assert len(connections) == 1

    uvloop.run(ask())
