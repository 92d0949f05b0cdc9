"""What it costs to know who asks: authenticated requests against a bare route, and logins beside other requests.

    python -m benchmarks.requests [--seconds 4] [--logins 4]

Starts PostgreSQL and Valkey of its own, serves both applications with uvicorn in processes of their own, one after the
other, and calls them over a few kept connections. Prints JSON: requests a second, their ratio, logins a second against
what argon2 alone reaches, and the slowest hundredth of other requests with and without logins beside them.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import psutil
from attrs import evolve, frozen
from fastapi import FastAPI

from adapters.embedded import postgres, valkey
from adapters.embedded.supervisor import Supervisor
from adapters.postgres import migrations
from adapters.postgres.engine import make_engine
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from adapters.redis.access_changes import RedisAccessChanges
from adapters.redis.client import connect
from adapters.security.passwords import Argon2Passwords
from application.assembly import assemble
from application.use_cases import Policy, Ports
from entrypoints.http.app import create_app
from tests.fakes.assembly import Assembly
from tests.http.conftest import StandInContainer

PASSWORD: Final = "correct horse battery"  # noqa: S105 of a database that is thrown away
EMAIL: Final = "ada@example.org"
CONNECTIONS: Final = 8


@frozen
class Engines:
    """Where the engines answer."""

    database: str
    redis: str


@frozen
class Server:
    """A server's port, and its process, whose time on the processor does not depend on who else is busy."""

    port: int
    process: psutil.Process

    async def rate(self, request: bytes, seconds: float) -> tuple[float, float]:
        """Requests a second, and microseconds of processor time that each took the server."""
        await repeat(self.port, request, 0.5)
        before = sum(self.process.cpu_times()[:2])
        done = len(await repeat(self.port, request, seconds))
        return done / seconds, (sum(self.process.cpu_times()[:2]) - before) / done * 1e6


def bare() -> FastAPI:
    """The least that FastAPI can do."""
    app = FastAPI(openapi_url=None)

    @app.get("/bare")
    async def nothing() -> dict[str, str]:
        return {"status": "ok"}

    return app


def ours(engines: Engines) -> FastAPI:
    """Our application; accounts are real, the rest, which these requests do not touch, are fakes."""
    client = connect(engines.redis)
    assembly = Assembly(root=Path(tempfile.mkdtemp()))
    fakes: Ports = assembly.ports()
    ports = evolve(
        fakes,
        begin=PostgresUnitOfWorkFactory(make_engine(engines.database)),
        passwords=Argon2Passwords(),
        changes=RedisAccessChanges(client),
    )
    real = assemble(ports, Policy())

    class Container(StandInContainer):
        def use_cases(self) -> Any:
            return real

    return create_app(Container(assembly))


def serve(descriptor: socket.socket, engines: Engines | None) -> None:
    """One server process."""
    import uvicorn

    from entrypoints.logging import configure_logging

    configure_logging(log_format="json", level="warning")
    app = bare() if engines is None else ours(engines)
    config = uvicorn.Config(app, log_config=None, access_log=False, loop="uvloop", http="httptools")
    asyncio.run(uvicorn.Server(config).serve(sockets=[descriptor]))


