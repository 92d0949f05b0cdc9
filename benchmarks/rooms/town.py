"""API processes on real engines, an account, and rooms: what the measurements of rooms happen in."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from attrs import define, field

from benchmarks.rooms.engines import Engines
from tests.websocket import live_process

ACCOUNT = {"email": "ada@example.org", "password": "correct horse battery", "name": "Ada"}
SERVER_CORE, CLIENT_CORE = 0, 1


@define
class Server:
    """A server's process and the port on which it listens."""

    port: int
    process: psutil.Popen

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(self.process.memory_info().rss)

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return float(sum(self.process.cpu_times()[:2]))

    def stop(self, *, kill: bool = False) -> None:
        """Let it end, or kill it."""
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(20)


def listen(port: int = 0) -> socket.socket:
    """A socket for a child."""
    listening = socket.create_server(("127.0.0.1", port), backlog=4096, reuse_port=False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.set_inheritable(True)
    return listening


def start(listening: socket.socket, command: list[str], *, core: int | None = SERVER_CORE) -> Server:
    """A process on a core of its own; its last argument is the descriptor."""
    process = psutil.Popen([*command, str(listening.fileno())], pass_fds=(listening.fileno(),))
    if core is not None:
        process.cpu_affinity([core])
    return Server(listening.getsockname()[1], process)


async def ready(port: int) -> None:
    """Until it answers."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError, httpx.HTTPError):
                async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    return
            await asyncio.sleep(0.05)


@define
class Town:
    """The servers that serve one installation."""

    engines: Engines
    folder: Path
    log_level: str = "warning"
    servers: dict[str, Server] = field(factory=dict)
    token: str = ""
    workspace: str = ""
    _sockets: dict[str, socket.socket] = field(factory=dict)

    async def start(self, name: str, *, core: int | None = SERVER_CORE) -> Server:
        """Start it, or start it again on the same socket, on which connections wait meanwhile."""
        if name not in self._sockets:
            self._sockets[name] = listen()
        spec = live_process.__spec__
        if spec is None:
            raise RuntimeError("the server is no module")
        options = ["--database", self.engines.database, "--redis", self.engines.redis, "--files", str(self.folder)]
        command = [
            sys.executable,
            "-m",
            spec.name,
            *options,
            "--most-per-user",
            "100000",
            "--log-level",
            self.log_level,
            "--fd",
        ]
        self.servers[name] = start(self._sockets[name], command, core=core)
        await ready(self.servers[name].port)
        return self.servers[name]

    async def settle(self, rooms: int) -> list[str]:
        """An account and its rooms."""
        base = f"http://127.0.0.1:{next(iter(self.servers.values())).port}/v1"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            made = (await http.post(f"{base}/auth/register", json=ACCOUNT)).raise_for_status().json()
            pair = (await http.post(f"{base}/auth/login", json=ACCOUNT)).raise_for_status().json()
            self.token, self.workspace = pair["access_token"], made["workspace"]["id"]
            bearer = {"Authorization": f"Bearer {self.token}"}
            url = f"{base}/workspaces/{self.workspace}/rooms"
            found = []
            for number in range(rooms):
                answer = await http.post(url, json={"name": f"Room {number}"}, headers=bearer)
                found.append(answer.raise_for_status().json()["id"])
        return found

    async def restart(self, name: str, *, kill: bool) -> None:
        """Stop it and start it again, in the time of which nobody else waits for it."""
        await asyncio.to_thread(self.servers[name].stop, kill=kill)
        await self.start(name)

    async def numbers(self, name: str) -> dict[str, float]:
        """What a process tells of itself."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            text = (await http.get(f"http://127.0.0.1:{self.servers[name].port}/metrics")).text
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}


@contextlib.asynccontextmanager
async def town(engines: Engines, folder: Path, *names: str, log_level: str = "warning") -> AsyncIterator[Town]:
    """Servers while the context lasts."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    made = Town(engines, folder, log_level)
    try:
        for name in names:
            await made.start(name)
        yield made
    finally:
        for server in made.servers.values():
            if server.process.is_running():
                server.stop(kill=True)


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """How long it took, or those seconds."""
    began = time.monotonic()
    while not holds() and time.monotonic() < began + seconds:  # noqa: ASYNC110 a poll with a deadline
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def percentile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000, 1)


def flat(results: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested numbers as rows."""
    rows: list[tuple[str, Any]] = []
    for key, value in results.items():
        rows += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows
