"""The embedded Qdrant server as a process: what it serves, what it refuses, and what survives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from adapters.embedded import qdrant_server as module
from adapters.embedded.sockets import free_port

KEY = "a key of the test"
VECTORS = {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}
START_SECONDS = 30


def command(folder: Path, port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", module.__name__, "--path", str(folder), "--port", str(port), *options]


def answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server that answers, and its URL; killed at the end if it is still there."""
    port = free_port()
    process = subprocess.Popen(command(folder, port, *options), env=os.environ | {module.KEY_VARIABLE: KEY})
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client() as client:
            while not answers(client, url):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process, url
    finally:
        process.kill()
        process.wait()


def refused_start(folder: Path) -> str:
    """What a server that cannot start says; it must leave with 1."""
    done = subprocess.run(
        command(folder, free_port()),
        env=os.environ | {module.KEY_VARIABLE: KEY},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )

    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@asynccontextmanager
async def connected(url: str, key: str = KEY) -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(url=url, headers={"api-key": key}, check_compatibility=False)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qdrant")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with running(folder) as (_, url):
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncQdrantClient]:
    async with connected(url) as made:
        yield made


@pytest.fixture
async def collection(client: AsyncQdrantClient) -> AsyncIterator[str]:
    name = f"c-{uuid4().hex}"
    await client.create_collection(name, vectors_config=VECTORS)
    yield name
    await client.delete_collection(name)


def points(*numbers: int) -> list[models.PointStruct]:
    return [
        models.PointStruct(id=number, vector={"dense": [1.0, number / 10, 0.0, 0.0]}, payload={"n": number, "s": "x"})
        for number in numbers
    ]


async def numbers_in(client: AsyncQdrantClient, collection: str) -> list[int]:
    found, _ = await client.scroll(collection, limit=10_000)
    return [int(point.id) for point in found]


async def test_the_key_is_asked_for(url: str) -> None:
    """Without the right key nothing is answered but the probes."""
    async with connected(url, "wrong") as client:
        with pytest.raises(UnexpectedResponse) as refused:
            await client.get_collections()

    assert refused.value.status_code == 401
    async with httpx.AsyncClient() as plain:
        assert (await plain.get(f"{url}/healthz")).status_code == 200


async def test_collections_come_and_go(client: AsyncQdrantClient) -> None:
    """A collection is listed and described while it is there; a second of its name is refused."""
    name = f"c-{uuid4().hex}"
    await client.create_collection(
        name,
        vectors_config=VECTORS,
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    await client.create_payload_index(
        name, "s", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    )

    with pytest.raises(UnexpectedResponse, match="already exists"):
        await client.create_collection(name, vectors_config=VECTORS)
    info = await client.get_collection(name)
    assert isinstance(info.config.params.vectors, dict)
    assert info.config.params.vectors["dense"].size == 4
    assert list(info.payload_schema) == ["s"]
    assert name in [each.name for each in (await client.get_collections()).collections]

    await client.delete_payload_index(name, "s")
    assert (await client.get_collection(name)).payload_schema == {}
    assert await client.delete_collection(name)
    assert not await client.collection_exists(name)
    with pytest.raises(UnexpectedResponse) as missing:
        await client.get_collection(name)
    assert missing.value.status_code == 404


async def test_aliases_switch_at_once(client: AsyncQdrantClient, collection: str) -> None:
    """An alias stands for a collection wherever a name is asked for, and moves in one step or not at all."""
    other, alias = f"c-{uuid4().hex}", f"a-{uuid4().hex}"
    await client.create_collection(other, vectors_config=VECTORS)
    await client.upsert(collection, points(1))
    await client.upsert(other, points(2))

    def to(name: str) -> models.CreateAliasOperation:
        return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))

    await client.update_collection_aliases([to(collection)])
    assert await numbers_in(client, alias) == [1]
    gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
    with pytest.raises(UnexpectedResponse):
        await client.update_collection_aliases([gone, to("missing")])
    assert await numbers_in(client, alias) == [1]
    await client.update_collection_aliases([gone, to(other)])
    assert await numbers_in(client, alias) == [2]
    assert [each.alias_name for each in (await client.get_collection_aliases(other)).aliases] == [alias]

    await client.delete_collection(other)
    assert alias not in [each.alias_name for each in (await client.get_aliases()).aliases]


