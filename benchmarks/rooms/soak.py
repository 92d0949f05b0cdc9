"""Minutes of writing while something breaks every twenty seconds: nothing lost, repeated or reordered."""

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil
import redis.asyncio
from attrs import define, field

from benchmarks.rooms.engines import Engines
from benchmarks.rooms.town import Town, town
from benchmarks.rooms.wire import Client

READERS: Final = 20  # in each room, half on each process
ROOMS: Final = 5
WRITERS: Final = 10
FAULT_EVERY: Final = 20.0


@define(eq=False)
class Reader:
    """Comes back after every loss with `since`, as clients should, and checks each number."""

    place: Town
    room: str
    servers: tuple[str, ...]  # the one that is tried first, and the other
    seen: int = 0
    epoch: str = ""
    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    comebacks: int = -1
    client: Client | None = None
    bodies: dict[int, str] = field(factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """The next event."""
        if event["seq"] <= self.seen:
            self.repeated += 1
        else:
            self.lost += event["seq"] - self.seen - 1
            self.seen = event["seq"]
            self.bodies[event["seq"]] = event["client_msg_id"]

    def heard(self, client: Client, line: bytes) -> None:
        """A push; those of a connection that was given up do not count."""
        if client is self.client and line.startswith(b'{"type":"publication"'):
            self.take(json.loads(line))
        elif client is self.client and line.startswith(b'{"type":"room_left"'):
            client.wire.abort()

    async def run(self) -> None:
        """Until it is cancelled."""
        attempt = 0
        while True:
            with contextlib.suppress(OSError, ConnectionError, RuntimeError, TimeoutError):
                await self._once(self.servers[attempt % len(self.servers)])
            attempt += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 jitter

    async def _once(self, name: str) -> None:
        client = self.client = Client(self._before)
        try:
            async with asyncio.timeout(10):
                await client.open(self.place.servers[name].port, self.place.token)
                since = {"since": {"seq": self.seen, "epoch": self.epoch}} if self.epoch else {}
                joined = await client.ask("join", room_id=self.room, **since)
            client.pushed = self.heard
            if not self.epoch:
                self.epoch, self.seen = joined["epoch"], joined["seq"]
            elif not joined["recovered"]:
                self.wrong += 1
            for event in joined["publications"]:
                self.take(event)
            self.comebacks += 1
            for line in self._early:
                self.heard(client, line)
            self._early.clear()
            await client.wire.closed
        finally:
            self._early.clear()
            client.wire.abort()

    _early: list[bytes] = field(factory=list)

    def _before(self, _: Client, line: bytes) -> None:
        """What is pushed in the step in which the reply comes."""
        self._early.append(line)


@define(eq=False)
class Writer:
    """Sends each message again under its id until it is answered."""

    place: Town
    rooms: list[str]
    servers: tuple[str, ...]
    published: dict[str, dict[int, str]]
    wrong: int = 0
    retries: int = 0

    async def run(self, until: float) -> None:
        """Ten messages a second."""
        client: Client | None = None
        attempt = 0
        while time.monotonic() < until:
            room, client_msg_id = random.choice(self.rooms), str(uuid4())  # noqa: S311 any
            while True:
                try:
                    async with asyncio.timeout(10):
                        if client is None:
                            name = self.servers[attempt % len(self.servers)]
                            server = self.place.servers[name]
                            client = await Client(lambda *_: None).open(server.port, self.place.token)
                        reply = await client.publish(room, {"pad": "x" * 100}, client_msg_id)
                    break
                except (OSError, ConnectionError, TimeoutError, RuntimeError):
                    attempt, self.retries, client = attempt + 1, self.retries + 1, None
                    await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 jitter
            known = self.published[room].setdefault(reply["seq"], client_msg_id)
            self.wrong += known != client_msg_id
            await asyncio.sleep(0.1)
        if client is not None:
            client.wire.abort()


@define(eq=False)
class Faults:
    """What breaks, one after the other."""

    place: Town
    engine: redis.asyncio.Redis
    done: list[str] = field(factory=list)

    async def next(self) -> None:
        """Break the next thing; what it returns from has happened, and may go on hurting."""
        name, fault = self._all()[len(self.done) % len(self._all())]
        with contextlib.suppress(redis.RedisError, OSError):
            await fault()
        self.done.append(name)

    def _all(self) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
        command = self.engine.execute_command
        return [
            ("flushall", self.engine.flushall),
            ("kill -9 of process one", lambda: self._restart("one", kill=True)),
            ("client kill type pubsub", lambda: command("CLIENT", "KILL", "TYPE", "pubsub")),
            ("kill -9 of valkey", self._kill_valkey),
            ("restart of process two", lambda: self._restart("two", kill=False)),
            ("valkey stands still for 4 s", self._still_valkey),
            ("client kill type normal", lambda: command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")),
            ("kill -9 of process two", lambda: self._restart("two", kill=True)),
        ]

    async def _restart(self, name: str, *, kill: bool) -> None:
        await asyncio.to_thread(self.place.servers[name].stop, kill=kill)
        await self.place.start(name)

    async def _kill_valkey(self) -> None:
        """Its supervisor starts it again, empty."""
        _valkey().kill()

    async def _still_valkey(self) -> None:
        process = _valkey()
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4)
        process.send_signal(signal.SIGCONT)


def _valkey() -> psutil.Process:
    mine = psutil.Process(os.getpid()).children(recursive=True)
    return next(child for child in mine if "valkey" in child.name())


def _sample(place: Town) -> dict[str, int]:
    sizes = {f"{name}_mb": server.memory // 1_000_000 for name, server in place.servers.items()}
    return sizes | {f"{name}_files": server.process.num_fds() for name, server in place.servers.items()}


async def _until(holds: Callable[[], bool], seconds: float) -> float:
    """How long it took, or those seconds."""
    began = time.monotonic()
    while not holds() and time.monotonic() < began + seconds:  # noqa: ASYNC110 a poll with a deadline
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def soak(engines: Engines, folder: Path, *, minutes: float) -> dict[str, Any]:
    """Every fault in turn."""
    async with town(engines, folder, "one", "two") as place, redis.asyncio.Redis.from_url(engines.redis) as engine:
        rooms = await place.settle(ROOMS)
        published: dict[str, dict[int, str]] = {room: {} for room in rooms}
        readers = [Reader(place, room, _order(n)) for room in rooms for n in range(READERS)]
        writers = [Writer(place, rooms, _order(n), published) for n in range(WRITERS)]
        reading = [asyncio.ensure_future(reader.run()) for reader in readers]
        await _until(lambda: all(reader.comebacks >= 0 for reader in readers), 30)
        until = time.monotonic() + minutes * 60
        writing = [asyncio.ensure_future(writer.run(until)) for writer in writers]
        faults, samples = Faults(place, engine), []
        while time.monotonic() < until - FAULT_EVERY / 2:
            await asyncio.sleep(FAULT_EVERY / 2)
            samples.append(_sample(place))
            await faults.next()
            await asyncio.sleep(FAULT_EVERY / 2)
        await asyncio.gather(*writing)
        heads = {room: max(seqs, default=0) for room, seqs in published.items()}
        settled = await _until(lambda: all(reader.seen >= heads[reader.room] for reader in readers), 10)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return {
        "minutes": minutes,
        "faults": len(faults.done),
        "published": sum(len(seqs) for seqs in published.values()),
        "retries": sum(writer.retries for writer in writers),
        "comebacks": sum(reader.comebacks for reader in readers),
        "lost": sum(reader.lost + max(0, heads[reader.room] - reader.seen) for reader in readers),
        "repeated": sum(reader.repeated for reader in readers),
        "reordered": sum(_others(reader, published[reader.room]) for reader in readers),
        "answered_with_another_number": sum(writer.wrong for writer in writers),
        "not_recovered": sum(reader.wrong for reader in readers),
        "rooms_with_gaps": sum(set(seqs) != set(range(1, heads[room] + 1)) for room, seqs in published.items()),
        "seconds_until_settled": round(settled, 2),
        "first": samples[0],
        "last": samples[-1],
    }


def _order(number: int) -> tuple[str, str]:
    return ("one", "two") if number % 2 else ("two", "one")


def _others(reader: Reader, published: dict[int, str]) -> int:
    """Events that stand elsewhere than their writer was told."""
    return sum(published.get(seq, body) != body for seq, body in reader.bodies.items())
