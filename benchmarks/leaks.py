"""Restricted collections in the whole product: everybody asks about everything while rights change, and hears rooms.

    python -m benchmarks.leaks [--steps 150] [--seed 1]

A server with its engines and its worker; an owner, two editors and two viewers; shelves that open and close, readers
that come and go, documents that move, answers that stream, rooms that are listened to over WebSocket. Every answer and
every frame is looked through for what that person may not read at the time. Ends with 1 when something showed.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

import httpx
from attrs import define
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.program import serving, short_directory
from tests.http.restricted import Person, Town

ROLES: Final = {"ada": "owner", "eve": "editor", "max": "editor", "joe": "viewer", "kim": "viewer"}
WRITERS: Final = ("ada", "eve", "max")
ASK_EVERY: Final = 5  # steps between two questions in a room
CITATION: Final = "answer_citation"
SETTLED: Final = {"ready", "failed"}


async def member(http: httpx.AsyncClient, name: str) -> tuple[str, dict[str, Any]]:
    """A token and the profile."""
    account = {"email": f"{name}@example.org", "password": secrets.token_urlsafe(16), "name": name}
    (await http.post("/v1/auth/register", json=account)).raise_for_status()
    token = (await http.post("/v1/auth/login", json=account)).raise_for_status().json()["access_token"]
    me = await http.get("/v1/me", headers=bearer(token))
    return token, me.raise_for_status().json()


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


async def call(http: httpx.AsyncClient, base: str, token: str, method: str, path: str, **more: Any) -> httpx.Response:
    """As somebody, inside the workspace."""
    return await http.request(method, f"{base}/{path}", headers=bearer(token) | more.pop("headers", {}), **more)


async def people_of(http: httpx.AsyncClient) -> tuple[list[Person], dict[str, str], str]:
    """Everybody as members of the owner's workspace, their tokens, and its path."""
    found: list[Person] = []
    tokens: dict[str, str] = {}
    base = ""
    for name, role in ROLES.items():
        token, me = await member(http, name)
        tokens[name] = token
        if not base:
            base = f"/v1/workspaces/{me['workspaces'][0]['id']}"
        else:
            body = {"email": me["email"], "role": role}
            invited = await http.post(f"{base}/invitations", json=body, headers=bearer(tokens["ada"]))
            accepted = {"token": invited.raise_for_status().json()["token"]}
            (await http.post("/v1/invitations/accept", json=accepted, headers=bearer(token))).raise_for_status()
        found.append(Person(name, me["id"], is_admin=role == "owner", call=partial(call, http, base, token)))
    return found, tokens, base


def settling(http: httpx.AsyncClient, base: str, token: str) -> Callable[[], Awaitable[None]]:
    """Wait until no document is being read."""

    async def settle() -> None:
        while True:
            answer = await call(http, base, token, "GET", "documents", params={"limit": 200})
            if all(each["status"] in SETTLED for each in answer.raise_for_status().json()["items"]):
                return
            await asyncio.sleep(0.1)

    return settle


@define(eq=False)
class Ear:
    """All frames that somebody is sent, and how many of them were looked at."""

    frames: list[str]
    socket: ClientConnection
    looked_at: int = 0

    def news(self) -> list[str]:
        """What came since."""
        new = self.frames[self.looked_at :]
        self.looked_at += len(new)
        return new

    async def ask(self, room: str) -> None:
        """For an answer that everybody in the room follows."""
        question = {"room_id": room, "client_msg_id": str(uuid4()), "content": "Where does the heron stand?"}
        await self.socket.send(json.dumps({"id": 99, "type": "ask", **question}))


@asynccontextmanager
async def hearing(url: str, token: str, rooms: list[str]) -> AsyncIterator[Ear]:
    """In these rooms."""
    frames: list[str] = []
    async with connect(f"{url.replace('http', 'ws')}/v1/ws", subprotocols=["rooms.v1"], proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(f'{{"id": 1, "type": "connect", "token": "{token}"}}')
        for number, room in enumerate(rooms, start=2):
            await socket.send(f'{{"id": {number}, "type": "join", "room_id": "{room}"}}')

        async def listen() -> None:
            async for frame in socket:
                frames.extend(str(frame).splitlines())
                if '"type":"ping"' in str(frame).replace(" ", ""):
                    await socket.send('{"type": "pong"}')

        task = asyncio.create_task(listen())
        try:
            yield Ear(frames, socket)
        finally:
            task.cancel()


def hidden_of(town: Town, person: Person) -> set[str]:
    """Ids, and names, which are of two words."""
    return set(town.hidden(person, words=False))


async def measure(url: str, steps: int, seed: int) -> Town:
    """The town after so many steps."""
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http, AsyncExitStack() as stack:
        people, tokens, base = await people_of(http)
        town = Town(people, random.Random(seed), settling(http, base, tokens["ada"]))  # noqa: S311 a repeatable one
        await town.begin()
        ears = {
            each.name: await stack.enter_async_context(hearing(url, tokens[each.name], town.rooms)) for each in people
        }
        frames = 0
        for number in range(steps):
            before = {each.name: hidden_of(town, each) for each in people}
            if number % ASK_EVERY == 0:
                await ears[town.chance.choice(WRITERS)].ask(town.chance.choice(town.rooms))
            await town.step()
            for each in people:
                hidden = before[each.name] & hidden_of(town, each)  # before and after the step
                for frame in ears[each.name].news():
                    frames += 1
                    # an answer's text is for the whole room, and events name documents by ids
                    looked_for = hidden if CITATION in frame else {mark for mark in hidden if " " in mark}
                    town.leaks += [f"{each.name} heard {frame[:300]}"] if any(m in frame for m in looked_for) else []
    print(f"{steps} steps, {town.probes} answers and {frames} frames looked through, {len(town.papers)} documents")
    return town


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    env = {"READINGROOM_RATE_LIMITS": "off", "READINGROOM_ANSWERS_PER_USER": "1000"}
    with short_directory() as root, serving(root / "data", env=env) as server:
        town = asyncio.run(measure(server.url, asked.steps, asked.seed))
    print("\n".join(town.leaks) or "nothing showed")
    return 1 if town.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
