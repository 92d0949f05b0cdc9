"""`readingroom serve` with two API processes behind one address, which are replaced while people write and read."""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from attrs import frozen

from benchmarks.rooms.people import Reader, Writer, check
from benchmarks.rooms.town import CLIENT_CORE, until
from tests.e2e.program import Server, serving

READERS: Final = 40
WRITERS: Final = 10
ADDRESS: Final = "address"
ACCOUNT: Final = {"email": "rita@example.org", "password": "correct horse battery", "name": "Rita"}


@frozen
class Spot:
    """An address of this machine."""

    port: int


@frozen
class House:
    """A running `serve`, and an account that writes in its room."""

    port: int
    token: str
    room: str

    @property
    def servers(self) -> dict[str, Spot]:
        """One address for all processes."""
        return {ADDRESS: Spot(self.port)}

    @classmethod
    def settle(cls, url: str) -> "House":
        """Register, log in and make a room."""
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
            made = http.post("/v1/auth/register", json=ACCOUNT).raise_for_status().json()
            pair = http.post("/v1/auth/login", json=ACCOUNT).raise_for_status().json()
            bearer = {"Authorization": f"Bearer {pair['access_token']}"}
            path = f"/v1/workspaces/{made['workspace']['id']}/rooms"
            room = http.post(path, json={"name": "Rolling"}, headers=bearer).raise_for_status().json()
        return cls(httpx.URL(url).port or 80, pair["access_token"], room["id"])


def api_processes(server: Server) -> set[int]:
    """Process ids of those that take requests."""
    return {member.pid for member in server.family() if _is_api(member)}


def _is_api(process: psutil.Process) -> bool:
    try:
        return "--peers" in process.cmdline()
    except psutil.Error:
        return False


async def restart_while_used(
    server: Server, house: House, *, restarts: int = 1, readers: int = READERS, writers: int = WRITERS
) -> dict[str, Any]:
    """Replace all processes so many times; what readers and writers saw of it."""
    published: dict[str, dict[int, str]] = {house.room: {}}
    crowd = [Reader(house, house.room, (ADDRESS,)) for _ in range(readers)]
    authors = [Writer(house, [house.room], (ADDRESS,), published, pause=0.02) for _ in range(writers)]
    tasks = [asyncio.ensure_future(reader.run()) for reader in crowd]
    await until(lambda: all(reader.comebacks >= 0 for reader in crowd), 30)
    writing = [asyncio.ensure_future(author.run()) for author in authors]
    began = time.monotonic()
    replaced = 0
    for _ in range(restarts):
        before = api_processes(server)
        os.kill(server.process.pid, signal.SIGHUP)
        await until(lambda before=before: len(now := api_processes(server)) == len(before) and not now & before, 120)
        replaced += len(api_processes(server) - before)
    took = time.monotonic() - began
    for author in authors:
        author.is_done = True
    await asyncio.gather(*writing)
    head = max(published[house.room], default=0)
    settled = await until(lambda: all(reader.seen >= head for reader in crowd), 20)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "processes_replaced": replaced,
        "seconds": round(took, 1),
        "published": len(published[house.room]),
        "retries": sum(author.retries for author in authors),
        "refused": sum(author.refused for author in authors),
        "comebacks": sum(reader.comebacks for reader in crowd),
        "close_codes": dict(sum((reader.codes for reader in crowd), Counter())),
        "not_let_in": sum(reader.turned_away for reader in crowd),
        **check(crowd, authors, published),
        "seconds_until_settled": round(settled, 2),
    }


async def rolling(*, restarts: int) -> dict[str, Any]:
    """With the engines that are brought along."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with tempfile.TemporaryDirectory(prefix="rr-") as folder, serving(Path(folder) / "d", "--workers", "2") as server:
        os.sched_setaffinity(0, {CLIENT_CORE})
        return await restart_while_used(server, House.settle(server.url), restarts=restarts)
