"""What the service adds to the model's own time, and how it bears many answers at once.

``python benchmarks/answers.py`` starts a server on a data directory of its own and the emulated Messages API beside it,
asks through HTTP, prints milliseconds and stops both. The client shares the machine with them, so that what it sees is
an upper bound.

- First token: from sending the question to the first `content.delta`, retrieval included, less the same for a plain
  call of the emulator; every question is new.
- Lag: how much later than its turn at 20 pieces a second a delta arrived, counted from the first of its answer.
- Cut: every stream is cut after 300 ms and taken up again by `Last-Event-ID` until its end.
"""

import argparse
import asyncio
import json
import os
import secrets
import socket
import statistics
import sys
import tempfile
import time
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
PIECE = 0.05  # seconds between two pieces of an answer
RULES = [f"Rule {n}. The seal of machine {n} is inspected every {n} weeks." for n in range(100)]
DOCUMENT = "\n\n".join(RULES)


@frozen
class Service:
    """A running server, a person in it, and the emulator behind it."""

    http: httpx.AsyncClient
    path: str  # of the workspace
    model: str  # URL of the emulator
    pid: int

    async def script(self, **scenario: Any) -> None:
        """What the next requests to the emulator meet."""
        body = {"key": KEY, "scenarios": [scenario]}
        (await self.http.post(f"{self.model}/__emu/script", json=body)).raise_for_status()

    async def talk(self) -> str:
        """The path of a new conversation's messages."""
        made = (await self.http.post(f"{self.path}/conversations", json={})).raise_for_status()
        return f"{self.path}/conversations/{made.json()['id']}/messages"


async def start(module: str, *arguments: str, **options: Any) -> Process:
    """A module of ours as a process."""
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, **options)


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    """Server and emulator while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="rr-") as data:
        model = await start(claude_emulator.__name__, "--port", "0", stdout=PIPE)
        url = (await model.stdout.readline() if model.stdout else b"").decode().strip().partition("=")[2]
        env = {
            **os.environ,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": url,
            "READINGROOM_DATA_DIR": data,
            "READINGROOM_ANSWERS_PER_USER": "1000",
            "READINGROOM_ANSWERS_PER_WORKSPACE": "1000",
            "READINGROOM_LOG_LEVEL": "error",
        }
        server = await start(cli.__name__, "serve", "--port", str(port), env=env)
        try:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=300)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=120, limits=limits, trust_env=False
            ) as http:
                yield await prepared(http, url, server.pid)
        finally:
            for process in (server, model):
                process.terminate()
                await process.wait()


async def prepared(http: httpx.AsyncClient, url: str, pid: int) -> Service:
    """Wait for the server, register, and give it something to read."""
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
    return Service(http, path, url, pid)


async def first_delta(http: httpx.AsyncClient, url: str, body: Any, mark: str, **options: Any) -> float:
    """Seconds until the mark is seen in the stream."""
    began = time.perf_counter()
    seen = ""
    async with http.stream("POST", url, json=body, **options) as response:
        async for text in response.aiter_text():
            seen += text
            if mark in seen:
                return time.perf_counter() - began
    raise RuntimeError(seen[-500:])


async def first_tokens(service: Service, count: int) -> None:
    """Time added before the first token."""
    talk = await service.talk()
    added = []
    for number in range(count + 3):  # the first ones warm up
        question = f"How often is the seal of machine {number} inspected?"
        await service.script(reply="text", options={"text": "Every week."}, times=2)
        direct = await first_delta(
            service.http,
            f"{service.model}/v1/messages",
            {
                "model": "claude-sonnet-5-5",
                "max_tokens": 1000,
                "stream": True,
                "messages": [{"role": "user", "content": question}],
            },
            "text_delta",
            headers={"Authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"},
        )
        ours = await first_delta(service.http, talk, {"content": question}, "event: content.delta", headers=STREAM)
        await asyncio.sleep(0.1)  # the answer ends before the next question
        talk = await service.talk()
        added.append(1000 * (ours - direct))
    show("added before the first token", added[3:])


async def told(service: Service, pieces: int) -> tuple[str, list[float]]:
    """One answer: its text, and when each delta came."""
    talk = await service.talk()
    question = {"content": "Tell me something long, will you?", "use_knowledge": False}
    text, moments = "", []
    async with service.http.stream("POST", talk, json=question, headers=STREAM) as response:
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name == "content.delta":
                text += json.loads(line[6:])["text"]
                moments.append((time.perf_counter(), len(text) // 6))
    if not moments or len(text) != 6 * pieces:
        raise RuntimeError(f"{len(text)} characters of {6 * pieces}")
    start, done = moments[0]
    return text, [1000 * (at - start - PIECE * (number - done)) for at, number in moments]


async def many(service: Service, answers: int, pieces: int) -> None:
    """Many answers at once: none lost, how late their deltas are."""
    await service.script(
        reply="text", options={"text": "word; " * pieces}, delay=PIECE, framing={"piece": 6}, times=answers
    )
    results = await asyncio.gather(*(told(service, pieces) for _ in range(answers)))
    show(f"lag of a delta, {answers} at once", [lag for _, lags in results for lag in lags])
    family = [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]
    backends = sum("postgres: " in " ".join(one.cmdline()) and "idle" in " ".join(one.cmdline()) for one in family)
    print(f"all {answers} answers whole; postgres connections idle or in use: {backends}")


async def cut(service: Service, pieces: int) -> None:
    """A stream that is cut again and again."""
    await service.script(reply="text", options={"text": "word; " * pieces}, delay=PIECE, framing={"piece": 6})
    question = {"content": "Tell me something long, will you?", "use_knowledge": False}
    method, url, last, seen, cuts = "POST", await service.talk(), 0, b"", 0
    while b"event: message.completed" not in seen:
        part = b""
        headers = {**STREAM, **({"Last-Event-ID": str(last)} if last else {})}
        try:
            async with (
                asyncio.timeout(0.3),
                service.http.stream(method, url, json=question if method == "POST" else None, headers=headers) as got,
            ):
                url = got.headers.get("location", url.removesuffix("/stream")) + "/stream"
                async for data in got.aiter_raw():
                    part += data
        except TimeoutError:
            cuts += 1
        method = "GET"
        part = part[: part.rfind(b"\n\n") + 2] if b"\n\n" in part else b""
        ids = [int(line[4:]) for line in part.splitlines() if line.startswith(b"id: ")]
        last, seen = (ids[-1] if ids else last), seen + part
    whole = (await service.http.get(url, headers=STREAM)).content
    print(f"cut {cuts} times; {'the same to the byte' if whole == seen else 'NOT the same'}: {len(whole)} bytes")


def show(what: str, milliseconds: list[float]) -> None:
    """Median and the slow end."""
    ordered = sorted(milliseconds)
    print(
        f"{what}: p50 {statistics.median(ordered):.1f} ms, p95 {ordered[int(0.95 * (len(ordered) - 1))]:.1f} ms, "
        f"longest {ordered[-1]:.1f} ms ({len(ordered)} measured)"
    )


async def measure(questions: int, answers: int, pieces: int) -> None:
    """All of it."""
    async with running() as service:
        await first_tokens(service, questions)
        await many(service, 1, pieces)
        await many(service, answers, pieces)
        await cut(service, pieces)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--pieces", type=int, default=100, help="of each answer, 20 a second")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.questions, arguments.answers, arguments.pieces))
