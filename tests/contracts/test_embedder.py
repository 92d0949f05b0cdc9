"""What every embedder promises: the fake, the model in this process, the server with its client, and the cache."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.embedded import http_servers
from adapters.embedding.cached import CachedEmbedder
from adapters.embedding.client import HttpEmbedder, TimeLimits
from adapters.embedding.folder import DEFAULT_MODEL, find_model
from adapters.embedding.local import LocalEmbedder
from adapters.system import SystemClock
from application.errors import EmbedderUnavailable
from application.ports.embedding import Embedder, Vector
from tests.fakes.cache import FakeCache
from tests.fakes.embedding import FakeEmbedder

OTTERS = "The otter swims in the river and catches fish."
RIVER_FISH = "An otter in the river catches fish as it swims."
INVOICE = "Payment of this invoice falls due within thirty days."


@pytest.fixture(scope="session")
def local_embedder() -> Iterator[LocalEmbedder]:
    embedder = LocalEmbedder(dtype="float32")
    yield embedder
    embedder.close()


@pytest.fixture(scope="session")
async def http_embedder(embedding_server: http_servers.PreparedServer) -> AsyncIterator[HttpEmbedder]:
    """Its first call waits for the model to be loaded."""
    limits = TimeLimits(loading=100, query=60)
    embedder = HttpEmbedder(
        embedding_server.url, model=DEFAULT_MODEL, api_key=embedding_server.key, dimensions=384, limits=limits
    )
    yield embedder
    await embedder.aclose()


@pytest.fixture
def fake_embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
def cached_embedder() -> CachedEmbedder:
    return CachedEmbedder(FakeEmbedder(), FakeCache(SystemClock()))


@pytest.fixture(params=["fake_embedder", "cached_embedder", "local_embedder", "http_embedder"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.getfixturevalue(request.param)
    return made


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def near(one: Vector, other: Vector) -> bool:
    """Whether they differ by no more than another batch's rounding."""
    return cosine(one, other) > 0.9999


async def test_vectors_have_unit_length_and_the_told_dimensions(embedder: Embedder) -> None:
    """Any text gives a vector, also an empty, a very long and a strange one."""
    texts = [OTTERS, "", " \n", "word " * 5000, "x" * 20_000, "東京の図書館", "🦦", "\0", "ﷺ" * 300]
    vectors = await embedder.embed_passages(texts)

    assert len(vectors) == len(texts)
    assert {len(vector) for vector in vectors} == {embedder.dimensions}
    assert all(math.isclose(cosine(vector, vector), 1, abs_tol=1e-3) for vector in vectors)


async def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    """An empty list is answered with an empty list."""
    assert await embedder.embed_passages([]) == []


async def test_order_is_kept(embedder: Embedder) -> None:
    """Each text's vector stands in its place, however the batches were formed."""
    texts = [f"{OTTERS} " * (n % 7 + 1) + f"Number {n}." for n in range(75)]
    vectors = await embedder.embed_passages(texts)
    for n in (0, 31, 32, 33, 64, 74):
        assert near(vectors[n], (await embedder.embed_passages([texts[n]]))[0])


async def test_same_text_gives_the_same_vector(embedder: Embedder) -> None:
    """Repeated texts agree, within a call and between calls."""
    first, other, second = await embedder.embed_passages([OTTERS, INVOICE, OTTERS])

    assert near(first, second)
    assert not near(first, other)
    assert near(first, (await embedder.embed_passages([OTTERS]))[0])


async def test_like_texts_are_nearer_than_unlike_ones(embedder: Embedder) -> None:
    """A question finds the passage that answers it."""
    like, unlike = await embedder.embed_passages([RIVER_FISH, INVOICE])
    question = await embedder.embed_query("Where does the otter catch fish?")

    assert cosine(question, like) > cosine(question, unlike) + 0.1


async def test_callers_at_the_same_time_get_their_own(embedder: Embedder) -> None:
    """Many passages and queries at once do not mix."""
    texts = [f"{OTTERS} Variant {n}" for n in range(12)]
    alone = [await embedder.embed_query(text) for text in texts]
    together = await asyncio.gather(*(embedder.embed_query(text) for text in texts), embedder.embed_passages(texts))

    assert all(near(one, other) for one, other in zip(alone, together[:-1], strict=True))


async def test_ping_passes_when_ready(embedder: Embedder) -> None:
    """After a query was answered the embedder is ready."""
    await embedder.embed_query("ready?")
    await embedder.ping()


async def test_server_and_model_agree(local_embedder: LocalEmbedder, http_embedder: HttpEmbedder) -> None:
    """The same model gives the same vectors in process and over HTTP, under the same name."""
    here, there = await local_embedder.embed_passages([OTTERS]), await http_embedder.embed_passages([OTTERS])

    assert near(here[0], there[0])
    assert (local_embedder.name, local_embedder.dimensions) == (http_embedder.name, http_embedder.dimensions)


async def test_nobody_listening_is_said(unused_tcp_port: int) -> None:
    """A server that is not there is unavailable, after a moment of trying."""
    limits = TimeLimits(connect=0.5)
    embedder = HttpEmbedder(f"http://127.0.0.1:{unused_tcp_port}", model="any", dimensions=3, limits=limits)
    for call in (embedder.ping(), embedder.embed_query("x"), embedder.embed_passages(["x"] * 100)):
        with pytest.raises(EmbedderUnavailable, match="reached"):
            await call
    await embedder.aclose()


