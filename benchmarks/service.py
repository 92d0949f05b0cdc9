"""A server on a data directory of its own, the emulated Messages API behind it, and somebody who asks."""

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psutil
from attrs import frozen

from entrypoints import cli
from tests import claude_emulator

KEY = "benchmark"
STREAM = {"Accept": "text/event-stream"}
RULES = [f"Rule {n}. The seal of machine {n} is inspected every {n} weeks." for n in range(100)]
DOCUMENT = "\n\n".join(RULES)


@frozen
class Service:
    """A running server, a person in it, and the emulator behind it."""

    http: httpx.AsyncClient
    path: str  # of the workspace
    model: str  # URL of the emulator
    server: psutil.Process
    emulator: psutil.Process

    async def script(self, *scenarios: Any, **scenario: Any) -> None:
        """What the next requests to the emulator meet."""
        body = {"key": KEY, "scenarios": [*scenarios, *([scenario] if scenario else [])]}
        (await self.http.post(f"{self.model}/__emu/script", json=body)).raise_for_status()

    async def reset(self) -> None:
        """Nothing is scripted or recorded any more."""
        (await self.http.post(f"{self.model}/__emu/reset", json={"key": KEY})).raise_for_status()

    async def talk(self, **body: Any) -> str:
        """The path of a new conversation's messages."""
        made = (await self.http.post(f"{self.path}/conversations", json=body)).raise_for_status()
        return f"{self.path}/conversations/{made.json()['id']}/messages"

    def parts(self, name: str) -> list[psutil.Process]:
        """The server's processes whose command line holds the name."""
        found = []
        for one in self.server.children(recursive=True):
            try:
                if name in " ".join(one.cmdline()):
                    found.append(one)
            except psutil.NoSuchProcess:
                continue
        return found


async def start(module: str, *arguments: str, **options: Any) -> Process:
    """A module of ours as a process."""
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, **options)


@asynccontextmanager
async def running(*arguments: str, **settings: str) -> AsyncIterator[Service]:
    """Server and emulator while the context lasts; settings without their prefix."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="rr-") as data:
        model = await start(claude_emulator.__name__, "--port", "0", stdout=PIPE)
        url = (await model.stdout.readline() if model.stdout else b"").decode().strip().partition("=")[2]
        chosen = {
            "DATA_DIR": data,
            "ANSWERS_PER_USER": "1000",
            "ANSWERS_PER_WORKSPACE": "1000",
            "RATE_LIMITS": "off",
            "LOG_LEVEL": "error",
            **settings,
        }
        env = {
            **os.environ,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": url,
            **{f"READINGROOM_{name}": value for name, value in chosen.items()},
        }
        server = await start(cli.__name__, "serve", "--port", str(port), *arguments, env=env)
        try:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=300)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=120, limits=limits, trust_env=False
            ) as http:
                path = await prepared(http)
                yield Service(http, path, url, psutil.Process(server.pid), psutil.Process(model.pid))
        finally:
            for process in (server, model):
                process.terminate()
                await process.wait()


async def prepared(http: httpx.AsyncClient) -> str:
    """Wait for the server, register, and give it something to read; the path of the workspace."""
    for _ in range(600):
        try:
            if (await http.get("/readyz")).is_success:
                break
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.2)
    account = {"email": "bench@example.org", "password": secrets.token_urlsafe(20), "name": "Bench"}
    workspace = (await http.post("/v1/auth/register", json=account)).raise_for_status().json()["workspace"]["id"]
    pair = (await http.post("/v1/auth/login", json=account)).raise_for_status().json()
    http.headers["Authorization"] = f"Bearer {pair['access_token']}"
    path = f"/v1/workspaces/{workspace}"
    made = await http.post(f"{path}/documents", files={"file": ("rules.txt", DOCUMENT.encode())})
    for _ in range(600):
        if (await http.get(f"{path}/documents/{made.json()['id']}")).json()["status"] == "ready":
            break
        await asyncio.sleep(0.2)
    return path
