"""Minutes of writing while something breaks every twenty seconds: nothing lost, repeated or reordered."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import psutil
import redis.asyncio
from attrs import define, field

from benchmarks.rooms.engines import Engines
from benchmarks.rooms.people import Reader, Writer, check
from benchmarks.rooms.town import Town, town, until

READERS: Final = 21  # in each room, a third on each process
ROOMS: Final = 5
WRITERS: Final = 12
FAULT_EVERY: Final = 20.0
NAMES: Final = ("one", "two", "whole")  # nobody kills the last one: what it holds must not grow


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
            ("kill -9 of process one", lambda: self.place.restart("one", kill=True)),
            ("client kill type pubsub", lambda: command("CLIENT", "KILL", "TYPE", "pubsub")),
            ("kill -9 of valkey", self._kill_valkey),
            ("restart of process two", lambda: self.place.restart("two", kill=False)),
            ("valkey stands still for 4 s", self._still_valkey),
            ("client kill type normal", lambda: command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")),
            ("kill -9 of process two", lambda: self.place.restart("two", kill=True)),
        ]

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


async def _sample(place: Town) -> dict[str, int]:
    """What each process holds, for so many connections."""
    held: dict[str, int] = {}
    for name, server in place.servers.items():
        numbers = await place.numbers(name)
        held |= {
            f"{name}_mb": server.memory // 1_000_000,
            f"{name}_files": server.process.num_fds(),
            f"{name}_tasks": round(numbers["readingroom_asyncio_tasks"]),
            f"{name}_connections": round(numbers["readingroom_live_connections"]),
        }
    return held


async def soak(engines: Engines, folder: Path, *, minutes: float) -> dict[str, Any]:
    """Every fault in turn."""
    async with town(engines, folder, *NAMES) as place, redis.asyncio.Redis.from_url(engines.redis) as engine:
        rooms = await place.settle(ROOMS)
        published: dict[str, dict[int, str]] = {room: {} for room in rooms}
        readers = [Reader(place, room, _order(n)) for room in rooms for n in range(READERS)]
        writers = [Writer(place, rooms, _order(n), published) for n in range(WRITERS)]
        reading = [asyncio.ensure_future(reader.run()) for reader in readers]
        await until(lambda: all(reader.comebacks >= 0 for reader in readers), 30)
        end = time.monotonic() + minutes * 60
        writing = [asyncio.ensure_future(writer.run(end)) for writer in writers]
        faults, samples = Faults(place, engine), []
        while time.monotonic() < end - FAULT_EVERY / 2:
            await asyncio.sleep(FAULT_EVERY / 2)
            samples.append(await _sample(place))
            await faults.next()
            await asyncio.sleep(FAULT_EVERY / 2)
        await asyncio.gather(*writing)
        heads = {room: max(seqs, default=0) for room, seqs in published.items()}
        settled = await until(lambda: all(reader.seen >= heads[reader.room] for reader in readers), 10)
        samples.append(await _sample(place))
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return {
        "minutes": minutes,
        "faults": len(faults.done),
        "published": sum(len(seqs) for seqs in published.values()),
        "retries": sum(writer.retries for writer in writers),
        "comebacks": sum(reader.comebacks for reader in readers),
        **check(readers, writers, published),
        "seconds_until_settled": round(settled, 2),
        "first": samples[0],
        "last": samples[-1],
    }


def _order(number: int) -> tuple[str, ...]:
    first = number % len(NAMES)
    return NAMES[first:] + NAMES[:first]