async def test_points_are_changed_and_deleted(client: AsyncQdrantClient, collection: str) -> None:
    """By ids and by filter, alone and in a batch."""
    await client.upsert(collection, points(*range(1, 9)))
    low = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(lt=3))])

    await client.set_payload(collection, {"s": "low"}, points=low)
    await client.overwrite_payload(collection, {"only": True}, points=[3])
    await client.delete_payload(collection, ["s"], points=[4])
    await client.clear_payload(collection, points_selector=[5])
    found = await client.retrieve(collection, [1, 3, 4, 5], with_vectors=True)
    assert {point.id: point.payload for point in found} == {
        1: {"n": 1, "s": "low"},
        3: {"only": True},
        4: {"n": 4},
        5: {},
    }
    assert isinstance(found[0].vector, dict)
    assert found[0].vector["dense"] == pytest.approx([0.995, 0.0995, 0, 0], abs=1e-3)

    await client.delete(collection, models.FilterSelector(filter=low))
    await client.delete(collection, [3, 999])
    assert await numbers_in(client, collection) == [4, 5, 6, 7, 8]
    await client.batch_update_points(
        collection,
        [
            models.UpsertOperation(upsert=models.PointsList(points=points(20))),
            models.DeleteOperation(delete=models.PointIdsList(points=[4])),
        ],
    )
    assert await numbers_in(client, collection) == [5, 6, 7, 8, 20]


async def test_an_upsert_may_come_as_columns(client: AsyncQdrantClient, collection: str) -> None:
    """Ids, vectors and payloads as lists of one length are points as well."""
    batch = models.Batch(ids=[1, str(uuid4())], vectors={"dense": [[1.0, 0, 0, 0], [0, 1.0, 0, 0]]}, payloads=[{}, {}])
    await client.upsert(collection, batch)

    assert (await client.count(collection)).count == 2


async def test_queries_in_a_batch(client: AsyncQdrantClient, collection: str) -> None:
    """Each is answered for itself."""
    await client.upsert(collection, points(0, 5))
    asked = [
        models.QueryRequest(query=[1.0, 0, 0, 0], using="dense", limit=1),
        models.QueryRequest(query=[1.0, 9, 0, 0], using="dense", limit=1, with_payload=True, score_threshold=0.1),
    ]
    first, second = await client.query_batch_points(collection, asked)

    assert [point.id for point in first.points] == [0]
    assert [(point.id, point.payload) for point in second.points] == [(5, {"n": 5, "s": "x"})]


