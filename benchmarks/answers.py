"""What the service adds to the model's own time, and how it bears many answers at once.

``python benchmarks/answers.py`` starts a server on a data directory of its own and the emulated Messages API beside it,
asks through HTTP, prints milliseconds and stops both. The client shares the machine with them, so that what it sees is
an upper bound.

- First token: from sending the question to the first `content.delta`, retrieval included, less the same for a plain
  call of the emulator; every question is new.
- Lag: from the moment when the emulator sent a piece to the moment when the client read it.
- Cut: a stream is cut every 300 ms and taken up again by `Last-Event-ID` until its end, on two processes that share
  the socket; once more with Valkey killed in its middle. Afterwards it is read whole, and from every event on.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

import httpx

from benchmarks.many_answers import PIECE, QUESTION, many
from benchmarks.service import KEY, STREAM, Service, running


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


async def first_events(http: httpx.AsyncClient, url: str, body: Any) -> dict[str, float]:
    """Seconds until the first event of each name, up to the first delta."""
    began = time.perf_counter()
    moments: dict[str, float] = {}
    async with http.stream("POST", url, json=body, headers=STREAM) as response:
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                moments.setdefault(line[7:], time.perf_counter() - began)
            if "content.delta" in moments:
                return moments
    raise RuntimeError(str(moments))


async def first_tokens(service: Service, count: int) -> None:
    """Time added before the first token."""
    talk = await service.talk()
    added, passed = [], []
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
        stages = await first_events(service.http, talk, {"content": question})
        ours = stages["content.delta"]
        passed.append(stages)
        await asyncio.sleep(0.1)  # the answer ends before the next question
        talk = await service.talk()
        added.append(1000 * (ours - direct))
    show("added before the first token", added[3:])
    for name in ("message.created", "retrieval.started", "retrieval.completed", "content.delta"):
        show(f"  to {name}", [1000 * stages[name] for stages in passed[3:]])


async def cut(service: Service, pieces: int, *, kill: str | None = None) -> None:
    """A stream that is cut again and again; in its middle, a process of that name is killed."""
    await service.script(reply="text", options={"text": "word; " * pieces}, delay=PIECE, framing={"piece": 6})
    method, url, last, seen, cuts = "POST", await service.talk(), 0, b"", 0
    while b"event: message.completed" not in seen:
        part = b""
        headers = {**STREAM, **({"Last-Event-ID": str(last)} if last else {})}
        try:
            async with (
                asyncio.timeout(0.3),
                service.http.stream(method, url, json=QUESTION if method == "POST" else None, headers=headers) as got,
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
        if kill is not None and last > pieces / 2:
            for process in service.parts(kill):
                process.kill()
            kill = None
    wholes = [(await service.http.get(url, headers=STREAM)).content for _ in range(4)]
    resumed = [(await service.http.get(url, headers={**STREAM, "Last-Event-ID": str(n)})).content for n in range(last)]
    tails = [seen[seen.find(b"\n\n", seen.find(b"\nid: %d\n" % n)) + 2 :] for n in range(1, last)]
    same = all(whole == seen for whole in wholes) and resumed[1:] == tails
    print(f"cut {cuts} times; {'the same to the byte' if same else 'NOT the same'}, also from each of {last} events on")


def show(what: str, milliseconds: list[float]) -> None:
    """Median and the slow end."""
    ordered = sorted(milliseconds)
    print(
        f"{what}: p50 {statistics.median(ordered):.1f} ms, p95 {ordered[int(0.95 * (len(ordered) - 1))]:.1f} ms, "
        f"longest {ordered[-1]:.1f} ms ({len(ordered)} measured)"
    )


async def measure(questions: int, answers: int, pieces: int) -> None:
    """What one process bears."""
    async with running() as service:
        await first_tokens(service, questions)
        for number in (1, answers):
            show(f"lag of a piece, {number} at once", await many(service, number, pieces))


async def measure_cuts(pieces: int) -> None:
    """On two processes, so that a reader comes back to either."""
    async with running("--workers", "2") as service:
        await cut(service, pieces)
        print("Valkey killed in the middle: ", end="")
        await cut(service, pieces, kill="valkey-server")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--pieces", type=int, default=100, help="of each answer, 20 a second")
    parser.add_argument("--no-cuts", action="store_true", help="leave the cuts out")
    parser.add_argument("--only-cuts", action="store_true", help="leave the rest out")
    arguments = parser.parse_args()
    if not arguments.only_cuts:
        asyncio.run(measure(arguments.questions, arguments.answers, arguments.pieces))
    if not arguments.no_cuts:
        asyncio.run(measure_cuts(min(arguments.pieces, 100)))
