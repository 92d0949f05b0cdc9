"""What was ingested from a path is found again, whatever else is called so."""

from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

from entrypoints.cli.backends import PAGE, SOURCE, Backend, LocalBackend, ServerBackend
from entrypoints.http.app import create_app
from tests.application.conftest import bytes_of, member
from tests.fakes.assembly import Assembly
from tests.http.conftest import StandInContainer, join


@pytest.mark.parametrize("kind", ["local", "server"])
async def test_one_of_many_files_of_one_name_is_known_again(tmp_path: Path, kind: str) -> None:
    """Unchanged it is skipped; changed it becomes a revision."""
    assembly = Assembly(root=tmp_path / "files")
    async with AsyncClient(
        transport=ASGITransport(create_app(StandInContainer(assembly))), base_url="http://test"
    ) as http:
        if kind == "local":
            local = LocalBackend(use_cases=assembly.use_cases, actor=await member(assembly, "ann@example.org"))
            backend: Backend = local
            actor = local.actor
        else:
            somebody = await join(http, "ann@example.org")
            http.headers.update(somebody.headers)
            backend = await ServerBackend.connect(http, workspace=None)
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
