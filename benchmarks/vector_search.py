"""How long a search takes in an index of many passages, before, while and after the embedded engine builds its graph.

``python -m benchmarks.vector_search --points 100000`` starts an embedded index, writes made-up passages of 384 numbers
(in clusters, as texts are) through the adapter, and searches all the time. It prints milliseconds a search, how many of
the 10 best of an exact scan were found, and memory.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
from qdrant_client import AsyncQdrantClient, models

from adapters.embedded import http_servers
from adapters.embedded.supervisor import Supervisor
from adapters.qdrant.index import QdrantIndex
from application.ports.embedding import Vector
from application.ports.vectors import IndexedChunk, PassageFilter, VectorQuery
from benchmarks.made_up import DIMENSIONS, WORDS_PER_CHUNK, text
from domain.ids import CollectionId, DocumentId, WorkspaceId, chunk_id
from domain.passages import SearchMode

CLUSTERS, DIRECTIONS = 500, 32  # of topics, and in which the passages of a topic differ
BATCH = 512
TEXTS = 5_000  # different ones
ASKED = 100  # questions whose answers are compared with an exact scan's
NAME = "benchmark"
PATIENCE = 1800.0  # seconds for a graph


class Space:
    """Vectors that lie as those of texts do: around topics, in few directions of many."""

    def __init__(self) -> None:
        self.numbers = np.random.default_rng(1)
        self._topics = self.numbers.standard_normal((CLUSTERS, DIMENSIONS))
        self._directions = self.numbers.standard_normal((DIRECTIONS, DIMENSIONS)) / np.sqrt(DIRECTIONS)

    def some(self, count: int) -> list[Vector]:
        """Of unit length."""
        inside = self.numbers.standard_normal((count, DIRECTIONS)) @ self._directions
        noise = 0.15 * self.numbers.standard_normal((count, DIMENSIONS))
        made = self._topics[self.numbers.integers(CLUSTERS, size=count)] + 0.9 * inside + noise
        unit: list[Vector] = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32).tolist()
        return unit


def passages(space: Space, texts: list[str], points: int, collection: CollectionId) -> Iterator[list[IndexedChunk]]:
    """In batches, each of a document."""
    for start in range(0, points, BATCH):
        document = DocumentId(uuid4())
        yield [
            IndexedChunk(
                chunk_id=chunk_id(document, 1, ordinal),
                document_id=document,
                revision=1,
                ordinal=ordinal,
                collection_id=collection,
                text=texts[(start + ordinal) % len(texts)],
                dense=dense,
                language="en",
                media_type="text/plain",
                tags=("a", "b"),
                metadata={"team": "one"},
                created_at=datetime.now(UTC),
            )
            for ordinal, dense in enumerate(space.some(min(BATCH, points - start)))
        ]


async def state(client: AsyncQdrantClient) -> str:
    """Of the graph."""
    info = await client.get_collection(NAME)
    if info.status != models.CollectionStatus.GREEN:
        return "while it is built"
    # sparse vectors count as indexed from the first
    return "with a graph" if (info.indexed_vectors_count or 0) > (info.points_count or 0) else "exact"


async def recall(client: AsyncQdrantClient, space: Space) -> float:
    """The share of an exact scan's 10 best that a search finds."""
    shared = 0
    for vector in space.some(ASKED):
        found = []
        for exact in (False, True):
            params = models.SearchParams(exact=exact)
            answer = await client.query_points(NAME, list(vector), using="dense", search_params=params, limit=10)
            found.append({point.id for point in answer.points})
        shared += len(found[0] & found[1])
    return shared / (10 * ASKED)


def memory(folder: Path) -> str:
    """Of the processes of the index, and what it takes on disk."""
    family = [each for each in psutil.Process().children(recursive=True) if "qdrant" in " ".join(each.cmdline())]
    # mapped files are shared with the page cache, which gives them back where memory is short
    held = ", ".join(f"{(m := each.memory_info()).rss >> 20} MiB ({m.shared >> 20} of them files)" for each in family)
    disk = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    return f"resident {held}; on disk {disk >> 20} MiB"


async def measure(index: QdrantIndex, client: AsyncQdrantClient, folder: Path, points: int, searches: int) -> None:
    """Fill it, then search until the graph has stood for a while."""
    space = Space()
    workspace, collection = WorkspaceId(uuid4()), CollectionId(uuid4())
    texts = [text(space.numbers, WORDS_PER_CHUNK) for _ in range(TEXTS)]
    taken = 0.0
    for chunks in passages(space, texts, points, collection):
        began = time.perf_counter()
        await index.upsert(workspace, chunks)
        taken += time.perf_counter() - began
    print(f"{points} passages written in {taken:.1f} s ({points / taken:.0f}/s); {memory(folder)}", flush=True)
    spent: dict[str, list[float]] = defaultdict(list)
    questions = [(text(space.numbers, 7), vector) for vector in space.some(searches)]
    began = time.perf_counter()
    at = dict.fromkeys([await state(client)], began)
    while (now := await state(client)) != "with a graph" or len(spent[now]) < searches:
        if time.perf_counter() - began > PATIENCE:
            raise SystemExit("no graph was built")
        if now not in at:
            at[now] = time.perf_counter()
            told(spent)
            print(f"{now} after {at[now] - began:.0f} s; {memory(folder)}", flush=True)
        for words, dense in questions[:20]:
            query = VectorQuery(
                mode=SearchMode.HYBRID,
                text=words,
                dense=dense,
                language="en",
                filter=PassageFilter(readable=frozenset({collection})),
                limit=20,
            )
            started = time.perf_counter()
            if not await index.search(workspace, query):
                raise SystemExit("nothing was found")
            spent[now].append(1000 * (time.perf_counter() - started))
    told(spent)
    print(f"of the 10 best of an exact scan {await recall(client, space):.3f} are found")


def told(spent: dict[str, list[float]]) -> None:
    """Milliseconds of each phase so far."""
    for phase, all_of_it in spent.items():
        if len(all_of_it) < 2:  # noqa: PLR2004 a phase that has just begun has no percentiles
            continue
        cuts = statistics.quantiles(all_of_it, n=20)
        print(
            f"hybrid, {phase:18} {len(all_of_it):6} searches  p50 {cuts[9]:6.2f} ms  p95 {cuts[18]:6.2f} ms"
            f"  longest {max(all_of_it):7.1f} ms",
            flush=True,
        )


async def main() -> None:
    """Read the arguments, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rr-") as root:
        folder = Path(root) / "qdrant"
        log = Path(root) / "qdrant.log"
        prepared = http_servers.qdrant(folder, log=log, key=uuid4().hex, graph_from=options.points)
        index = QdrantIndex.connect(prepared.url, prepared.key, collection=NAME, dimensions=DIMENSIONS)
        client = AsyncQdrantClient(url=prepared.url, headers={"api-key": prepared.key}, check_compatibility=False)
        async with Supervisor() as supervisor:
            await supervisor.start(prepared.spec)
            await index.prepare()
            await measure(index, client, folder, options.points, options.searches)
            await index.close()
            await client.close()


if __name__ == "__main__":
    asyncio.run(main())
