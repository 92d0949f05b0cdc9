"""The HTTP face of the embedding process, spoken to as any OpenAI client would."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from adapters.embedding import server
from adapters.embedding.folder import ModelFolder
from adapters.embedding.queue import ModelQueue
from adapters.embedding.server import KEY_VARIABLE, MAX_BODY_BYTES, EmbeddingServer
from adapters.embedding.shelf import ModelShelf, ServedModel
from application.errors import EmbedderUnavailable
from tests.integration.test_model_queue import ScriptedModel

KEY = {"Authorization": "Bearer key of the tests"}


def face(queue: ModelQueue) -> EmbeddingServer:
    first = ServedModel(name="scripted", called=None, dimensions=1, queue=queue)
    return EmbeddingServer(ModelShelf(first), key="key of the tests")


def client_of(queue: ModelQueue) -> httpx.AsyncClient:
    """Without the lifespan, so that a test decides when the model is loaded."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(face(queue).app()), base_url="http://server", headers=KEY)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    queue = ModelQueue(ScriptedModel, workers=1)
    queue.start()
    await queue.loaded()
    async with client_of(queue) as made:
        yield made
    queue.stop()


async def test_floats_in_openais_shape(client: httpx.AsyncClient) -> None:
    """A list of texts gives a list of embeddings with their places and the tokens used."""
    answer = await client.post("/v1/embeddings", json={"input": ["1 2", "3"], "model": "scripted"})

    assert answer.json() == {
        "object": "list",
        "model": "scripted",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [3.0]},
            {"object": "embedding", "index": 1, "embedding": [3.0]},
        ],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


