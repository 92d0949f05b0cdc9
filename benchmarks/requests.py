"""What it costs to know who asks: authenticated requests against a bare route, and logins beside other requests.

    python -m benchmarks.requests [--seconds 6] [--logins 10] [--total 0] [--workers 1]

A bare FastAPI route, served by uvicorn in one process, and `readingroom serve` as it is installed, with its limits of
rate for reading and logging in raised, its log and its engines, are called over a few kept connections, one after the
other. Prints JSON: requests a second, their ratio, the time that each took the serving process, logins a second
against what argon2 alone reaches, and the slowest hundredth of other requests with and without logins beside them.
`--total 10000` counts logins instead of seconds.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
from attrs import frozen
from fastapi import FastAPI

from adapters.security.passwords import Argon2Passwords
from entrypoints import api_process, cli

PASSWORD: Final = "correct horse battery"  # noqa: S105 of a database that is thrown away
EMAIL: Final = "ada@example.org"
CONNECTIONS: Final = 8
CLIENTS: Final = 50  # that log in
LIMITS: Final = "read=9000000/1m, login=9000000/1m"
OK: Final = 200
AGAIN: Final = 429, 503


@frozen
class Server:
    """A server's port, and its processes, whose time on the processor does not depend on who else is busy."""

    port: int
    processes: list[psutil.Process]

    async def rate(self, request: bytes, seconds: float) -> dict[str, int]:
        """Requests a second, and microseconds of processor time that each took the server."""
        await repeat(self.port, request, 1)
        before = self._used()
        done = len(await repeat(self.port, request, seconds))
        return {"rps": round(done / seconds), "cpu_us": round((self._used() - before) / done * 1e6)}

    def _used(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


def bare() -> FastAPI:
    """The least that FastAPI can do."""
    app = FastAPI(openapi_url=None)

    @app.get("/bare")
    async def nothing() -> dict[str, str]:
        return {"status": "ok"}

    return app


def serve_bare(descriptor: socket.socket) -> None:
    """One server process, set up as ours."""
    import uvicorn

    config = uvicorn.Config(
        bare(), log_config=None, access_log=False, server_header=False, loop="uvloop", http="httptools"
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[descriptor]))


@asynccontextmanager
async def serving_bare() -> AsyncIterator[Server]:
    """The bare route."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what it accepts
    process = multiprocessing.get_context("spawn").Process(target=serve_bare, args=(listening,))
    process.start()
    port: int = listening.getsockname()[1]
    try:
        await answering(port, "/bare")
        yield Server(port, [psutil.Process(process.pid)])
    finally:
        process.terminate()
        process.join(20)
        listening.close()


@asynccontextmanager
async def serving_ours(folder: Path, workers: int) -> AsyncIterator[Server]:
    """The product, without its ingestion worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    environment = {
        **os.environ,
        "READINGROOM_DATA_DIR": str(folder / "data"),
        "READINGROOM_RATE_LIMITS": LIMITS,
        "READINGROOM_LOG_FORMAT": "json",
    }
    options = ("serve", "--no-worker", "--port", str(port), "--workers", str(workers))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", cli.__name__, *options, env=environment, stderr=log
        )
    try:
        await answering(port, "/readyz")
        children = psutil.Process(process.pid).children(recursive=True)
        yield Server(port, [child for child in children if api_process.__name__ in " ".join(child.cmdline())])
    finally:
        process.terminate()
        await process.wait()


async def answering(port: int, path: str) -> None:
    """Wait until it does."""
    async with asyncio.timeout(120):
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                if (await call(port, "GET", path))[0] == OK:
                    return
            await asyncio.sleep(0.2)


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
        return await self._answer()

    async def send(self, pieces: AsyncIterator[bytes]) -> tuple[int, bytes]:
        """The same for a request that is made as it goes out."""
        async for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
        return await self._answer()

    async def _answer(self) -> tuple[int, bytes]:
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


