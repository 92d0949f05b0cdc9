"""Two API processes on shared engines; the one that writes is killed, or its Redis connections are."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis.asyncio
from attrs import frozen

from entrypoints import api_process
from tests.claude_emulator.scenarios import Framing, Scenario
from tests.claude_emulator.server import ClaudeEmulator
from tests.conftest import QdrantServer
from tests.http.checker import events
from tests.websocket.client import Client, connected

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

TEXT = " ".join(f"word{n}" for n in range(400))
STREAM = {"Accept": "text/event-stream"}
START_TIMEOUT = 60.0


@frozen
class Api:
    """An API process and a client of it."""

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient


StartApi = Callable[[], Awaitable[Api]]


@pytest.fixture
async def start_api(
    migrated_database: str,
    clean_redis_url: str,
    qdrant_server: QdrantServer,
    claude_emulator: ClaudeEmulator,
    claude_key: str,
    tmp_path: Path,
) -> AsyncIterator[StartApi]:
    """Starts API processes on the same engines and leaves none behind."""
    started: list[Api] = []
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("READINGROOM_", "ANTHROPIC_"))},
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "READINGROOM_DATA_DIR": str(tmp_path),
        "READINGROOM_DATABASE_URL": migrated_database,
        "READINGROOM_REDIS_URL": clean_redis_url,
        "READINGROOM_QDRANT_URL": qdrant_server.url,
        "READINGROOM_QDRANT_API_KEY": qdrant_server.key or "",
        "READINGROOM_EMBEDDING_URL": "http://127.0.0.1:1",
        "READINGROOM_EMBEDDING_DIMENSIONS": "384",
        "READINGROOM_SECRET_KEY": secrets.token_hex(32),
        "READINGROOM_REGISTRATION": "open",
        "ANTHROPIC_API_KEY": claude_key,
        "ANTHROPIC_BASE_URL": claude_emulator.url,
    }

    async def start() -> Api:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.set_inheritable(True)
            address, port = listening.getsockname()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                api_process.__name__,
                "--fd",
                str(listening.fileno()),
                env=env,
                pass_fds=(listening.fileno(),),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        http = httpx.AsyncClient(base_url=f"http://{address}:{port}", trust_env=False, timeout=30)
        api = Api(process, http)
        started.append(api)
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                try:
                    if (await http.get("/healthz")).is_success:
                        return api
                except httpx.TransportError:
                    await asyncio.sleep(0.1)

    yield start
    for api in started:
        await api.http.aclose()
        if api.process.returncode is None:
            api.process.kill()
        await api.process.wait()


async def register(api: Api) -> tuple[dict[str, str], str]:
    """Headers and the path of a workspace."""
    account = {"email": "ada@example.org", "password": "correct horse battery", "name": "Ada"}
    workspace = (await api.http.post("/v1/auth/register", json=account)).raise_for_status().json()["workspace"]["id"]
    pair = (await api.http.post("/v1/auth/login", json=account)).raise_for_status().json()
    return {"Authorization": f"Bearer {pair['access_token']}"}, f"/v1/workspaces/{workspace}"


async def begin(api: Api) -> tuple[dict[str, str], str, str]:
    """Register, ask, and leave at the first words: headers, the answer's path, what was told."""
    headers, path = await register(api)
    talk = (await api.http.post(f"{path}/conversations", json={}, headers=headers)).raise_for_status().json()["id"]
    url = f"{path}/conversations/{talk}/messages"
    question = {"content": "Tell me a long story, will you?", "use_knowledge": False}
    stream = api.http.stream("POST", url, json=question, headers={**headers, **STREAM})
    seen, location = await until_words(stream)
    return headers, location, seen


async def until_words(stream: AbstractAsyncContextManager[httpx.Response]) -> tuple[str, str]:
    """What a stream tells until the first words came, and the path of its answer."""
    seen = ""
    async with stream as response:
        async for piece in response.aiter_text():
            seen += piece
            if "word30" in seen:
                return seen, response.headers.get("location", "")
    raise AssertionError(seen)


