"""Peers that fall silent, at the product's own times: how long until nobody counts on them any more."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.rooms.engines import Engines
from benchmarks.rooms.town import Town, town, until
from benchmarks.rooms.wire import Client, Wire, open_wire

EACH: Final = 10  # of a kind
PATIENCE: Final = 90.0
GUEST: Final = {"email": "bob@example.org", "password": "correct horse battery", "name": "Bob"}
CONNECTIONS: Final = "readingroom_live_connections"


async def half_open(engines: Engines, folder: Path) -> dict[str, Any]:
    """Sockets that stay open while their peers are silent, and a member on a process that is killed."""
    async with town(engines, folder, "one", "two") as place:
        [room, other] = await place.settle(2)
        guest = await _guest(place)
        left: list[float] = []

        def heard(_: Client, line: bytes) -> None:
            if line.startswith(b'{"type":"presence_diff"') and json.loads(line)["leaves"]:
                left.append(time.monotonic())

        watcher = await Client(heard).open(place.servers["two"].port, place.token)
        await watcher.ask("join", room_id=other)
        ghost = await Client(lambda *_: None).open(place.servers["one"].port, guest)
        await ghost.ask("join", room_id=other)
        silent = [await _silent(place, room) for _ in range(EACH)]
        deaf = [await _silent(place, room) for _ in range(EACH)]
        for wire in deaf:
            wire.pause()
        began = time.monotonic()
        place.servers["one"].stop(kill=True)
        codes = Counter(await asyncio.gather(*(wire.closed for wire in silent)))
        closed = time.monotonic() - began
        while (await place.numbers("two"))[CONNECTIONS] > 1 and time.monotonic() < began + PATIENCE:  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # only the watcher is to be left
        let_go = time.monotonic() - began
        await until(lambda: bool(left), PATIENCE)
        watcher.close()
        for wire in deaf:
            wire.abort()
    return {
        "peers": EACH,
        "silent_closed_after_s": round(closed, 1),
        "silent_close_codes": dict(codes),
        "deaf_let_go_after_s": round(let_go, 1),
        "ghost_gone_after_s": round(left[0] - began, 1) if left else f"not within {PATIENCE:.0f}",
    }


async def _silent(place: Town, room: str) -> Wire:
    """Joined, and never heard of again."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    wire = await open_wire(place.servers["two"].port, lambda _, text: heard.put_nowait(text))
    wire.send(json.dumps({"type": "connect", "id": 1, "token": place.token}).encode())
    wire.send(json.dumps({"type": "join", "id": 2, "room_id": room}).encode())
    while b'"joined"' not in await heard.get():
        pass
    return wire


async def _guest(place: Town) -> str:
    """The token of another member."""
    base = f"http://127.0.0.1:{place.servers['one'].port}/v1"
    async with httpx.AsyncClient(trust_env=False, timeout=30, base_url=base) as http:
        (await http.post("/auth/register", json=GUEST)).raise_for_status()
        pair = (await http.post("/auth/login", json=GUEST)).raise_for_status().json()
        asked = {"email": GUEST["email"], "role": "editor"}
        host = {"Authorization": f"Bearer {place.token}"}
        made = await http.post(f"/workspaces/{place.workspace}/invitations", json=asked, headers=host)
        token = {"token": made.raise_for_status().json()["token"]}
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        (await http.post("/invitations/accept", json=token, headers=bearer)).raise_for_status()
    return str(pair["access_token"])