async def test_wrong_key_is_said(embedding_server: http_servers.PreparedServer) -> None:
    """The refusal names the key, and is not tried again."""
    embedder = HttpEmbedder(embedding_server.url, model=DEFAULT_MODEL, api_key="wrong", dimensions=384)
    async with asyncio.timeout(5):
        with pytest.raises(EmbedderUnavailable, match="401: The API key"):
            await embedder.embed_query("x")
    await embedder.aclose()


async def test_dimensions_are_discovered(embedding_server: http_servers.PreparedServer) -> None:
    """A server that only says vectors tells the dimensions by them."""
    limits = TimeLimits(loading=100, query=60)
    embedder = HttpEmbedder(embedding_server.url, model=DEFAULT_MODEL, api_key=embedding_server.key, limits=limits)
    with pytest.raises(EmbedderUnavailable, match="dimensions"):
        embedder.dimensions  # noqa: B018 asked for its refusal

    assert await embedder.discover() == embedder.dimensions == 384
    await embedder.aclose()


@pytest.mark.parametrize(
    ("address", "key", "path", "authorization"),
    [
        ("http://{}", None, "/v1/embeddings", None),
        ("http://{}/openai/v1", "secret", "/openai/v1/embeddings", "Bearer secret"),
        ("http://some%20one:word@{}/v1/", None, "/v1/embeddings", "Basic c29tZSBvbmU6d29yZA=="),
    ],
)
async def test_where_it_asks(address: str, key: str | None, path: str, authorization: str | None) -> None:
    """Below the path of the address, with the key, or with the name and password that stand in the address."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"data": [{"index": 0, "embedding": [3.0, 4.0]}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        embedder = HttpEmbedder(address.format(f"{host}:{port}"), model="any", api_key=key)

        assert await embedder.embed_query(OTTERS) == pytest.approx([0.6, 0.8])
        await embedder.aclose()

    told = heads[0].decode()
    assert told.startswith(f"POST {path} HTTP/1.1\r\n")
    assert authorization is None or f"Authorization: {authorization}\r\n" in told
    assert ("Authorization" in told) == (authorization is not None)


async def test_cached_texts_cost_nothing_again() -> None:
    """Each text is embedded once, over calls and within one, and queries apart from passages."""
    inner = FakeEmbedder()
    embedder = CachedEmbedder(inner, FakeCache(SystemClock()))
    first = await embedder.embed_passages([OTTERS, INVOICE, OTTERS])
    again = await embedder.embed_passages([INVOICE, RIVER_FISH, OTTERS])
    await embedder.embed_query(OTTERS)
    await asyncio.sleep(0)  # a question's vector is kept beside what goes on
    await embedder.embed_query(OTTERS)

    assert inner.embedded == [OTTERS, INVOICE, RIVER_FISH, OTTERS]
    assert near(first[0], again[2])
    assert near(first[1], again[0])


async def test_a_question_does_not_wait_for_the_cache_to_keep_it() -> None:
    """Somebody waits for what is found with it."""

    class SlowCache(FakeCache):
        async def set(self, key: str, value: bytes, *, ttl: timedelta) -> None:
            kept.append(key)
            await asyncio.Event().wait()

    kept: list[str] = []
    embedder = CachedEmbedder(FakeEmbedder(), SlowCache(SystemClock()))
    async with asyncio.timeout(5):
        await embedder.embed_query(OTTERS)
        await asyncio.sleep(0)

    assert len(kept) == 1


async def test_cache_of_other_model_or_garbage_is_not_used() -> None:
    """Vectors belong to their model, and bytes of a wrong length are no vector."""
    cache = FakeCache(SystemClock())
    small, large = FakeEmbedder(dimensions=8, name="small"), FakeEmbedder(dimensions=16, name="large")
    await CachedEmbedder(small, cache).embed_query(OTTERS)
    await asyncio.sleep(0)
    vector = await CachedEmbedder(large, cache).embed_query(OTTERS)

    assert len(vector) == 16
    grown = FakeEmbedder(dimensions=32, name="large")
    assert len(await CachedEmbedder(grown, cache).embed_query(OTTERS)) == 32


async def test_cache_that_is_down_only_costs_time() -> None:
    """Without its cache the embedder works as before."""
    cache = FakeCache(SystemClock())
    cache.is_down = True
    inner = FakeEmbedder()
    embedder = CachedEmbedder(inner, cache)
    await embedder.embed_query(OTTERS)
    await embedder.embed_query(OTTERS)

    assert inner.embedded == [OTTERS, OTTERS]


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such/model", "not a name!"])
def test_missing_model_is_said_in_one_line(name: str) -> None:
    """The message names what is missing and what to set, before anything is loaded."""
    with pytest.raises(EmbedderUnavailable, match="EMBEDDING_MODEL") as raised:
        LocalEmbedder(name)

    assert name in raised.value.message
    assert "\n" not in raised.value.message


def test_folder_is_named_by_its_content(tmp_path: Path) -> None:
    """Two folders of one name with different models are told apart; an empty one is refused."""
    names = set()
    for place, weights in (("a", b"one"), ("b", b"two")):
        folder = tmp_path / place / "model"
        folder.mkdir(parents=True)
        with pytest.raises(EmbedderUnavailable, match="holds no model"):
            find_model(str(folder))
        (folder / "config.json").write_text('{"hidden_size": 12}')
        (folder / "model.safetensors").write_bytes(weights)
        found = find_model(str(folder))
        names.add(found.name)
        assert found.dimensions == 12

    assert len(names) == 2
