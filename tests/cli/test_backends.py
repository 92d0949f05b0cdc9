"""What was ingested from a path is found again, whatever else is called so."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entrypoints.cli.backends import PAGE, Backend, LocalBackend, ServerBackend, ServerFailed
from entrypoints.cli.ingest import Outcome, files_under
from entrypoints.cli.sources import SOURCE
from entrypoints.http.app import create_app
from tests.application.conftest import bytes_of, member
from tests.fakes.assembly import Assembly
from tests.http.conftest import StandInContainer, join


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    """What stands behind both."""
    return Assembly(root=tmp_path / "files")


@pytest.fixture(params=["local", "server"])
async def backend(request: pytest.FixtureRequest, assembly: Assembly) -> AsyncIterator[Backend]:
    """The use cases in this process, and a server over HTTP."""
    async with AsyncClient(
        transport=ASGITransport(create_app(StandInContainer(assembly))), base_url="http://test"
    ) as http:
        if request.param == "local":
            yield LocalBackend(use_cases=assembly.use_cases, actor=await member(assembly, "ann@example.org"))
        else:
            somebody = await join(http, "ann@example.org")
            http.headers.update(somebody.headers)
            yield await ServerBackend.connect(http, workspace=None)


async def test_one_of_many_files_of_one_name_is_known_again(
    tmp_path: Path, assembly: Assembly, backend: Backend
) -> None:
    """Unchanged it is skipped; changed it becomes a revision."""
    actor = (await assembly.use_cases.act_locally()).actor
    path = tmp_path / "README.md"
    path.write_text("The first one.")
    first = await backend.upload(path, collection_id=None)
    for number in range(PAGE):
        await assembly.use_cases.upload_document(
            actor,
            content=bytes_of(f"Number {number}."),
            filename="README.md",
            metadata={SOURCE: f"/elsewhere/{number}/README.md"},
        )

    again = await backend.upload(path, collection_id=None)
    path.write_text("The first one, changed.")
    changed = await backend.upload(path, collection_id=None)

    assert (first.changed, again.changed, changed.changed) == (True, False, True)
    assert {first.document["id"]} == {again.document["id"], changed.document["id"]}
    assert changed.document["revision"] == 2


@pytest.mark.parametrize("name", [b"no\xfftext.txt", b"two  spaces .txt", "👩\u200d👧 \u202e.txt".encode(), b"b. .."])
async def test_names_that_documents_cannot_carry_are_known_again(tmp_path: Path, backend: Backend, name: bytes) -> None:
    """In folders whose names are no better and that lie deep."""
    folder = tmp_path / os.fsdecode(b"f\xffolder") / Path(*["deep" * 20] * 14)
    folder.mkdir(parents=True)
    path = folder / os.fsdecode(name)
    path.write_text("The first one.")
    assert [path] == list(files_under([tmp_path / os.fsdecode(b"f\xffolder")], recursive=True))

    first = await backend.upload(path, collection_id=None)
    again = await backend.upload(path, collection_id=None)
    path.write_text("The first one, changed.")
    changed = await backend.upload(path, collection_id=None)

    assert (first.changed, again.changed, changed.changed) == (True, False, True)
    assert {first.document["id"]} == {again.document["id"], changed.document["id"]}
    shown = Outcome(path=path, result="ready")
    assert (shown.name + shown.view()["path"]).encode()


async def test_a_server_at_a_limit_is_waited_for() -> None:
    """As long as it asks for; one that asks for an hour, or does not say, has refused."""
    answers = [
        Response(status_code=429, headers={"Retry-After": "0"}),
        Response(status_code=429, headers={"Retry-After": "0"}),
        Response('{"id": "1"}'),
        Response(status_code=429, headers={"Retry-After": "3600"}),
        Response(status_code=429),
    ]

    async def at_a_limit(scope: Scope, receive: Receive, send: Send) -> None:
        await answers.pop(0)(scope, receive, send)

    async with AsyncClient(transport=ASGITransport(at_a_limit), base_url="http://test") as http:
        backend = ServerBackend(client=http, workspace_id="1")
        assert await backend.document("1") == {"id": "1"}
        for _ in range(2):
            with pytest.raises(ServerFailed, match="429"):
                await backend.document("1")
    assert not answers