REFUSED: dict[str, tuple[str, str, Any, str]] = {
    "an unknown field": ("POST", "points/query", {"limit": 1, "limits": 2}, "`limits`"),
    "an unknown field deep inside": (
        "POST",
        "points/query",
        {"prefetch": {"query": [1, 0, 0, 0], "filter": {"must": [{"key": "a", "match": {"valu": 1}}]}}},
        "`prefetch.filter.must.0.match.valu`",
    ),
    "a kind of query that is not served": ("POST", "points/query", {"query": {"recommend": {"positive": [1]}}}, "Reco"),
    "a condition that is not served": (
        "POST",
        "points/count",
        {"filter": {"must": {"key": "a", "geo_radius": {"center": {"lon": 1, "lat": 1}, "radius": 1}}}},
        "`geo_radius`",
    ),
    "a boolean match": (
        "POST",
        "points/count",
        {"filter": {"must": {"key": "a", "match": {"value": True}}}},
        "boolean",
    ),
    "a shard key": ("POST", "points/scroll", {"shard_key": "a"}, "`shard_key`"),
    "a wrong kind of value": ("POST", "points/scroll", {"limit": "many"}, "`limit`"),
    "a vector of another length": ("POST", "points/query", {"query": [1.0], "using": "dense"}, "expected dim: 4"),
    "a vector that is not there": ("POST", "points/query", {"query": [1.0], "using": "none"}, "none"),
    "an id that is none": ("PUT", "points", {"points": [{"id": "x", "vector": {}}]}, "'x' is not a valid point id"),
    "no target": ("POST", "points/payload", {"payload": {}}, "exactly one"),
    "a parameter": ("POST", "points/query?speed=high", {}, "`speed`"),
    "no JSON": ("POST", "points/query", None, "not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_not_understood_is_refused(url: str, collection: str, case: str) -> None:
    """With 400, Qdrant's form of an error, and the name of what is wrong."""
    method, path, body, named = REFUSED[case]
    async with httpx.AsyncClient(headers={"api-key": KEY}) as plain:
        given = {"content": b"{"} if body is None else {"json": body}
        answer = await plain.request(method, f"{url}/collections/{collection}/{path}", **given)

    assert answer.status_code == 400
    assert named in answer.json()["status"]["error"]


async def test_what_is_not_served_is_refused(url: str, collection: str) -> None:
    """A path or method that is not known is named."""
    async with httpx.AsyncClient(headers={"api-key": KEY}) as plain:
        unknown = await plain.post(f"{url}/collections/{collection}/points/recommend", json={})
        method = await plain.patch(f"{url}/collections/{collection}", json={})

    assert (unknown.status_code, method.status_code) == (404, 404)
    assert "points/recommend is not supported" in unknown.json()["status"]["error"]
    assert method.json()["status"]["error"].startswith("PATCH ")


@pytest.mark.parametrize("name", ["..", "a%2Fb", ".hidden", "a b"])
def test_names_stay_in_the_folder(url: str, folder: Path, name: str) -> None:
    """A collection's name cannot lead out of the folder."""
    with httpx.Client() as plain:
        request = httpx.Request("PUT", f"{url}/collections/x", json={"vectors": {}}, headers={"api-key": KEY})
        request.url = request.url.copy_with(raw_path=f"/collections/{name}".encode())
        answer = plain.send(request)

    assert answer.status_code in {400, 404}
    assert {path.name for path in folder.iterdir()} <= {"lock", "collections", "aliases.json"}


@pytest.mark.faults
async def test_acknowledged_writes_survive_a_kill(tmp_path: Path) -> None:
    """What was answered is there after `kill -9`: points, payloads, deletions, indexes and aliases."""
    with running(tmp_path) as (process, url):
        async with connected(url) as client:
            await client.create_collection("c", vectors_config=VECTORS)
            await client.create_payload_index("c", "s", models.PayloadSchemaType.KEYWORD)
            for start in range(0, 2000, 100):
                await client.upsert("c", points(*range(start, start + 100)), wait=True)
            await client.set_payload("c", {"s": "changed"}, points=[1])
            await client.delete("c", [0])
            alias = models.CreateAlias(collection_name="c", alias_name="live")
            await client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
            process.kill()
            process.wait()

    with running(tmp_path) as (_, url):
        async with connected(url) as client:
            assert await numbers_in(client, "live") == list(range(1, 2000))
            assert (await client.retrieve("c", [1]))[0].payload == {"n": 1, "s": "changed"}
            assert list((await client.get_collection("c")).payload_schema) == ["s"]


@pytest.mark.faults
async def test_a_kill_between_flushes(tmp_path: Path) -> None:
    """Killed over and over while it writes, it loses nothing of what it had answered."""
    answered: list[int] = []
    for life in range(2):
        with running(tmp_path) as (process, url):
            async with connected(url) as client:
                if life == 0:
                    await client.create_collection("c", vectors_config=VECTORS)
                for number in range(life * 300, life * 300 + 300, 20):
                    await client.upsert("c", points(*range(number, number + 20)))
                    answered += range(number, number + 20)
                process.kill()
                process.wait()

    with running(tmp_path) as (_, url):
        async with connected(url) as client:
            assert await numbers_in(client, "c") == answered


@pytest.mark.faults
async def test_stops_cleanly_when_told(tmp_path: Path) -> None:
    """SIGTERM: it leaves with 0, and what it held is there the next time."""
    with running(tmp_path) as (process, url):
        async with connected(url) as client:
            await client.create_collection("c", vectors_config=VECTORS)
            await client.upsert("c", points(1, 2, 3))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    with running(tmp_path) as (_, url):
        async with connected(url) as client:
            assert await numbers_in(client, "c") == [1, 2, 3]


async def test_one_server_a_folder(url: str, folder: Path) -> None:
    """A second one says that the folder is taken, and the first goes on."""
    assert "another server has this folder open" in refused_start(folder)

    async with connected(url) as client:
        await client.get_collections()


@pytest.mark.faults
async def test_a_damaged_collection(tmp_path: Path) -> None:
    """It is named in one line."""
    with running(tmp_path) as (process, url):
        async with connected(url) as client:
            await client.create_collection("harmed", vectors_config=VECTORS)
            await client.upsert("harmed", points(1))
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    for path in (tmp_path / "collections/harmed/shard/segments").rglob("segment.json"):
        path.write_bytes(b"{")

    line = refused_start(tmp_path)

    assert "collections/harmed: the collection is damaged" in line


async def test_a_half_made_collection_is_removed(tmp_path: Path) -> None:
    """What was being created or deleted when the process died does not come back."""
    (tmp_path / "collections/half/shard").mkdir(parents=True)

    with running(tmp_path) as (_, url):
        async with connected(url) as client:
            assert (await client.get_collections()).collections == []
    assert not (tmp_path / "collections/half").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The reason is one line."""
    (tmp_path / "file").write_text("")

    assert str(tmp_path / "file") in refused_start(tmp_path / "file")


def test_no_key_no_server(tmp_path: Path) -> None:
    """It does not start open to everybody."""
    environment = {name: value for name, value in os.environ.items() if name != module.KEY_VARIABLE}
    done = subprocess.run(
        command(tmp_path, free_port()), env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    assert module.KEY_VARIABLE in done.stderr
