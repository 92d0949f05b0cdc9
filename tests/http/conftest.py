"""The application on fakes, called over ASGI; every answer is checked against the published document."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from attrs import define, field, frozen
from fastapi import FastAPI
from structlog.testing import capture_logs

from application.use_cases import Policy, UseCases
from entrypoints.http.app import create_app
from tests.fakes.assembly import Assembly
from tests.http.checker import Contract

MAX_UPLOAD = 200_000
PASSWORD = "correct horse battery"


@frozen
class StandInSettings:
    max_upload_bytes: int = MAX_UPLOAD
    allowed_origins: tuple[str, ...] = ("https://app.example.org",)
    answers_by: str = "extractive"


@define
class StandInContainer:
    """The four questions that HTTP asks its container."""

    assembly: Assembly
    pings: dict[str, Callable[[], Awaitable[None]]] = field(factory=dict)

    def use_cases(self) -> UseCases:
        return self.assembly.use_cases

    def settings(self) -> StandInSettings:
        return StandInSettings()

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return self.pings

    def needed_engines(self) -> frozenset[str]:
        return frozenset({"postgres"})


@frozen
class Member:
    """Somebody who is logged in."""

    http: httpx.AsyncClient
    email: str
    workspace: str  # the path of their own workspace
    refresh_token: str
    headers: dict[str, str]

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """With their token; a path without a leading slash is inside their workspace."""
        url = path if path.startswith("/") else f"{self.workspace}/{path}".rstrip("/")
        return await self.http.request(method, url, headers={**self.headers, **more.pop("headers", {})}, **more)

    async def upload(self, content: bytes, name: str = "notes.txt", **fields: Any) -> httpx.Response:
        """A file with the fields after it, as httpx and browsers with the fields before it are both ordinary."""
        return await self.call("POST", "documents", files={"file": (name, content)}, data=fields)


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged, not rendered: drawing a trace with all its values takes longer than all tests."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        yield lines


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    return Assembly(root=tmp_path / "files", policy=Policy(max_upload_bytes=MAX_UPLOAD))


@pytest.fixture
def container(assembly: Assembly) -> StandInContainer:
    return StandInContainer(assembly)


@pytest.fixture
def app(container: StandInContainer) -> FastAPI:
    return create_app(container)


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """The document does not depend on the container, so it is made once."""
    return Contract(create_app(StandInContainer(Assembly(root=tmp_path_factory.mktemp("files")))).openapi())


@pytest.fixture
async def http(app: FastAPI, contract: Contract, assembly: Assembly) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", event_hooks={"response": [contract.check]}
    ) as client:
        yield client
    await assembly.use_cases.answer_runs.close()


async def join(http: httpx.AsyncClient, email: str) -> Member:
    """Register and log in."""
    account = {"email": email, "password": PASSWORD, "name": "Ada"}
    registered = (await http.post("/v1/auth/register", json=account)).raise_for_status().json()
    pair = (await http.post("/v1/auth/login", json=account)).raise_for_status().json()
    return Member(
        http=http,
        email=email,
        workspace=f"/v1/workspaces/{registered['workspace']['id']}",
        refresh_token=pair["refresh_token"],
        headers={"Authorization": f"Bearer {pair['access_token']}"},
    )


@pytest.fixture
async def ada(http: httpx.AsyncClient) -> Member:
    return await join(http, "ada@example.org")


@pytest.fixture
async def bob(http: httpx.AsyncClient) -> Member:
    return await join(http, "bob@example.org")


async def ready_document(assembly: Assembly, member: Member, text: str, **fields: Any) -> dict[str, Any]:
    """Upload a text and let it be ingested."""
    document = (await member.upload(text.encode(), **fields)).raise_for_status().json()
    await assembly.worker().drain()
    shown: dict[str, Any] = (await member.call("GET", f"documents/{document['id']}")).raise_for_status().json()
    return shown