@asynccontextmanager
async def serving(engines: Engines | None) -> AsyncIterator["Server"]:
    """A server process."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what it accepts
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(listening, engines))
    process.start()
    port: int = listening.getsockname()[1]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout(1):
                await call(port, "GET", "/nothing")
            break
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1)
    try:
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.join(20)
        listening.close()


class Connection:
    """Just enough HTTP/1.1 that the client costs little."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """A kept connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def request(self, raw: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._writer.write(raw)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        """Let go."""
        self._writer.close()


def raw(method: str, path: str, *, token: str | None = None, body: Any = None) -> bytes:
    """A request as bytes."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
    lines += ["Content-Type: application/json"] if content else []
    lines += [f"Authorization: Bearer {token}"] if token else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


async def call(port: int, method: str, path: str, **more: Any) -> Any:
    """One request on a connection of its own."""
    connection = await Connection.open(port)
    try:
        _, body = await connection.request(raw(method, path, **more))
        return json.loads(body)
    finally:
        connection.close()


async def repeat(port: int, request: bytes, seconds: float, connections: int = CONNECTIONS) -> list[float]:
    """Durations (seconds) of as many requests as fit; every answer must be 200."""
    until = time.perf_counter() + seconds
    durations: list[float] = []

    async def one() -> None:
        connection = await Connection.open(port)
        while (begun := time.perf_counter()) < until:
            status, body = await connection.request(request)
            if status != 200:  # noqa: PLR2004 nothing else was asked for
                raise RuntimeError(f"{status}: {body[:200]!r}")
            durations.append(time.perf_counter() - begun)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return durations


def p99(durations: list[float]) -> float:
    """Milliseconds."""
    return round(statistics.quantiles(durations, n=100)[-1] * 1000, 2)


async def argon2_limit(seconds: float) -> float:
    """Verifications a second of this machine, nothing else running."""
    passwords = Argon2Passwords()
    stored = await passwords.hash(PASSWORD)
    until, done = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await passwords.verify(PASSWORD, stored)
            done += 1

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    passwords.close()
    return done / seconds


async def measure(engines: Engines, seconds: float, login_seconds: float) -> dict[str, Any]:
    """All numbers."""
    async with serving(None) as server:
        base, base_cost = await server.rate(raw("GET", "/bare"), seconds)
    results: dict[str, Any] = {"bare": {"rps": round(base), "cpu_us": round(base_cost)}}
    async with serving(engines) as server:
        port = server.port
        account = {"email": EMAIL, "password": PASSWORD, "name": "Ada"}
        workspace = (await call(port, "POST", "/v1/auth/register", body=account))["workspace"]["id"]
        token = (await call(port, "POST", "/v1/auth/login", body=account))["access_token"]
        for name, path in (("me", "/v1/me"), ("workspace", f"/v1/workspaces/{workspace}")):
            rate, cost = await server.rate(raw("GET", path, token=token), seconds)
            results[name] = {"rps": round(rate), "cpu_us": round(cost)}
            results[name] |= {"of_bare": round(rate / base, 2), "of_bare_by_cpu": round(base_cost / cost, 2)}
        one_by_one = raw("GET", "/v1/me", token=token)
        quiet = await repeat(port, one_by_one, login_seconds, 1)
        log_in = raw("POST", "/v1/auth/login", body=account)
        logins, beside = await asyncio.gather(
            repeat(port, log_in, login_seconds, 50), repeat(port, one_by_one, login_seconds, 1)
        )
    limit = await argon2_limit(login_seconds)
    return results | {
        "p99_ms_quiet": p99(quiet),
        "p99_ms_beside_logins": p99(beside),
        "logins_per_second": round(len(logins) / login_seconds, 1),
        "argon2_limit_per_second": round(limit, 1),
        "login_ratio": round(len(logins) / login_seconds / limit, 2),
    }


async def with_engines(work: Callable[[Engines], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Start both engines, empty, for as long as it takes."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rr-")))
        supervisor = await stack.enter_async_context(Supervisor())
        places = postgres.PostgresFiles(cluster=folder / "pg", sockets=folder / "s", log=folder / "pg.log")
        database = await postgres.prepare(places, password=uuid4().hex, durable=True)
        redis = valkey.prepare(
            folder / "vk", socket_directory=folder / "v", log=folder / "vk.log", password=uuid4().hex
        )
        await supervisor.start(database.spec)
        await supervisor.start(redis.spec)
        connection = await asyncpg.connect(database.url)
        await connection.close()
        await migrations.upgrade(database.url)
        return await work(Engines(database.url, redis.url))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each series of requests")
    parser.add_argument("--logins", type=float, default=4, help="seconds of logins")
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(with_engines(lambda e: measure(e, arguments.seconds, arguments.logins))), indent=2))


if __name__ == "__main__":
    main()
