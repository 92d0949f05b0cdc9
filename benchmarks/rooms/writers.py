"""Thousands of publishes by twenty writers, with retries, transactions that are rolled back, and processes killed."""

import asyncio
import itertools
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import asyncpg

from benchmarks.rooms.engines import Engines
from benchmarks.rooms.people import Reader, Writer, check
from benchmarks.rooms.town import Town, town, until

WRITERS: Final = 20
ROOMS: Final = 3
READERS: Final = 4  # in each room
FAULT_EVERY: Final = 1.5
AGAIN_EVERY: Final = 10  # each writer's tenth message is sent twice
NAMES: Final = ("one", "two")
# One transaction in twenty fails after the room's number was raised, as a deadlock would let it.
ROLLING_BACK: Final = """
    CREATE FUNCTION fail_now_and_then() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF random() < 0.05 THEN RAISE EXCEPTION 'rolled back' USING ERRCODE = 'serialization_failure'; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER now_and_then AFTER INSERT ON room_events FOR EACH STATEMENT EXECUTE FUNCTION fail_now_and_then();
"""
CUTTING: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database() AND state <> 'idle'
"""


async def _break(place: Town, database: "asyncpg.Connection[Any]", done: list[str]) -> None:
    """Each process in turn is killed; while it starts again, the transactions of the other one are cut off."""
    for name in itertools.cycle(NAMES):
        await asyncio.sleep(FAULT_EVERY)
        starting = asyncio.ensure_future(place.restart(name, kill=True))
        done.append(f"{name} killed")
        while not starting.done():
            await asyncio.sleep(FAULT_EVERY / 2)
            await database.execute(CUTTING)
            done.append("transactions cut off")
        await starting


async def twenty_writers(engines: Engines, folder: Path, *, publishes: int) -> dict[str, Any]:
    """Two processes; every reader must have seen everything once and in order."""
    database = await asyncpg.connect(engines.database.replace("+asyncpg", ""))
    try:
        async with town(engines, folder, *NAMES, log_level="error") as place:
            rooms = await place.settle(ROOMS)
            await database.execute(ROLLING_BACK)
            published: dict[str, dict[int, str]] = {room: {} for room in rooms}
            readers = [Reader(place, room, _order(n)) for room in rooms for n in range(READERS)]
            writers = [
                Writer(place, rooms, _order(n), published, again_every=AGAIN_EVERY, pause=0) for n in range(WRITERS)
            ]
            reading = [asyncio.ensure_future(reader.run()) for reader in readers]
            await until(lambda: all(reader.comebacks >= 0 for reader in readers), 30)
            faults: list[str] = []
            breaking = asyncio.ensure_future(_break(place, database, faults))
            began = time.monotonic()
            each = -(-publishes // WRITERS)
            await asyncio.gather(*(writer.run(count=each) for writer in writers))
            took = time.monotonic() - began
            breaking.cancel()
            with suppress(asyncio.CancelledError):
                await breaking
            heads = {room: max(seqs, default=0) for room, seqs in published.items()}
            settled = await until(lambda: all(reader.seen >= heads[reader.room] for reader in readers), 20)
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
    finally:
        await database.close()
    return {
        "publishes": sum(len(seqs) for seqs in published.values()),
        "seconds": round(took, 1),
        "faults": dict(Counter(faults)),
        "retries": sum(writer.retries for writer in writers),
        "refused": sum(writer.refused for writer in writers),
        "sent_twice": sum(writer.repeats for writer in writers),
        "comebacks": sum(reader.comebacks for reader in readers),
        **check(readers, writers, published),
        "seconds_until_settled": round(settled, 2),
    }


def _order(number: int) -> tuple[str, ...]:
    return NAMES if number % 2 else NAMES[::-1]
