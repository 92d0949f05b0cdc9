"""What is measured of rooms, one function a number."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from adapters.embedded import postgres
from benchmarks.rooms import plain
from benchmarks.rooms.engines import Engines
from benchmarks.rooms.town import SERVER_CORE, Server, Town, listen, percentile, start, town
from benchmarks.rooms.wire import Client, Wire, open_wire

FAN_OUT: Final = 200  # clients
FRAME: Final = 200  # bytes that each of them is sent
IN_FLIGHT: Final = 32
WRITERS: Final = 40
PLAIN: Final = Path(plain.__file__)
STATEMENT: Final = """\
\\set room random(1, {rooms})
WITH raised AS (UPDATE rooms SET last_seq = last_seq + 1 WHERE id = (:'ids'::uuid[])[:room]
    RETURNING workspace_id, id, last_seq)
INSERT INTO room_events (workspace_id, room_id, seq, kind, sender_id, sender_name, client_msg_id, digest, data,
    created_at)
SELECT workspace_id, id, last_seq, 'update', NULL, 'bench', gen_random_uuid(), decode('00', 'hex'), '{data}', now()
FROM raised;
"""


class Crowd:
    """Counts what all clients are sent; each frame that the first of them is sent lets one more be said."""

    def __init__(self) -> None:
        self.count = 0
        self.said = 0
        self.say: Any = None
        self.first: Any = None

    def heard(self, who: Any, frames: int = 1) -> None:
        """One of them was sent so many."""
        self.count += frames
        if who is self.first:
            for _ in range(frames):
                self.said += 1
                self.say(self.said % FAN_OUT)

    async def measure(self, server: Server, seconds: float) -> dict[str, float]:
        """Deliveries a second, and the processor time of one."""
        for number in range(IN_FLIGHT):
            self.say(number)
        await asyncio.sleep(1)
        count, cpu, began = self.count, server.cpu, time.perf_counter()
        await asyncio.sleep(seconds)
        took, cpu, count = time.perf_counter() - began, server.cpu - cpu, self.count - count
        return {"deliveries_per_second": round(count / took), "cpu_us": round(cpu / count * 1e6, 2)}


async def fan_out(engines: Engines, folder: Path, *, seconds: float, socketio: str) -> dict[str, Any]:
    """One process, 200 clients: what one says all are sent."""
    results: dict[str, Any] = {}
    async with town(engines, folder, "one") as place:
        results["rooms"] = await _fan_out_of_rooms(place, seconds)
        results["bare"] = await _fan_out_of("bare", sys.executable, seconds)
        there = subprocess.run([socketio, "-c", "import socketio"], check=False, capture_output=True)  # noqa: ASYNC221
        if there.returncode == 0:
            results["socketio"] = await _fan_out_of("socketio", socketio, seconds)
    ours = results["rooms"]["deliveries_per_second"]
    results["of_bare"] = round(ours / results["bare"]["deliveries_per_second"], 2)
    if "socketio" in results:
        results["times_socketio"] = round(ours / results["socketio"]["deliveries_per_second"], 2)
    else:
        results["times_socketio"] = "python-socketio is not installed: --socketio names a Python that has it"
    return results


async def _fan_out_of_rooms(place: Town, seconds: float) -> dict[str, float]:
    [room] = await place.settle(1)
    crowd = Crowd()
    clients = [Client(lambda *_: None) for _ in range(FAN_OUT)]
    for client in clients:
        await client.open(place.servers["one"].port, place.token)
        await client.ask("join", room_id=room)
    crowd.first = clients[0].wire
    for client in clients:
        client.wire.heard = lambda wire, text: crowd.heard(wire, text.count(b"\n") + 1)
    around = len(json.dumps({"type": "signal", "room_id": room, "name": "x", "sender": _sender(), "data": ""}))
    say = json.dumps({"type": "signal", "room_id": room, "name": "x", "data": "x" * max(1, FRAME - around)}).encode()
    crowd.say = lambda number: clients[number].wire.send(say)
    measured = await crowd.measure(place.servers["one"], seconds)
    for client in clients:
        client.wire.abort()
    return measured


def _sender() -> dict[str, str]:
    return {"id": str(uuid4()), "name": "Ada"}


async def _fan_out_of(kind: str, python: str, seconds: float) -> dict[str, float]:
    listening = listen()
    server = start(listening, [python, str(PLAIN), kind])
    crowd = Crowd()
    path = "/socket.io/?EIO=4&transport=websocket" if kind == "socketio" else "/"

    def heard(wire: Wire, text: bytes) -> None:
        if kind == "socketio" and not text.startswith(b"42"):
            wire.send({b"0": b"40", b"2": b"3"}.get(text[:1], b"3"))
        else:
            crowd.heard(wire)

    try:
        async with asyncio.timeout(30):
            wires: list[Wire] = []
            while len(wires) < FAN_OUT:
                try:
                    wires.append(await open_wire(server.port, heard, path=path, protocol=""))
                except OSError:
                    await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        crowd.first = wires[0]
        text = b'42["m","' + b"x" * (FRAME - 10) + b'"]' if kind == "socketio" else b"x" * FRAME
        crowd.say = lambda number: wires[number].send(text)
        return await crowd.measure(server, seconds)
    finally:
        server.stop(kill=True)
        listening.close()


async def latency(engines: Engines, folder: Path, *, seconds: float) -> dict[str, Any]:
    """Two processes and Redis, ten rooms of forty, a hundred stored messages a second: from publish to receive."""
    took: list[float] = []

    def heard(_: Client, line: bytes) -> None:
        if line.startswith(b'{"type":"publication"'):
            took.append(time.perf_counter() - json.loads(line)["data"]["at"])

    async with town(engines, folder, "one", "two") as place:
        rooms = await place.settle(10)
        clients: list[Client] = []
        for number in range(400):
            name = "one" if number % 2 else "two"
            client = await Client(heard).open(place.servers[name].port, place.token)
            await client.ask("join", room_id=rooms[number % 10])
            clients.append(client)
        began, sent = time.perf_counter(), 0
        answers: list[asyncio.Task[Any]] = []
        while (now := time.perf_counter()) < began + seconds:
            while sent < (now - began) * 100:
                sent += 1
                writer, room = clients[(sent * 7) % 400], rooms[(sent * 7) % 10]
                data = {"at": time.perf_counter(), "pad": "x" * 100}
                answers.append(asyncio.ensure_future(writer.publish(room, data)))
            await asyncio.sleep(0.002)
        await asyncio.gather(*answers)
        await asyncio.sleep(1)
    return {
        "published": sent,
        "received": len(took),
        "of_expected": round(len(took) / (sent * 40), 4),
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
        "max_ms": percentile(took, 1),
    }


async def publishing(engines: Engines, folder: Path, *, seconds: float) -> dict[str, Any]:
    """Stored publishes a second through one process, and the bare statement's in pgbench on the same database."""
    results: dict[str, Any] = {}
    async with town(engines, folder, "one") as place:
        rooms = await place.settle(100)
        clients = [await Client(lambda *_: None).open(place.servers["one"].port, place.token) for _ in range(WRITERS)]
        for label, chosen in (("hot_room", rooms[:1]), ("100_rooms", rooms)):
            mine = [chosen[number % len(chosen) :: WRITERS] for number in range(WRITERS)]
            pairs = list(zip(clients, mine, strict=True))
            await asyncio.gather(*(_write(client, rooms_of, 0) for client, rooms_of in pairs))
            cpu, until = place.servers["one"].cpu, time.perf_counter() + seconds
            done = sum(await asyncio.gather(*(_write(client, rooms_of, until) for client, rooms_of in pairs)))
            cpu = place.servers["one"].cpu - cpu
            bare = await asyncio.to_thread(_pgbench, engines, folder, chosen, seconds)
            rate = done / seconds
            results[label] = {
                "publishes_per_second": round(rate),
                "cpu_us": round(cpu / done * 1e6),
                "statement_per_second": round(bare),
                "ratio": round(rate / bare, 2),
            }
    return results


async def _write(client: Client, rooms: list[str], until: float) -> int:
    """One after the other: once into each room, and on until that time; how many."""
    for done in count(1):
        await client.publish(rooms[done % len(rooms)], {"pad": "x" * 100})
        if done >= len(rooms) and time.perf_counter() >= until:
            break
    return done


def _pgbench(engines: Engines, folder: Path, rooms: list[str], seconds: float) -> float:
    script = folder / "append.sql"
    ids = "{" + ",".join(rooms) + "}"
    data = json.dumps({"pad": "x" * 100})
    script.write_text(STATEMENT.format(rooms=len(rooms), data=data).replace(":'ids'", f"'{ids}'"))
    command = [str(postgres.program("pgbench")), "-n", "-M", "prepared", "-c", "20", "-j", "1"]
    command += ["-T", str(max(1, round(seconds))), "-f", str(script), engines.database]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("tps")]
    if not lines:
        raise RuntimeError(ran.stderr)
    return float(lines[0].split()[2])


async def memory(engines: Engines, folder: Path, *, connections: int = 2000) -> dict[str, Any]:
    """What a connection that reads a room and is told nothing holds."""
    async with town(engines, folder, "one") as place:
        rooms = await place.settle(10)
        server = place.servers["one"]
        async with _crowd(place, "one", 50, rooms):  # what is loaded once
            pass
        await asyncio.sleep(1)
        before = server.memory
        async with _crowd(place, "one", connections, rooms):
            await asyncio.sleep(3)
            after = server.memory
    return {"connections": connections, "kb_each": round((after - before) / connections / 1000, 1)}