def socket_of(api: Api, headers: dict[str, str]) -> AbstractAsyncContextManager[Client]:
    """A connection to rooms."""
    url = f"ws://{api.http.base_url.host}:{api.http.base_url.port}/v1/ws"
    return connected(url, headers["Authorization"].removeprefix("Bearer "))


async def read(api: Api, path: str, headers: dict[str, str], last: int = 0) -> list[tuple[int, str, Any]]:
    more = {"Last-Event-ID": str(last)} if last else {}
    response = await api.http.get(f"{path}/stream", headers={**headers, **more})
    return events(response.raise_for_status().text)


def whole_events(seen: str) -> list[tuple[int, str, Any]]:
    return events(seen[: seen.rindex("\n\n") + 2])


def said(told: list[tuple[int, str, Any]]) -> str:
    return "".join(data["text"] for _, name, data in told if name == "content.delta")


async def test_the_answer_of_a_killed_process_is_ended(
    start_api: StartApi, claude_emulator: ClaudeEmulator, claude_key: str
) -> None:
    """Within 15 seconds readers and the room on another process are told the end; nothing that was seen is lost."""
    claude_emulator.script(claude_key, Scenario(reply="text", options={"text": TEXT}, delay=0.03))
    writer, other = await asyncio.gather(start_api(), start_api())
    headers, path = await register(writer)
    room = (await writer.http.post(f"{path}/rooms", json={"name": "Stories"}, headers=headers)).json()["id"]
    async with socket_of(other, headers) as listener:
        await listener.ask("join", room_id=room)
        async with socket_of(writer, headers) as asker:
            await asker.ask("ask", room_id=room, client_msg_id=str(uuid4()), content="Tell me a long story, will you?")
            await listener.until(lambda client: len(client.of("publication")) == 2)
            path += f"/messages/{listener.of('publication')[1]['data']['message_id']}"
            seen, _ = await until_words(writer.http.stream("GET", f"{path}/stream", headers=headers))
            reading = asyncio.create_task(read(other, path, headers))
            await asyncio.sleep(0.2)
            writer.process.send_signal(signal.SIGKILL)
        killed_at = asyncio.get_running_loop().time()
        told = await reading
        await listener.until(lambda client: client.of("answer_end") and len(client.of("publication")) == 3, 5)
        late = await other.http.get(path, headers=headers)

    assert asyncio.get_running_loop().time() - killed_at < 15
    assert (told[-1][1], told[-1][2]["error"]["code"]) == ("message.failed", "interrupted")
    first = whole_events(seen)
    assert first == told[: len(first)]
    message = late.json()
    assert (message["status"], message["content"]) == ("interrupted", said(told))
    assert told[5:] == await read(other, path, headers, last=5)
    assert json.dumps(message) == json.dumps(told[-1][2]["message"])
    [end], [_, started, completed] = listener.of("answer_end"), listener.of("publication")
    assert (end["status"], end["offset"]) == ("interrupted", len(listener.of("answer_delta")))
    assert "".join(delta["text"] for delta in listener.of("answer_delta")) == message["content"]
    assert completed["data"] == {**started["data"], "status": "interrupted"}


async def test_an_emptied_redis_costs_nobody_a_word(
    start_api: StartApi, claude_emulator: ClaudeEmulator, claude_key: str, clean_redis_url: str
) -> None:
    """What Redis forgets in the middle of an answer is given to it again; readers elsewhere resume to the letter."""
    claude_emulator.script(
        claude_key, Scenario(reply="text", options={"text": TEXT}, framing=Framing(piece=8), delay=0.01)
    )
    writer, other = await asyncio.gather(start_api(), start_api())
    headers, path, seen = await begin(writer)
    async with redis.asyncio.Redis.from_url(clean_redis_url) as client:
        await client.flushdb()
    first = whole_events(seen)

    rest = await read(other, path, headers, last=first[-1][0])

    assert [number for number, _, _ in first + rest] == list(range(1, len(first + rest) + 1))
    assert rest[-1][1] == "message.completed"
    assert rest[-1][2]["message"]["content"] == said(first + rest) == TEXT
    assert first + rest == await read(writer, path, headers)
