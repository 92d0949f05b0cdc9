"""What every reranker promises: the fake, and a cross-encoder in the embedding process behind its client."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.embedded import http_servers
from adapters.embedding.rerank_client import HttpReranker
from application.errors import RerankerUnavailable
from application.ports.reranking import Reranker
from tests.fakes.reranking import FakeReranker

QUESTION = "How long is the notice period?"
PASSAGES = ["The notice period is thirty days.", "Otters swim in rivers.", "Payment is due at once.", "", "図書館"]


@pytest.fixture(scope="session")
async def http_reranker(embedding_server: http_servers.PreparedServer) -> AsyncIterator[HttpReranker]:
    """Once its model is loaded."""
    reranker = HttpReranker(embedding_server.url, model="tiny", api_key=embedding_server.key, timeout=60)
    async with asyncio.timeout(100):
        while True:
            try:
                await reranker.scores("ready", ["yes"])
            except RerankerUnavailable:
                await asyncio.sleep(0.05)
            else:
                break
    yield reranker
    await reranker.aclose()


@pytest.fixture
def fake_reranker() -> FakeReranker:
    return FakeReranker()


@pytest.fixture(params=["fake_reranker", "http_reranker"])
def reranker(request: pytest.FixtureRequest) -> Reranker:
    made: Reranker = request.getfixturevalue(request.param)
    return made


async def test_one_score_a_passage_in_order(reranker: Reranker) -> None:
    """Whatever order they are given in, and however many: more than a batch of the model."""
    scores = await reranker.scores(QUESTION, PASSAGES)
    turned = await reranker.scores(QUESTION, [*reversed(PASSAGES * 3)])

    assert len(scores) == len(PASSAGES)
    assert len(set(scores[:3])) > 1
    assert [*reversed(turned)] == pytest.approx(scores * 3, abs=1e-4)


async def test_no_passages_no_scores(reranker: Reranker) -> None:
    """Nothing to read is no error."""
    assert await reranker.scores(QUESTION, []) == []


async def test_texts_of_any_kind(reranker: Reranker) -> None:
    """Also very long and strange ones."""
    assert len(await reranker.scores("word " * 2000, ["word " * 5000, "x" * 20_000, "\0", "🦦"])) == 4


async def test_nobody_there(unused_tcp_port: int) -> None:
    """A server that does not listen is told as such."""
    reranker = HttpReranker(f"http://127.0.0.1:{unused_tcp_port}", model="tiny")

    with pytest.raises(RerankerUnavailable, match="cannot be reached"):
        await reranker.scores(QUESTION, PASSAGES)
    await reranker.aclose()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "cannot be reached"),  # it hangs up
        (None, "ReadTimeout"),  # it never answers
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"results": []}', "cannot be read"),
    ],
)
async def test_a_server_that_fails(answer: bytes | None, said: str) -> None:
    """Each way in which it can fail within the time limit is one error."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        if answer is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reranker = HttpReranker(f"http://127.0.0.1:{port}", model="tiny", timeout=0.2)

    with pytest.raises(RerankerUnavailable, match=said):
        await reranker.scores(QUESTION, PASSAGES)
    await reranker.aclose()
    server.close()
    await server.wait_closed()


async def test_a_server_without_a_reranker_or_key_says_so(embedding_server: http_servers.PreparedServer) -> None:
    """A wrong key is refused as it is for embeddings."""
    reranker = HttpReranker(embedding_server.url, model="tiny", api_key="wrong")

    with pytest.raises(RerankerUnavailable, match="401"):
        await reranker.scores(QUESTION, PASSAGES)
    await reranker.aclose()