async def call(port: int, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """One request on a connection of its own."""
    connection = await Connection.open(port)
    try:
        status, body = await connection.request(raw(method, path, **more))
        return status, json.loads(body)
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
            if status != OK:
                raise RuntimeError(f"{status}: {body[:200]!r}")
            durations.append(time.perf_counter() - begun)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return durations


async def flood(port: int, request: bytes, *, seconds: float, total: int) -> dict[str, Any]:
    """Many clients that log in, each again and again; one that is told to come back later does."""
    begun = time.perf_counter()
    statuses: Counter[int] = Counter()
    durations: list[float] = []

    def goes_on() -> bool:
        return statuses[OK] < total if total else time.perf_counter() - begun < seconds

    async def client() -> None:
        connection = await Connection.open(port)
        while goes_on():
            asked = time.perf_counter()
            status, body = await connection.request(request)
            statuses[status] += 1
            if status == OK:
                durations.append(time.perf_counter() - asked)
            elif status in AGAIN:
                await asyncio.sleep(1)
            else:
                raise RuntimeError(f"{status}: {body[:200]!r}")
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    taken = time.perf_counter() - begun
    return {
        "logins": statuses[OK],
        "logins_per_second": round(statuses[OK] / taken, 1),
        "told_to_come_back": sum(statuses[status] for status in AGAIN),
        "login_p99_ms": p99(durations),
    }


def p99(durations: list[float]) -> float:
    """Milliseconds."""
    return round(statistics.quantiles(durations, n=100)[-1] * 1000, 2)


async def steadily(port: int, request: bytes, stop: asyncio.Event) -> list[float]:
    """Durations of requests of one client who takes a breath after each, until told to stop."""
    connection = await Connection.open(port)
    durations: list[float] = []
    while not stop.is_set():
        begun = time.perf_counter()
        await connection.request(request)
        durations.append(time.perf_counter() - begun)
        await asyncio.sleep(0.005)
    connection.close()
    return durations


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


async def measure(folder: Path, *, seconds: float, logins: float, total: int, workers: int) -> dict[str, Any]:
    """All numbers."""
    async with serving_bare() as server:
        results: dict[str, Any] = {"bare": await server.rate(raw("GET", "/bare"), seconds)}
    async with serving_ours(folder, workers) as server:
        port = server.port
        account = {"email": EMAIL, "password": PASSWORD, "name": "Ada"}
        workspace = (await call(port, "POST", "/v1/auth/register", body=account))[1]["workspace"]["id"]
        token = (await call(port, "POST", "/v1/auth/login", body=account))[1]["access_token"]
        for name, path in (("workspace", f"/v1/workspaces/{workspace}"), ("me", "/v1/me")):
            told = await server.rate(raw("GET", path, token=token), seconds)
            told_by_ratio = {
                "of_bare": round(told["rps"] / results["bare"]["rps"], 2),
                "of_bare_by_cpu": round(results["bare"]["cpu_us"] / told["cpu_us"], 2),
            }
            results[name] = told | told_by_ratio
        log_in = raw("POST", "/v1/auth/login", body=account)
        alone = await flood(port, log_in, seconds=logins, total=0)
        for name, flooded in (("quiet", False), ("beside_logins", True)):
            stop = asyncio.Event()
            other = asyncio.create_task(steadily(port, raw("GET", f"/v1/workspaces/{workspace}", token=token), stop))
            if flooded:
                results |= await flood(port, log_in, seconds=logins, total=total)
            else:
                await asyncio.sleep(logins)
            stop.set()
            durations = await other
            results[f"p50_ms_{name}"] = round(statistics.median(durations) * 1000, 2)
            results[f"p99_ms_{name}"] = p99(durations)
    limit = round(await argon2_limit(min(logins, 5)), 1)
    return results | {
        "logins_alone_per_second": alone["logins_per_second"],
        "argon2_limit_per_second": limit,
        "login_ratio": round(results["logins_per_second"] / limit, 2),
        "login_ratio_alone": round(alone["logins_per_second"] / limit, 2),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="of each series of requests")
    parser.add_argument("--logins", type=float, default=10, help="seconds of logins")
    parser.add_argument("--total", type=int, default=0, help="logins in all, however long they take")
    parser.add_argument("--workers", type=int, default=1, help="API processes")
    arguments = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="rr-") as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), **arguments)), indent=2))


if __name__ == "__main__":
    main()
