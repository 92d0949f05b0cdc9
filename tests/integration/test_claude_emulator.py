"""The emulator refuses what the API refuses: without that, tests on it would prove nothing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.claude_emulator.server import ClaudeEmulator

Json = dict[str, Any]
SONNET = "claude-sonnet-5-5"
RESULT: Json = {
    "type": "search_result",
    "source": "kb://a/b",
    "title": "T",
    "content": [{"type": "text", "text": "Water boils."}],
    "citations": {"enabled": True},
}
SILENT_RESULT: Json = {**RESULT, "citations": {"enabled": False}}
TOOL: Json = {"name": "search", "input_schema": {"type": "object"}}
CALL: Json = {"type": "tool_use", "id": "t1", "name": "search", "input": {}}
CITATION: Json = {
    "type": "search_result_location",
    "cited_text": "Water boils.",
    "source": "kb://a/b",
    "title": "T",
    "search_result_index": 0,
    "start_block_index": 0,
    "end_block_index": 1,
}


def text(words: str, **more: object) -> Json:
    return {"type": "text", "text": words, **more}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def result(content: Any, call: str = "t1") -> Json:
    return {"type": "tool_result", "tool_use_id": call, "content": content}


def body(*messages: Json, **more: object) -> Json:
    return {"model": SONNET, "max_tokens": 100, "messages": list(messages) or [user(text("Hi"))], **more}


def looped(*blocks: Json, **more: object) -> Json:
    return body(user(text("Hi")), assistant(CALL), user(*blocks), tools=[TOOL], **more)


MARK = {"cache_control": {"type": "ephemeral"}}

TAKEN = {
    "plain": body(),
    "string content": body({"role": "user", "content": "Hi"}),
    "search results": body(user(RESULT, text("Why?"))),
    "tool loop": looped(result([RESULT]), system=[text("Rules.", **MARK)]),
    "tool loop, nothing found": looped(result("No results found."), tool_choice={"type": "none"}),
    "replayed citations": body(
        user(RESULT, text("Why?")), assistant(text("So.", citations=[CITATION])), user(text("?"))
    ),
    "four breakpoints": body(user(text("a", **MARK), text("b", **MARK), text("c", **MARK), text("d", **MARK))),
    "effort": body(output_config={"effort": "low"}),
    "cache pre-warming": body() | {"max_tokens": 0},
    "system message in the middle": body(user(text("Hi")), {"role": "system", "content": "Be brief."}),
    "metadata": body(metadata={"user_id": "u"}),
}
REFUSED = {
    "temperature": body(temperature=1.0),
    "top_p": body(top_p=1.0),
    "unknown key": body(creativity=11),
    "number as text": body() | {"max_tokens": "10"},
    "no max_tokens": {"model": SONNET, "messages": [user(text("Hi"))]},
    "too many tokens": body() | {"max_tokens": 1_000_000},
    "no messages": body() | {"messages": []},
    "unknown role": body({"role": "bot", "content": "Hi"}),
    "assistant first": body(assistant(text("Hi")), user(text("Hi"))),
    "prefill": body(user(text("Hi")), assistant(text("Well"))),
    "empty text": body(user(text(""))),
    "blank text": body(user(text(" \n"))),
    "empty content": body(user()),
    "unknown block": body(user({"type": "hologram"})),
    "text without text": body(user({"type": "text"})),
    "search result without title": body(user({k: v for k, v in RESULT.items() if k != "title"})),
    "search result without content": body(user({**RESULT, "content": []}, text("?"))),
    "search result with blank text": body(user({**RESULT, "content": [text(" ")]}, text("?"))),
    "search result said by the assistant": body(user(text("Hi")), assistant(RESULT), user(text("?"))),
    "citations on some": body(user(RESULT, SILENT_RESULT, text("?"))),
    "citations and a format": body(
        user(RESULT, text("?")), output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}
    ),
    "citations in user text": body(user(text("Hi", citations=[CITATION]))),
    "file_id in a citation": body(
        user(RESULT, text("?")), assistant(text("So.", citations=[{**CITATION, "file_id": None}])), user(text("?"))
    ),
    "result for nobody": body(user(result("x"), text("Hi"))),
    "call without result": looped(text("And?")),
    "text before a result": looped(text("And?"), result("x")),
    "wrong id": looped(result("x", "t2")),
    "mixed result": looped(result([RESULT, text("and more")])),
    "tools forgotten": {k: v for k, v in looped(result("x")).items() if k != "tools"},
    "same tool twice": body(tools=[TOOL, TOOL]),
    "tool without schema": body(tools=[{"name": "search"}]),
    "forced tool": body(tools=[TOOL], tool_choice={"type": "any"}),
    "choice without tools": body(tool_choice={"type": "auto"}),
    "thinking disabled": body(thinking={"type": "disabled"}),
    "thinking enabled": body(thinking={"type": "enabled", "budget_tokens": 1024}),
    "thinking budget": body(thinking={"type": "enabled", "budget_tokens": 5000}) | {"model": "claude-haiku-4-5"},
    "forged thinking": body(
        user(text("Hi")),
        assistant({"type": "thinking", "thinking": "x", "signature": "y"}, text("So.")),
        user(text("?")),
    ),
    "effort where there is none": body(output_config={"effort": "low"}) | {"model": "claude-haiku-4-5"},
    "unknown effort": body(output_config={"effort": "huge"}),
    "five breakpoints": body(user(*(text(letter, **MARK) for letter in "abcde"))),
    "system message at the start": body({"role": "system", "content": "Be brief."}, user(text("Hi"))),
    "a list": [],
}


@pytest_asyncio.fixture
async def client(claude_emulator: ClaudeEmulator, claude_key: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {claude_key}", "anthropic-version": "2026-10-21"}
    async with httpx.AsyncClient(base_url=claude_emulator.url, headers=headers, trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize("name", TAKEN)
async def test_takes(client: httpx.AsyncClient, name: str) -> None:
    """What the API takes is answered."""
    response = await client.post("/v1/messages", json=TAKEN[name])

    assert response.json()["type"] == "message"
    assert response.status_code == 200


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(client: httpx.AsyncClient, name: str) -> None:
    """What the API refuses is an invalid_request_error."""
    response = await client.post("/v1/messages", json=REFUSED[name])

    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert response.headers["request-id"].startswith("req_")


@pytest.mark.parametrize("model", ["claude-opus-4-1", "gpt-nothing"])
async def test_models_that_are_not_there(client: httpx.AsyncClient, model: str) -> None:
    """Retired and unknown models are not found."""
    response = await client.post("/v1/messages", json=body() | {"model": model})

    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer invalid"}, 401),
        ({"authorization": "", "x-api-key": "other-way"}, 200),
        ({"anthropic-version": "2001-01-01"}, 400),
        ({"content-type": "text/plain"}, 400),
    ],
)
async def test_headers(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """Key, version and content type are checked."""
    assert (await client.post("/v1/messages", json=body(), headers=headers)).status_code == status


async def test_old_version_takes_sampling(client: httpx.AsyncClient) -> None:
    """Temperature is for the old version of the API."""
    old = {"anthropic-version": "2023-06-01"}

    assert (await client.post("/v1/messages", json=body(temperature=0.5), headers=old)).status_code == 200


async def test_too_large(client: httpx.AsyncClient) -> None:
    """Over 32 MB is 413."""
    response = await client.post("/v1/messages", content=b"x" * (32 * 1024 * 1024 + 1))

    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


async def test_counts_and_lists(client: httpx.AsyncClient) -> None:
    """Tokens are counted, models listed, and nothing else is there."""
    counted = {key: value for key, value in body().items() if key != "max_tokens"}

    assert (await client.post("/v1/messages/count_tokens", json=counted)).json()["input_tokens"] > 0
    assert SONNET in [model["id"] for model in (await client.get("/v1/models?limit=1")).json()["data"]]
    assert (await client.get(f"/prefix/v1/models/{SONNET}")).json()["id"] == SONNET
    assert (await client.get("/v1/models/nobody")).status_code == 404
    assert (await client.get("/v1/batches")).status_code == 404


async def test_control(client: httpx.AsyncClient, claude_key: str) -> None:
    """Scripts are set, records read and all of it forgotten over HTTP, one key at a time."""
    scenarios = [
        {"fault": {"kind": "status", "status": 529, "error_type": "overloaded_error"}, "times": 2},
        {"reply": "text", "options": {"text": "Well."}},
    ]
    await client.post("/__emu/script", json={"key": claude_key, "scenarios": scenarios})
    other = {"authorization": "Bearer somebody-else"}
    statuses = [(await client.post("/v1/messages", json=body())).status_code for _ in range(3)]
    recorded = (await client.get("/__emu/requests")).json()

    assert (await client.post("/v1/messages", json=body(), headers=other)).status_code == 200
    assert statuses == [529, 529, 200]
    assert [record["status"] for record in recorded[claude_key]] == [529, 529, 200]
    await client.post("/__emu/reset", json={"key": claude_key})
    assert claude_key not in (await client.get("/__emu/requests")).json()
