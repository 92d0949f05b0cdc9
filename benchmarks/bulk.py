"""What large things cost: a PDF of 2,000 pages, 5,000 small files, a body of 2 GB, and deleting 10,000 documents.

    python -m benchmarks.bulk pdf [--count 2000]      # pages: the most memory of all processes
    python -m benchmarks.bulk files [--count 5000]    # files: the same
    python -m benchmarks.bulk upload [--count 2048]   # MiB of text, as one file: the memory of the API process
    python -m benchmarks.bulk delete [--count 10000]  # documents with two passages and a file: seconds

Each on a new installation in a temporary directory. What is read is made up, as in `made_up`.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from benchmarks import made_up
from benchmarks.ingest import MIB, Memory, newcomer
from benchmarks.requests import Connection
from domain.access import Actor
from domain.ids import CollectionId
from entrypoints import api_process
from entrypoints.engines import Stance
from entrypoints.host import Host, open_host
from entrypoints.logging import configure_logging
from entrypoints.settings import load_settings
from entrypoints.worker import working
from tests.e2e.program import Client, Server, serving, short_directory
from tests.samples.documents import pdf

UPLOADS: Final = 8  # at once
PATIENCE: Final = 3600.0  # seconds
LINES, WORDS = 12, 8  # of a page
BOUNDARY: Final = "a-boundary-of-no-meaning"


@contextmanager
def watched(server: Server, label: str) -> Iterator[None]:
    """Print the most memory that the server and its children held meanwhile."""
    memory = Memory(root=psutil.Process(server.process.pid))
    print(f"all processes before: {memory.look() / MIB:.0f} MiB", flush=True)
    looking = threading.Thread(target=memory.watch, daemon=True)
    looking.start()
    begun = time.perf_counter()
    try:
        yield
    finally:
        memory.stop()
        looking.join()
        parts = {name: round(held / MIB) for name, held in sorted(memory.parts.items(), key=lambda part: -part[1])}
        print(f"{label}: {time.perf_counter() - begun:.0f} s, at most {memory.peak / MIB:.0f} MiB: {parts}", flush=True)


def ingested(label: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Hand all over to a server and wait until they are ready."""
    with short_directory() as root, serving(root / "data", env={"READINGROOM_RATE_LIMITS": "off"}) as server:
        with Client.registered(server.url) as client, watched(server, label):
            with ThreadPoolExecutor(UPLOADS) as pool:
                list(pool.map(lambda file: client.upload(*file), files))
            settled(client)
        with Client.logged_in(server.url) as client:
            documents = client.documents()
            ready = [document for document in documents if document["status"] == "ready"]
            pages, chunks = (sum(each[part] or 0 for each in ready) for part in ("page_count", "chunk_count"))
            print(f"{len(ready)} of {len(documents)} ready, {pages} pages, {chunks} passages")


