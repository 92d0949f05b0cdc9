"""Many answers at once: none lost, how late each piece is, and what that takes.

The emulator writes the moment of its sending into each piece of an answer, so that lag is the whole way of a piece:
through the service, its stream and this client, on one clock.
"""

import asyncio
import json
import time

import psutil
from attrs import define, field, frozen

from benchmarks.service import STREAM, Service
from tests.claude_emulator.sse import stamp

SPREAD = 0.05  # seconds between two questions
PIECE = 0.05  # seconds between two pieces of an answer
LOOK_EVERY = 0.5  # seconds
STAMP = len(stamp(0.0))
QUESTION = {"content": "Tell me something long, will you?", "use_knowledge": False}


@frozen
class Told:
    """One answer as its reader saw it."""

    text: str
    lags: list[float]  # milliseconds, of each piece
    status: str


@define
class Load:
    """What the service takes while it is watched."""

    service: Service
    memory: list[float] = field(factory=list)  # MiB of the API process
    connections: list[int] = field(factory=list)  # Postgres backends of everybody
    spent: dict[str, float] = field(factory=dict)  # processor seconds by process

    async def watch(self) -> None:
        """Until it is cancelled."""
        api = self.service.parts("api_process")
        watched = {"api": api, "valkey": self.service.parts("valkey"), "emulator": [self.service.emulator]}
        watched["postgres"] = self.service.parts("postgres")
        watched["client"] = [psutil.Process()]
        before = {name: _spent(processes) for name, processes in watched.items()}
        try:
            while True:
                self.memory.append(sum(one.memory_info().rss for one in api) / 2**20)
                self.connections.append(len(_backends(self.service)))
                await asyncio.sleep(LOOK_EVERY)
        finally:
            watched["postgres"] = self.service.parts("postgres")
            self.spent = {name: _spent(watched[name]) - began for name, began in before.items()}


def _backends(service: Service) -> list[psutil.Process]:
    return [one for one in service.parts("postgres: ") if "client backend" in _title(one) or "[local]" in _title(one)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _spent(processes: list[psutil.Process]) -> float:
    total = 0.0
    for one in processes:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


async def told(service: Service, talk: str, pieces: int, after: float) -> Told:
    """One answer, asked for after so many seconds; `RuntimeError` unless it came whole."""
    await asyncio.sleep(after)
    text, status, rest, lags = "", "", b"", []
    async with service.http.stream("POST", talk, json=QUESTION, headers=STREAM) as response:
        async for data in response.aiter_raw():
            now = time.monotonic()
            *events, rest = (rest + data).split(b"\n\n")
            for event in events:
                name, _, body = event.partition(b"\n")
                if name == b"event: content.delta":
                    piece = json.loads(body.partition(b"data: ")[2])["text"]
                    moments = range(0, len(piece), STAMP)
                    lags += [1000 * (now - float(piece[start : start + STAMP])) for start in moments]
                    text += piece
                elif name in {b"event: message.completed", b"event: message.failed"}:
                    status = json.loads(body.partition(b"data: ")[2])["message"]["status"]
        if response.status_code != 200 or status != "complete" or len(text) != pieces * STAMP:  # noqa: PLR2004
            raise RuntimeError(f"{response.status_code} {status!r}, {len(text)} of {pieces * STAMP}: {rest[:300]!r}")
    return Told(text, lags, status)


async def many(service: Service, answers: int, pieces: int) -> list[float]:
    """Ask them all, look at each once more afterwards, and tell; the lags in milliseconds."""
    talks = [await service.talk() for _ in range(answers)]
    framing = {"piece": STAMP, "stamped": True}
    text = stamp(0.0) * pieces
    await service.script(reply="text", options={"text": text}, delay=PIECE, framing=framing, times=answers)
    load = Load(service)
    watching = asyncio.create_task(load.watch())
    began = time.monotonic()
    found = await asyncio.gather(
        *(told(service, talk, pieces, number * SPREAD) for number, talk in enumerate(talks)), return_exceptions=True
    )
    took = time.monotonic() - began
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    whole = [one for one in found if isinstance(one, Told)]
    for failure in [one for one in found if isinstance(one, BaseException)][:3]:
        print("LOST:", repr(failure))
    kept = 0
    for talk, one in zip(talks, found, strict=True):
        stored = (await service.http.get(talk)).json()["items"]
        kept += isinstance(one, Told) and (stored[-1]["content"], stored[-1]["status"]) == (one.text, "complete")
    print(f"{answers} answers at once: {len(whole)} came whole, {kept} of them stored to the letter, {took:.1f} s")
    shares = ", ".join(f"{name} {seconds / took:.2f}" for name, seconds in load.spent.items())
    print(f"  processors used: {shares}; Postgres connections of all processes: at most {max(load.connections)}")
    print(
        f"  memory of the API process, MiB: {load.memory[0]:.0f} before, at most {max(load.memory):.0f}, "
        f"{load.memory[-1]:.0f} at the end"
    )
    return [lag for one in whole for lag in one.lags]