@pytest.mark.parametrize("priority", [{}, {"X-Priority": "query"}, {"X-Priority": "passage"}, {"X-Priority": "odd"}])
async def test_base64_is_little_endian_float32(client: httpx.AsyncClient, priority: dict[str, str]) -> None:
    """A single string, in base64, for every priority."""
    body = {"input": "1 2", "encoding_format": "base64", "dimensions": 1}
    answer = await client.post("/v1/embeddings", json=body, headers=priority)

    assert np.frombuffer(base64.b64decode(answer.json()["data"][0]["embedding"]), "<f4").tolist() == [3.0]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [1, 2, 3]}, 400, "input"),
        ({"input": [[1, 2], [3]]}, 400, "input"),
        ({"input": ["1", None]}, 400, "input"),
        ({"input": {"text": "1"}}, 400, "input"),
        ({"input": ["1"] * 2049}, 400, "input"),
        ({"input": "1", "dimensions": 2}, 400, "dimensions"),
        ({"input": "1", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": "1", "model": "other"}, 404, "model"),
        ({"input": "1", "model": ["scripted"]}, 404, "model"),
        ({"input": "1", "dimensions": [1]}, 400, "dimensions"),
        ({"input": "1", "encoding_format": []}, 400, "encoding_format"),
        ([], 400, None),
    ],
)
async def test_wrong_requests_are_refused_in_openais_shape(
    client: httpx.AsyncClient, body: Any, status: int, param: str | None
) -> None:
    """Each refusal says which field was wrong."""
    answer = await client.post("/v1/embeddings", json=body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_bodies_that_are_no_json_or_too_large(client: httpx.AsyncClient) -> None:
    """Broken and huge bodies are refused without being kept."""
    for content in (b"{", b"\xff\xfe", b"[" * 100_000):
        assert (await client.post("/v1/embeddings", content=content)).status_code == 400
    assert (await client.post("/v1/embeddings", content=b" " * (MAX_BODY_BYTES + 1))).status_code == 413


@pytest.mark.parametrize(
    "header", [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic key of the tests"}]
)
async def test_only_the_key_opens(client: httpx.AsyncClient, header: dict[str, str]) -> None:
    """Without the key nothing is embedded or named; health is open."""
    for refused in (
        await client.post("/v1/embeddings", json={"input": "1"}, headers=header),
        await client.get("/v1/models", headers=header),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (await client.get("/health", headers=header)).status_code == 200


async def test_models_and_health(client: httpx.AsyncClient) -> None:
    """Clients learn the model's name and dimensions."""
    assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["scripted"]
    assert (await client.get("/health")).json() == {
        "model": "scripted", "dimensions": 1, "status": "ready", "dtype": "float32"
    }  # fmt: skip


async def test_loading_is_said_with_a_time_to_ask_again() -> None:
    """Before the model is there requests are put off, and health tells."""
    async with client_of(ModelQueue(ScriptedModel)) as client:
        put_off = await client.post("/v1/embeddings", json={"input": "1"})
        health = await client.get("/health")

    assert (put_off.status_code, put_off.headers["retry-after"]) == (503, "1")
    assert (health.status_code, health.json()["status"]) == (503, "loading")


async def test_failed_model_is_said_without_one() -> None:
    """When the model cannot be loaded asking again does not help, and the reason is told."""

    def broken() -> ScriptedModel:
        raise EmbedderUnavailable("The folder is gone.")

    queue = ModelQueue(broken)
    queue.start()
    with pytest.raises(EmbedderUnavailable):
        await queue.loaded()
    async with client_of(queue) as client:
        failed = await client.post("/v1/embeddings", json={"input": "1"})
        health = await client.get("/health")

    assert (failed.status_code, "retry-after" in failed.headers) == (503, False)
    assert (health.json()["status"], health.json()["reason"]) == ("failed", "The folder is gone.")


async def test_failing_model_answers_500_and_lives_on(client: httpx.AsyncClient) -> None:
    """One text that breaks the model does not take the server with it, and is not quoted."""
    broken = await client.post("/v1/embeddings", json={"input": "secret words"})

    assert (broken.status_code, broken.json()["error"]["type"]) == (500, "server_error")
    assert "secret" not in broken.text
    assert (await client.post("/v1/embeddings", json={"input": "1"})).status_code == 200


class OtherModel(ScriptedModel):
    name = "other@1"


def shelf_of() -> ModelShelf:
    """One that knows another model, called /models/other."""

    def found(asked: str) -> ModelFolder:
        if asked != "/models/other":
            raise EmbedderUnavailable(f"There is no {asked}.")
        return ModelFolder(name=OtherModel.name, path=Path(asked), dimensions=1)

    first = ServedModel(name="scripted", called=None, dimensions=1, queue=ModelQueue(ScriptedModel, workers=1))
    return ModelShelf(first, find=found, load=lambda _: ModelQueue(OtherModel, workers=1))


def test_another_model_is_served_when_it_is_asked_for() -> None:
    """By its folder, then by its name too; what is no model is refused with the reason."""
    with TestClient(EmbeddingServer(shelf_of(), key="key of the tests").app(), headers=KEY) as client:

        def ask(model: str) -> httpx.Response:
            answer = client.post("/v1/embeddings", json={"input": "1 2", "model": model})
            while answer.status_code == 503:
                answer = client.post("/v1/embeddings", json={"input": "1 2", "model": model})
            return answer

        answers = [ask(model) for model in ("other@1", "/models/other", "other@1", "scripted", "/models/none")]
        listed = [model["id"] for model in client.get("/v1/models").json()["data"]]

    assert [404, 200, 200, 200, 404] == [answer.status_code for answer in answers]
    assert ["other@1", "other@1", "scripted"] == [answer.json()["model"] for answer in answers[1:4]]
    assert "There is no /models/none." in answers[4].text
    assert ["scripted", "other@1"] == listed


def test_what_nobody_asks_for_any_more_is_let_go() -> None:
    """The first one stays, and the other one as long as it alone is asked for."""
    shelf = shelf_of()
    other = shelf.get("/models/other")
    shelf.tidy(idle=0.0)
    assert other in shelf.others
    shelf.get(None)
    shelf.tidy(idle=0.0)

    assert shelf.others == []
    shelf.stop()


def test_lifespan_loads_and_lets_go() -> None:
    """The application brings its queue up and down."""
    queue = ModelQueue(ScriptedModel, workers=1)
    with TestClient(face(queue).app()) as client:
        while client.get("/health").status_code != 200:
            pass
    with pytest.raises(EmbedderUnavailable):
        asyncio.run(queue.embed(["1"], "query"))


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [(["--port", "1"], "", KEY_VARIABLE), (["--port", "1", "--model", "/no/such"], "k", "/no/such")],
)
def test_what_cannot_start_says_one_line(arguments: list[str], key: str, said: str) -> None:
    """A missing key or model ends the process at once with status 2."""
    ended = subprocess.run(
        [sys.executable, "-m", server.__name__, *arguments],
        env={**os.environ, KEY_VARIABLE: key, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