def settled(client: Client) -> None:
    """Ask seldom: the answer is not free."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < PATIENCE:
        waiting = [
            client.http.get(f"{client.workspace}/documents", params={"status": status, "limit": 1}).json()["items"]
            for status in ("queued", "processing")
        ]
        if not any(waiting):
            return
        time.sleep(1)
    raise TimeoutError("not within an hour")


def large_pdf(pages: int) -> None:
    """One file of so many pages."""
    numbers = np.random.default_rng(1)
    content = pdf([[(11, made_up.text(numbers, WORDS)) for _ in range(LINES)] for _ in range(pages)])
    print(f"a PDF of {pages} pages, {len(content) / MIB:.1f} MiB")
    ingested(f"{pages} pages", [("large.pdf", content)])


def small_files(count: int) -> None:
    """So many texts of a paragraph."""
    numbers = np.random.default_rng(1)
    ingested(f"{count} files", [(f"{n}.txt", made_up.text(numbers, 80).encode()) for n in range(count)])


def large_body(mebibytes: int) -> None:
    """One upload that is never in memory here either."""
    env = {"READINGROOM_MAX_UPLOAD_BYTES": str((mebibytes + 1) * MIB), "READINGROOM_RATE_LIMITS": "off"}
    with short_directory() as root, serving(root / "data", "--no-worker", env=env) as server:
        with Client.registered(server.url) as client:
            [api] = [each for each in server.family() if api_process.__name__ in " ".join(each.cmdline())]
            held = [api.memory_info().rss]
            print(f"API process before: {held[0] / MIB:.0f} MiB", flush=True)
            begun = time.perf_counter()
            port = int(server.url.rpartition(":")[2])
            status = asyncio.run(send(port, client, mebibytes, lambda: held.append(api.memory_info().rss)))
            seconds = time.perf_counter() - begun
        print(f"{mebibytes} MiB in {seconds:.0f} s, answered {status}; API process at most {max(held) / MIB:.0f} MiB")


async def send(port: int, client: Client, mebibytes: int, look: Callable[[], None]) -> int:
    """The status of the answer to a form with one file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    piece = (b"The heron stands in the reeds. " * (MIB // 31 + 1))[: MIB - 1] + b"\n"
    connection = await Connection.open(port)
    request = (
        f"POST {client.workspace}/documents HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.token}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(head) + len(tail) + mebibytes * MIB}\r\n\r\n"
    ).encode()

    async def body() -> AsyncIterator[bytes]:
        yield request + head
        for number in range(mebibytes):
            if number % 64 == 0:
                look()
            yield piece
        yield tail

    status, _ = await connection.send(body())
    look()
    connection.close()
    return status


async def deleted(count: int) -> None:
    """A collection with documents that have passages, vectors and files goes, in one call."""
    configure_logging(log_format="console", level="error")
    with tempfile.TemporaryDirectory(prefix="rr-") as root:
        settings = load_settings(data_dir=Path(root) / "data")
        async with open_host(settings, role="benchmark", stance=Stance.OWNER) as host:
            actor = await newcomer(host.use_cases)
            made = await host.use_cases.create_collection(actor, name="Doomed")
            actor = actor.with_collection(made.collection.id)
            begun = time.perf_counter()
            await fill(host, actor, made.collection.id, count)
            print(f"{count} documents written in {time.perf_counter() - begun:.0f} s", flush=True)
            begun = time.perf_counter()
            await host.use_cases.delete_collection(actor, collection_id=made.collection.id)
            print(f"gone for every reader after {time.perf_counter() - begun:.2f} s", flush=True)
            async with working(host):
                while await remains(host, actor):  # noqa: ASYNC110 it is the database that knows
                    await asyncio.sleep(0.1)
            print(f"erased from every store, with receipts, after {time.perf_counter() - begun:.1f} s")
            found = await host.use_cases.reconcile_all(repair=False)
            print(f"left: {found.documents} documents, {found.vectors} vectors, {found.files} files")


async def fill(host: Host, actor: Actor, collection_id: CollectionId, count: int) -> None:
    """Rows, passages, vectors and originals, as ingesting leaves them."""
    ports, portion = host.container.ports(), 100
    vectors = (await host.use_cases.generations.live()).vectors
    all_of_them = made_up.documents(actor, collection_id, 2 * count, each=2)
    while batch := list(islice(all_of_them, portion)):
        async with ports.begin(actor.workspace_id) as work:
            for each in batch:
                await work.documents.add(each.document)
                await work.passages.replace(each.document.id, 1, each.chunks, [])
            await work.commit()
        await vectors.upsert(actor.workspace_id, [chunk for each in batch for chunk in each.indexed])
        for each in batch:
            await ports.files.put(each.document.file_key, a_byte(), max_bytes=1)


async def a_byte() -> AsyncIterator[bytes]:
    """The whole of an original."""
    yield b"x"


async def remains(host: Host, actor: Actor) -> bool:
    """Whether rows are left: they go last."""
    async with host.container.ports().begin(actor.workspace_id) as work:
        return bool(await work.documents.tombstones(actor.workspace_id, limit=1))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs: dict[str, tuple[int, Callable[[int], object]]] = {
        "pdf": (2000, large_pdf),
        "files": (5000, small_files),
        "upload": (2048, large_body),
        "delete": (10_000, lambda count: asyncio.run(deleted(count))),
    }
    parser.add_argument("what", choices=runs)
    parser.add_argument("--count", type=int)
    asked = parser.parse_args()
    usual, run = runs[asked.what]
    run(asked.count or usual)
    return 0


if __name__ == "__main__":
    sys.exit(main())
