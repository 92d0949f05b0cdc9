import asyncio
import re
from collections.abc import AsyncIterator, MutableMapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate
from starlette.routing import Match

from entrypoints.http import operations as probes
from entrypoints.http.index import RouteIndex
from entrypoints.http.limits import is_too_deep
from tests.http.checker import Contract
from tests.http.conftest import Member, StandInContainer


def test_the_published_document_is_openapi(app: FastAPI) -> None:
    """The document is valid OpenAPI 3.1 with one id an operation."""
    document = app.openapi()

    validate(document)
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_published_document_shows_examples(app: FastAPI) -> None:
    """Each body that is asked for has an example, and each JSON answer has one that fits its shape."""
    document = app.openapi()
    shapes = document["components"]["schemas"]
    asked = shown = 0
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            named = re.findall(r"schemas/(\w+)", str(media["schema"]))
            assert "example" in media or all("examples" in shapes[name] for name in named), operation["operationId"]
            asked += 1
        for status, response in operation["responses"].items():
            media = response.get("content", {}).get("application/json")
            if media is not None and status.startswith("2"):
                schema = {**media["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(media["example"])
                assert "…" not in str(media["example"]), operation["operationId"]  # a field without words of its own
                shown += 1
    assert (asked > 20, shown > 50) == (True, True)


async def test_the_index_finds_what_asking_every_route_finds(app: FastAPI) -> None:
    """The first route that fits, for every path there is, with a word where an id belongs, and one part too many."""
    index, asked = RouteIndex(app.router), 0
    for route in [route for route in app.router.routes if isinstance(route, APIRoute)]:
        for path in (re.sub(r"\{\w+\}", "x", route.path), re.sub(r"\{\w+\}", "events", route.path), f"{route.path}/x"):
            for method in route.methods or ():
                scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": []}
                expected = next((one for one in app.router.routes if one.matches(scope)[0] is Match.FULL), None)
                asked += 1

                assert expected is index.find(method, path)[0], (method, path)
    assert asked > 200


async def test_every_guarded_route_wants_a_token(http: httpx.AsyncClient, contract: Contract) -> None:
    """Without a token and with a wrong one: 401 as a problem document, on every route but the open ones."""
    asked = 0
    for path, operations in contract.document["paths"].items():
        for method, operation in operations.items():
            url = re.sub(r"\{number\}", "1", path)
            url = re.sub(r"\{\w+\}", str(uuid4()), url)
            if not operation.get("security"):
                continue
            asked += 1
            for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
                response = await http.request(method.upper(), url, headers=headers)

                assert response.status_code == 401, (method, path)
                assert response.headers["www-authenticate"] == "Bearer"
    assert asked > 20


async def test_a_path_that_is_not_there(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/nothing/here")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_method_that_is_not_taken_names_those_that_are(ada: Member) -> None:
    response = await ada.call("PUT", "documents")

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


async def test_an_id_that_is_none_is_not_found(ada: Member) -> None:
    assert (await ada.call("GET", "documents/not-an-id")).status_code == 404
    assert (await ada.call("GET", f"documents/{uuid4()}")).status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"query": "\xff"}', b"null", b"[]", b""])
async def test_broken_json_is_a_422(ada: Member, body: bytes) -> None:
    response = await ada.call("POST", "search", content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 422


@pytest.mark.parametrize("deep", [b"[" * 101 + b"]" * 101, b'{"a":' * 101 + b"1" + b"}" * 101, b"[" * 500_000])
async def test_deep_json_is_refused_before_it_is_parsed(ada: Member, contract: Contract, deep: bytes) -> None:
    """By every route that takes JSON, inside of a member that would be left aside too."""
    body = b'{"query": "x", "name": "x", "more": %s}' % deep
    headers = {"Content-Type": "application/json; charset=utf-8"}
    for path, operations in contract.document["paths"].items():
        for method, operation in operations.items():
            if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                continue
            url = re.sub(r"\{\w+\}", str(uuid4()), path.replace("/v1/workspaces/{workspace_id}", ada.workspace))
            response = await ada.call(method.upper(), url, content=body, headers=headers)

            assert response.status_code == 422, (method, path)
            assert [entry["code"] for entry in response.json()["errors"]] == ["json_too_deep"]
    form = {"metadata": deep[:60_000].decode()}
    assert (await ada.upload(b"Some words.", **form)).status_code == 422


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (b"[" * 100 + b"]" * 100, False),
        (b"[" * 101 + b"]" * 101, True),
        (b"[" * 101, True),
        (b"[]," * 1000, False),
        (b'{"a": [{}, [1], {"b": []}]}' * 100, False),
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'"]', False),
        (b'["\\\\"' + b"[" * 1000, True),
        (b'"' + b"[" * 1000, False),
        (b"]" * 1000 + b"[" * 100, False),
    ],
)
def test_depth_counts_brackets_outside_of_strings(text: bytes, *, deep: bool) -> None:
    """As a parser would have to go down."""
    assert deep is is_too_deep(text)


async def test_another_content_type_is_a_415(ada: Member) -> None:
    response = await ada.call("POST", "search", content=b"query=x", headers={"Content-Type": "text/plain"})

    assert response.status_code == 415


async def test_each_wrong_member_has_its_pointer(ada: Member) -> None:
    response = await ada.call("POST", "search", json={"limit": 1000, "filters": {"tags": ["a", 7]}})

    assert response.status_code == 422
    assert {entry["pointer"] for entry in response.json()["errors"]} == {"/query", "/limit", "/filters/tags/1"}


