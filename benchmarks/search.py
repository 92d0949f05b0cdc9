"""How long a search takes as a client sees it: whole HTTP requests in an installation of many passages.

``python -m benchmarks.search [--chunks N] [--searches N] [--files N] [--json FILE] [--data-dir DIR
[--questions FOLDER]]``

Made-up passages are written through the repositories and the vector index, without parsing and embedding. Once the
index has built its graph, an API process is started and asked new questions: one at a time in each mode, then 16 at a
time, then one at a time while a worker ingests N made-up files. Engines, API and the asking share the machine. A DIR is
kept, and one that holds passages already is used as it is.

Made-up words are common in many passages, and their vectors have no meaning that a graph could follow. With
`--questions` the DIR is one that `readingroom ingest` or `benchmarks.evaluate` has filled, and is asked what the judged
sets in FOLDER ask, each question with a word of another, so that none was asked before.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from adapters.embedded.qdrant_rebuild import REST_SECONDS
from adapters.embedded.supervisor import Supervisor
from adapters.plain_http import PlainTransport
from application.ports.document_repositories import DocumentQuery
from benchmarks.judged import questions
from benchmarks.made_up import WORDS_PER_CHUNK, documents, text
from domain.access import Actor
from domain.api_keys import Scope
from domain.documents import DocumentStatus
from domain.errors import NotFound, Unauthenticated
from domain.passages import SearchMode
from entrypoints.engines import Stance
from entrypoints.host import Host, open_host
from entrypoints.logging import configure_logging
from entrypoints.serving import api_child, listen, worker_child
from entrypoints.settings import load_settings

EMAIL, PASSWORD = "benchmark@example.org", "eight made-up words of no meaning at all"
COLLECTION = "made up"
KINDS = ("api_process", "qdrant", "embedding", "postgres", "valkey")  # by what stands in their command lines
WARM_UP = 20  # searches that are not counted
IN_FLIGHT = 16
QUERY_WORDS = 7
FEWEST_WORDS, MOST_WORDS = 5, 30  # of a judged question
QUIET_SECONDS = 5

Row = dict[str, Any]
Ask = Callable[[SearchMode], Awaitable[None]]


async def somebody(host: Host) -> tuple[Actor, str]:
    """A person with a workspace, and their access token."""
    use_cases = host.use_cases
    try:
        pair = await use_cases.log_in(email=EMAIL, password=PASSWORD)
    except Unauthenticated:
        await use_cases.create_user(email=EMAIL, password=PASSWORD, name="Benchmark")
        pair = await use_cases.log_in(email=EMAIL, password=PASSWORD)
    identity = await use_cases.authenticate(pair.access_token)
    profile = await use_cases.show_profile(identity)
    return await use_cases.enter_workspace(identity, profile.workspaces[0].workspace.id), pair.access_token


async def fill(host: Host, actor: Actor, chunks: int) -> None:
    """So many passages, unless there are some."""
    ports = host.container.ports()
    try:
        await host.use_cases.find_collection(actor, name=COLLECTION)
    except NotFound:
        made = await host.use_cases.create_collection(actor, name=COLLECTION)
    else:
        return
    vectors = (await host.use_cases.generations.live()).vectors
    began = time.perf_counter()
    for each in documents(actor, made.collection.id, chunks):
        async with ports.begin(actor.workspace_id) as work:
            await work.documents.add(each.document)
            await work.passages.replace(each.document.id, 1, each.chunks, [])
            await work.commit()
        await vectors.upsert(actor.workspace_id, each.indexed)
    print(f"{chunks} passages written in {time.perf_counter() - began:.1f} s", flush=True)


async def the_local_one(host: Host) -> tuple[Actor, str]:
    """The person whose documents `readingroom ingest` has taken in, and a key of theirs for an hour."""
    actor = (await host.use_cases.act_locally()).actor
    key = await host.use_cases.create_api_key(
        actor, name="benchmark", scopes={Scope.READ}, expires_at=datetime.now(UTC) + timedelta(hours=1)
    )
    return actor, key.secret


def made_up_questions() -> Iterator[str]:
    """Others each time: none is in a cache."""
    numbers = np.random.default_rng()
    while True:
        yield text(numbers, QUERY_WORDS)


def judged_questions(folder: Path) -> Iterator[str]:
    """In any order, each with a word of another in the place of one of its own: none is in a cache."""
    found = [words for words in map(str.split, questions(folder)) if FEWEST_WORDS <= len(words) <= MOST_WORDS]
    if not found:
        raise SystemExit(f"no judged set in {folder} asks anything of {FEWEST_WORDS} to {MOST_WORDS} words")
    numbers = np.random.default_rng()
    while True:
        for place in numbers.permutation(len(found)):
            words, others = [*found[place]], found[numbers.integers(len(found))]
            words[numbers.integers(len(words))] = others[numbers.integers(len(others))]
            yield " ".join(words)


async def graph_built(host: Host) -> None:
    """Wait until the index has nothing more to build, which it may begin after a minute without a write."""
    began, quiet = time.perf_counter(), 0
    key = host.settings.qdrant_api_key
    headers = {"api-key": key.get_secret_value()} if key else {}
    async with httpx.AsyncClient(base_url=host.settings.qdrant_url or "", headers=headers, trust_env=False) as client:
        names = [each["name"] for each in (await client.get("/collections")).json()["result"]["collections"]]
        while quiet < REST_SECONDS + QUIET_SECONDS:
            await asyncio.sleep(1)
            found = [(await client.get(f"/collections/{name}", timeout=30)).json()["result"] for name in names]
            quiet = quiet + 1 if all(each["status"] == "green" for each in found) else 0
    points = sum(each["points_count"] for each in found)
    print(
        f"the index of {points} passages was quiet after {time.perf_counter() - began - REST_SECONDS:.0f} s", flush=True
    )


async def upload(host: Host, actor: Actor, files: int) -> None:
    """So many made-up texts to be ingested, of some ten passages each."""
    numbers = np.random.default_rng()

    async def content() -> AsyncIterator[bytes]:
        yield "\n\n".join(text(numbers, WORDS_PER_CHUNK) for _ in range(10)).encode()

    for number in range(files):
        await host.use_cases.upload_document(actor, content=content(), filename=f"{number}.txt")


def processor_seconds() -> dict[str, float]:
    """What each kind of process of the installation has used so far; on a busy machine it says more than a clock."""
    used: dict[str, float] = defaultdict(float)
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process().children(recursive=True):
            line = " ".join(process.cmdline())
            kind = next((kind for kind in KINDS if kind in line), None)
            if kind is not None:
                used[kind] += process.cpu_times().user + process.cpu_times().system
    return used


def processor_ms(before: dict[str, float], searches: int) -> dict[str, float]:
    """Milliseconds a search since then."""
    after = processor_seconds()
    return {kind: round(1000 * (after[kind] - before.get(kind, 0.0)) / searches, 2) for kind in sorted(after)}


async def one_at_a_time(ask: Ask, mode: SearchMode, searches: int) -> Row:
    """Milliseconds of each search."""
    for _ in range(WARM_UP):
        await ask(mode)
    used = processor_seconds()
    spent = []
    for _ in range(searches):
        began = time.perf_counter()
        await ask(mode)
        spent.append(1000 * (time.perf_counter() - began))
    row = {"mode": mode.value, "in_flight": 1, "searches": searches, **_percentiles(spent)}
    return row | {"processor_ms": processor_ms(used, searches)}


async def together(ask: Ask, mode: SearchMode, searches: int) -> Row:
    """Searches a second, and milliseconds of each."""
    used = processor_seconds()
    spent: list[float] = []
    left = iter(range(searches))

    async def client() -> None:
        for _ in left:
            began = time.perf_counter()
            await ask(mode)
            spent.append(1000 * (time.perf_counter() - began))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(client())
    rate = searches / (time.perf_counter() - began)
    row = {"mode": mode.value, "in_flight": IN_FLIGHT, "searches": searches, **_percentiles(spent)}
    return row | {"per_second": round(rate, 1), "processor_ms": processor_ms(used, searches)}


def _percentiles(spent: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(spent, n=20)
    return {"p50_ms": round(cuts[9], 2), "p95_ms": round(cuts[18], 2)}


async def while_ingesting(host: Host, actor: Actor, ask: Ask, files: int) -> Row:
    """Milliseconds of searches one at a time, until the worker has read everything."""
    await upload(host, actor, files)
    used = processor_seconds()
    spent: list[float] = []
    waiting = [
        DocumentQuery(readable=actor.readable_collections, status=status)
        for status in (DocumentStatus.QUEUED, DocumentStatus.PROCESSING)
    ]
    began = time.perf_counter()
    async with Supervisor() as children:
        await children.start(worker_child(host.settings))
        while any([await host.use_cases.list_documents(actor, query=query, limit=1) for query in waiting]):
            for _ in range(10):
                started = time.perf_counter()
                await ask(SearchMode.HYBRID)
                spent.append(1000 * (time.perf_counter() - started))
    taken = time.perf_counter() - began
    print(f"{files} files ingested in {taken:.1f} s beside the searches")
    row = {"mode": "ingesting", "in_flight": 1, "searches": len(spent), **_percentiles(spent)}
    return row | {"processor_ms": processor_ms(used, len(spent))}


async def measure(host: Host, actor: Actor, bearer: str, asked: Iterator[str], searches: int, files: int) -> list[Row]:
    """Ask an API process of its own."""
    sock = listen("127.0.0.1", 0)
    path = f"/v1/workspaces/{actor.workspace_id}/search"
    async with (
        Supervisor() as children,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{sock.getsockname()[1]}",
            headers={"Authorization": f"Bearer {bearer}"},
            transport=PlainTransport(keepalive=60, max_connections=IN_FLIGHT),
            timeout=30,
        ) as client,
    ):
        await children.start(api_child(host.settings, sock, name="api-1", folder=host.settings.data_dir))

        async def ask(mode: SearchMode) -> None:
            body = {"query": next(asked), "mode": mode.value, "limit": 10}
            answer = await client.post(path, json=body)
            answer.raise_for_status()
            if not answer.json()["results"]:
                raise SystemExit("nothing was found")

        rows = [await one_at_a_time(ask, mode, searches) for mode in SearchMode]
        rows.append(await together(ask, SearchMode.HYBRID, searches * 3))
        if files:
            rows.append(await while_ingesting(host, actor, ask, files))
    sock.close()
    return rows


async def run(options: argparse.Namespace, data_dir: Path) -> list[Row]:
    """Fill, ask, and say what came of it."""
    configure_logging(log_format="console", level="error")
    settings = load_settings(data_dir=data_dir, log_level="error", rate_limits="off")
    async with open_host(settings, role="benchmark", stance=Stance.OWNER) as host:
        if options.questions:
            (actor, bearer), asked = await the_local_one(host), judged_questions(options.questions)
        else:
            (actor, bearer), asked = await somebody(host), made_up_questions()
            await fill(host, actor, options.chunks)
        await graph_built(host)
        rows = await measure(host, actor, bearer, asked, options.searches, options.files)
    for row in rows:
        rate = f"  {row['per_second']:7.1f}/s" if "per_second" in row else ""
        print(
            f"{row['mode']:9} {row['in_flight']:3} in flight  p50 {row['p50_ms']:7.2f} ms  p95 {row['p95_ms']:7.2f} ms"
            + rate
        )
        print("          processor ms a search:", ", ".join(f"{k} {v:.1f}" for k, v in row["processor_ms"].items()))
    return rows


def main() -> int:
    """0 when every search was answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=20_000, metavar="N")
    parser.add_argument("--searches", type=int, default=200, metavar="N", help="of each mode")
    parser.add_argument("--files", type=int, default=0, metavar="N", help="to ingest beside the searches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="keep the installation, and use it again")
    parser.add_argument(
        "--questions", type=Path, metavar="FOLDER", help="judged sets to ask a DIR about that is filled"
    )
    options = parser.parse_args()
    if options.questions and not options.data_dir:
        parser.error("--questions asks an installation that is there: name its --data-dir")
    with tempfile.TemporaryDirectory(prefix="rr-search-") as temporary:
        rows = asyncio.run(run(options, options.data_dir or Path(temporary)))
    if options.json:
        options.json.write_text(json.dumps({"chunks": options.chunks, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