@contextlib.asynccontextmanager
async def _crowd(place: Town, name: str, count: int, rooms: list[str]) -> AsyncIterator[list[Client]]:
    async def one(number: int) -> Client:
        client = await Client(lambda *_: None).open(place.servers[name].port, place.token)
        await client.ask("join", room_id=rooms[number % len(rooms)])
        return client

    clients: list[Client] = []
    for start_at in range(0, count, 50):
        clients += await asyncio.gather(*(one(n) for n in range(start_at, min(count, start_at + 50))))
    try:
        yield clients
    finally:
        for client in clients:
            client.wire.abort()


async def reconnecting(engines: Engines, folder: Path, *, connections: int = 1000) -> dict[str, Any]:
    """A process is killed; a hundred events later all its clients come back at once."""
    async with town(engines, folder, "one", "two") as place:
        rooms = await place.settle(10)
        async with _crowd(place, "one", connections, rooms) as clients:
            port = place.servers["two"].port
            writers = [await Client(lambda *_: None).open(port, place.token) for _ in rooms]
            since = [(await writers[0].ask("history", room_id=room, limit=1)) for room in rooms]
            place.servers["one"].stop(kill=True)
            await asyncio.gather(*(client.wire.closed for client in clients))
        for _ in range(100):
            said = zip(writers, rooms, strict=True)
            await asyncio.gather(*(writer.publish(room, {"pad": "x" * 100}) for writer, room in said))
        await place.start("one")
        began = time.perf_counter()
        took: list[float] = []
        recovered = 0

        async def again(number: int) -> None:
            nonlocal recovered
            at = number % len(rooms)
            client = await Client(lambda *_: None).open(place.servers["one"].port, place.token)
            position = {"seq": since[at]["seq"], "epoch": since[at]["epoch"]}
            joined = await client.ask("join", room_id=rooms[at], since=position)
            seqs = [event["seq"] for event in joined["publications"]]
            recovered += joined["recovered"] and seqs == list(range(position["seq"] + 1, position["seq"] + 101))
            took.append(time.perf_counter() - began)

        await asyncio.gather(*(again(n) for n in range(connections)))
        reads = (await place.numbers("one"))['readingroom_live_events_total{event="database_read"}']
    return {
        "clients": connections,
        "recovered": recovered,
        "seconds": round(max(took), 2),
        "postgres_reads_a_room": reads / len(rooms),
        "server_core": SERVER_CORE,
    }
