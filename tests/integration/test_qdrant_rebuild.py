"""Graphs of large collections are built beside the server: searches go on, and nothing that was answered is lost."""

import asyncio
import json
import random
import signal
import time
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient, models

from adapters.embedded.qdrant_collection import Live
from adapters.embedded.qdrant_shards import Shards
from adapters.embedded.qdrant_updates import Change
from tests.integration.test_qdrant_server import connected, running

DIMENSIONS = 64
GRAPH_FROM = 5000
BATCH = 250
PATIENCE = 60.0  # seconds
NUMBERS = random.Random(3)  # noqa: S311 - a fixed sample


def some_vectors(count: int) -> list[list[float]]:
    return [[NUMBERS.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(count)]


async def made(client: AsyncQdrantClient) -> None:
    vectors = {"dense": models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)}
    await client.create_collection(
        "c",
        vectors_config=vectors,
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    scope = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    await client.create_payload_index("c", "scope", scope)


async def write(client: AsyncQdrantClient, start: int, count: int = BATCH) -> None:
    sparse = models.SparseVector(indices=[1, 2], values=[1.0, 0.5])
    points = [
        models.PointStruct(id=start + i, vector={"dense": vector, "sparse": sparse}, payload={"scope": "a", "n": 0})
        for i, vector in enumerate(some_vectors(count))
    ]
    await client.upsert("c", points)


async def nearest(client: AsyncQdrantClient, vector: list[float], *, exact: bool = False) -> list[int]:
    only = models.Filter(must=[models.FieldCondition(key="scope", match=models.MatchValue(value="a"))])
    params = models.SearchParams(exact=exact, hnsw_ef=256)
    answer = await client.query_points("c", vector, using="dense", query_filter=only, search_params=params, limit=10)
    return [int(point.id) for point in answer.points]


def shard(folder: Path) -> str:
    try:
        return str(json.loads((folder / "collections/c/live.json").read_bytes())["shard"])
    except FileNotFoundError:
        return "shard"


def moment(folder: Path, life: int, before: str) -> bool:
    """When it is killed: with a copy just begun, with a new shard just live, with a graph half built."""
    copies = set((folder / "collections/c").glob("shard-*")) - {folder / "collections/c" / before}
    return (bool(copies), shard(folder) != before, any(copy.rglob("vector_index-*/*") for copy in copies))[life]


async def switched(folder: Path, before: str) -> None:
    """Wait until another shard is live and the old one is gone."""
    deadline = time.monotonic() + PATIENCE
    while shard(folder) == before or len(list((folder / "collections/c").glob("shard*"))) > 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.faults
async def test_a_graph_is_built_while_it_answers(tmp_path: Path) -> None:
    """What is written, changed and deleted meanwhile is in the new shard; searches find what exact ones find."""
    with running(tmp_path, "--graph-from", str(GRAPH_FROM)) as (process, url):
        async with connected(url) as client:
            await made(client)
            for start in range(0, GRAPH_FROM, BATCH):
                await write(client, start)
            written, searched = GRAPH_FROM, 0
            deadline = time.monotonic() + PATIENCE
            while shard(tmp_path) == "shard":
                assert time.monotonic() < deadline
                await write(client, written, 10)
                await client.set_payload("c", {"n": written}, points=[written - GRAPH_FROM])
                await client.delete("c", [written - GRAPH_FROM + 5])
                written += 10
                searched += len(await nearest(client, some_vectors(1)[0]))
            await switched(tmp_path, "shard")

            assert searched == written - GRAPH_FROM
            gone = set(range(5, written - GRAPH_FROM, 10))
            found, _ = await client.scroll("c", limit=100_000)
            assert {int(point.id) for point in found} == set(range(written)) - gone
            changed = {int(point.id): point.payload["n"] for point in found if point.payload and point.payload["n"]}
            assert changed == {n - GRAPH_FROM: n for n in range(GRAPH_FROM, written, 10) if n - GRAPH_FROM not in gone}
            info = await client.get_collection("c")
            assert (info.indexed_vectors_count or 0) > len(found) + GRAPH_FROM // 2
            asked = some_vectors(20)
            shared = [len({*await nearest(client, v)} & {*await nearest(client, v, exact=True)}) for v in asked]
            assert sum(shared) >= 0.95 * 10 * len(asked)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    with running(tmp_path) as (_, url):
        async with connected(url) as client:
            assert (await client.count("c")).count == len(found)


@pytest.mark.faults
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    """`kill -9` while a graph is built, or as soon as one is live: every answered write is there, and no copy is."""
    answered = 0
    for life in range(3):
        with running(tmp_path, "--graph-from", "1000") as (process, url):
            async with connected(url) as client:
                if life == 0:
                    await made(client)
                assert (await client.count("c")).count == answered
                before = shard(tmp_path)
                deadline = time.monotonic() + PATIENCE
                while True:
                    assert time.monotonic() < deadline
                    if answered < 2500 * (life + 1):
                        await write(client, answered)
                        answered += BATCH
                    if moment(tmp_path, life, before):
                        break
                    await asyncio.sleep(0.01)
                process.kill()
                process.wait()

    with running(tmp_path, "--graph-from", "0") as (_, url):
        async with connected(url) as client:
            assert (await client.count("c")).count == answered
            assert len(list((tmp_path / "collections/c").glob("shard*"))) == 1


@pytest.mark.faults
async def test_space_of_removed_points(tmp_path: Path) -> None:
    """It is reclaimed while the server runs, without a graph too."""
    with running(tmp_path, "--graph-from", "0") as (_, url):
        async with connected(url) as client:
            await made(client)
            for start in range(0, 2000, BATCH):
                await write(client, start)
            await client.delete("c", list(range(1500)))
            await switched(tmp_path, "shard")

            assert (await client.count("c")).count == 500
            assert shard(tmp_path) != "shard"


async def test_fewer_points_are_enough_when_nobody_writes(tmp_path: Path) -> None:
    """While somebody writes a graph waits for a fourth of all points, and at rest for a fiftieth."""
    shards = Shards.open(tmp_path)
    try:
        body = {"vectors": {"dense": {"size": DIMENSIONS, "distance": "Cosine"}}}
        shards.create("c", models.CreateCollection.model_validate(body))
        collection = shards.get("c")
        points = [{"id": number, "vector": {"dense": vector}} for number, vector in enumerate(some_vectors(100))]
        await collection.write(Change("upsert", json.dumps({"points": points}).encode()))
        collection.live = Live(unindexed=95)  # the last rebuild left the others, so five are fresh

        assert not collection.wants_rebuild(50, rest=60)
        assert collection.wants_rebuild(50, rest=0)
        assert not collection.wants_rebuild(0, rest=0)
        assert not collection.wants_rebuild(101, rest=0)
        collection.live = Live(unindexed=96)
        assert not collection.wants_rebuild(50, rest=0)
    finally:
        shards.close()