@pytest.mark.parametrize("query", ["a\0b", "\ud800"])
async def test_text_that_no_database_takes_is_refused(ada: Member, query: str) -> None:
    body = b'{"query": "%s"}' % query.encode("unicode_escape").replace(b"\\x00", b"\\u0000")
    response = await ada.call("POST", "search", content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 422


async def test_text_that_no_database_takes_is_told_where_it_stands(ada: Member) -> None:
    """Inside of lists and objects too, without the words of it."""
    deep = {"query": "x", "filters": {"tags": ["a", "b\0c"]}}
    answers = [
        await ada.call("PATCH", "", json={"name": "a\0b"}),
        await ada.call("POST", "search", json=deep),
    ]

    assert [("/name", "not_plain"), ("/filters/tags/1", "not_plain")] == [
        (entry["pointer"], entry["code"]) for answer in answers for entry in answer.json()["errors"]
    ]


async def test_nul_in_a_query_is_refused(ada: Member) -> None:
    assert (await ada.call("GET", "documents", params={"q": "a\0b"})).status_code == 422
    assert (await ada.call("GET", "documents", params={"tag": "a\0b"})).status_code == 422


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_its_limit_is_a_413(ada: Member, *, announced: bool) -> None:
    """Whether or not its length is told beforehand."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    content = b" " * 3_000_000 if announced else pieces()
    response = await ada.call("POST", "search", content=content, headers={"Content-Type": "application/json"})

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_request_ids_are_kept_or_made(http: httpx.AsyncClient) -> None:
    kept = await http.get("/healthz", headers={"X-Request-Id": "trace.me_1-2"})
    made = await http.get("/healthz", headers={"X-Request-Id": "no good!"})

    assert kept.headers["x-request-id"] == "trace.me_1-2"
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


async def test_a_defect_leaks_nothing(ada: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw gives a plain 500 with the id under which it stands in the log."""

    def broken(_: StandInContainer) -> None:
        raise RuntimeError("SELECT secret FROM /etc/rr")

    monkeypatch.setattr(StandInContainer, "use_cases", broken)

    response = await ada.call("GET", "documents")

    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert "Traceback" not in response.text


async def test_an_engine_that_is_down_is_a_503_without_its_address(ada: Member, container: StandInContainer) -> None:
    container.assembly.embedder.down = True

    response = await ada.call("POST", "search", json={"query": "x", "mode": "semantic"})

    assert (response.status_code, response.json()["code"]) == (503, "embedder_unavailable")
    assert "10.0.0.7" not in response.text
    assert int(response.headers["retry-after"]) >= 1


async def test_origins_by_setting(http: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match"}
    good = await http.options("/v1/me", headers={"Origin": "https://app.example.org", **asked})
    bad = await http.options("/v1/me", headers={"Origin": "https://evil.example.org", **asked})
    answer = await http.get("/healthz", headers={"Origin": "https://app.example.org"})

    assert good.status_code == 200
    assert good.headers["access-control-allow-origin"] == "https://app.example.org"
    assert (bad.status_code, bad.json()["code"]) == (403, "origin_not_allowed")
    assert "etag" in answer.headers["access-control-expose-headers"].lower()


async def test_readiness_names_each_engine(http: httpx.AsyncClient, container: StandInContainer) -> None:
    async def up() -> None: ...

    async def down() -> None:
        raise OSError("10.0.0.9 refused")

    container.pings = {"postgres": up, "redis": down, "model": up}
    limping = await http.get("/readyz")
    container.pings = {"postgres": down, "redis": up}
    broken = await http.get("/readyz")

    assert limping.status_code == 200
    assert limping.json()["engines"] == {
        "postgres": {"state": "up", "needed": True},
        "redis": {"state": "down", "needed": False},
        "model": {"state": "up", "needed": False, "answers": "extractive"},
    }
    assert broken.status_code == 503
    assert broken.json()["engines"]["postgres"] == {"state": "down", "needed": True}
    assert "10.0.0.9" not in broken.text


async def test_an_engine_that_hangs_is_down(
    http: httpx.AsyncClient, container: StandInContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(probes, "PATIENCE", 0.01)
    container.pings = {"postgres": hang}

    assert (await http.get("/readyz")).status_code == 503


async def test_the_log_has_one_line_a_request_and_no_words_of_it(
    ada: Member, log_lines: list[MutableMapping[str, Any]]
) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"X-Request-Id": "mine", "traceparent": traceparent}
    await ada.call("GET", "documents", params={"q": "secret words"}, headers=headers)

    [line] = [line for line in log_lines if line.get("request_id") == "mine"]
    assert (line["event"], line["status"], line["route"]) == (
        "request",
        200,
        "/v1/workspaces/{workspace_id}/documents",
    )
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert "secret" not in repr(log_lines)
    assert ada.headers["Authorization"].split()[1] not in repr(log_lines)


async def test_metrics_count_by_template(ada: Member) -> None:
    await ada.call("GET", f"documents/{uuid4()}")

    text = (await ada.call("GET", "/metrics")).text

    route = "/v1/workspaces/{workspace_id}/documents/{document_id}"
    assert f'readingroom_http_requests_total{{method="GET",route="{route}",status="404"}} 1.0' in text
    assert "readingroom_answers_active 0.0" in text


@pytest.mark.parametrize("path", ["/", "/docs", "/assets/app.js", "/assets/style.css"])
async def test_pages_load_nothing_from_elsewhere(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)

    assert response.status_code == 200
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", response.text)
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
