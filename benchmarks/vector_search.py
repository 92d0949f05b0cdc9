"""How long a search takes in an index of many passages, through the adapter and its client.

``python benchmarks/vector_search.py --url http://127.0.0.1:6333 --key KEY --points 20000`` writes made-up passages of
384 dimensions into a new collection, searches it, prints milliseconds and removes the collection.
"""

import argparse
import asyncio
import math
import random
import statistics
import time
from datetime import UTC, datetime
from uuid import uuid4

from adapters.qdrant.index import QdrantIndex
from application.ports.vectors import IndexedChunk, PassageFilter, VectorQuery
from domain.ids import CollectionId, DocumentId, WorkspaceId, chunk_id
from domain.passages import SearchMode

DIMENSIONS = 384
WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("ale", "ine", "ort", "umber", "ask", "elt", "ove")]
BATCH = 512


def text(numbers: random.Random, length: int) -> str:
    """Words, common ones oftener, and a number."""
    weights = [1 / (place + 1) for place in range(len(WORDS))]
    return " ".join([*numbers.choices(WORDS, weights, k=length), str(numbers.randrange(20_000))])


def vector(numbers: random.Random) -> list[float]:
    """Of unit length."""
    made = [numbers.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = math.sqrt(sum(each * each for each in made))
    return [each / length for each in made]


async def measure(index: QdrantIndex, points: int, searches: int) -> None:
    """Fill the index, then search it in every mode."""
    numbers = random.Random(1)  # noqa: S311 - a fixed sample
    workspace, collection = WorkspaceId(uuid4()), CollectionId(uuid4())
    taken = 0.0
    for start in range(0, points, BATCH):
        document = DocumentId(uuid4())
        chunks = [
            IndexedChunk(
                chunk_id=chunk_id(document, 1, ordinal),
                document_id=document,
                revision=1,
                ordinal=ordinal,
                collection_id=collection,
                text=text(numbers, 120),
                dense=vector(numbers),
                language="en",
                media_type="text/plain",
                tags=("a", "b"),
                metadata={"team": "one"},
                created_at=datetime.now(UTC),
            )
            for ordinal in range(min(BATCH, points - start))
        ]
        began = time.perf_counter()
        await index.upsert(workspace, chunks)
        taken += time.perf_counter() - began
    print(f"{points} passages written in {taken:.1f} s ({points / taken:.0f}/s)")
    for mode in SearchMode:
        spent = []
        for _ in range(searches):
            query = VectorQuery(
                mode=mode,
                text=text(numbers, 7),
                dense=vector(numbers),
                language=None,
                filter=PassageFilter(readable=frozenset({collection})),
                limit=20,
            )
            began = time.perf_counter()
            found = await index.search(workspace, query)
            spent.append(1000 * (time.perf_counter() - began))
            if not found:
                raise SystemExit("nothing was found")
        cuts = statistics.quantiles(spent, n=20)
        print(f"{mode:9} p50 {cuts[9]:6.2f} ms   p95 {cuts[18]:6.2f} ms")


async def main() -> None:
    """Read the arguments, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=200)
    options = parser.parse_args()
    index = QdrantIndex.connect(options.url, options.key, collection=f"benchmark-{uuid4().hex}", dimensions=DIMENSIONS)
    await index.prepare()
    try:
        await measure(index, options.points, options.searches)
    finally:
        await index.drop()
        await index.close()


if __name__ == "__main__":
    asyncio.run(main())
