from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from application.authentication import Identity
from domain.access import Actor
from domain.documents import Document
from tests.fakes.assembly import Assembly

PASSWORD = "correct horse battery"


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    return Assembly(root=tmp_path)


@pytest.fixture
async def ann(assembly: Assembly) -> Actor:
    return await member(assembly, "ann@example.org")


async def member(assembly: Assembly, email: str) -> Actor:
    """Somebody with a workspace of their own."""
    made = await assembly.use_cases.create_user(email=email, password=PASSWORD, name=email)
    return await assembly.use_cases.enter_workspace(Identity(user_id=made.user.id), made.workspace.id)


async def bytes_of(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def upload(assembly: Assembly, actor: Actor, text: str, name: str = "notes.txt") -> Document:
    """Upload and let the jobs run."""
    receipt = await assembly.use_cases.upload_document(actor, content=bytes_of(text), filename=name)
    await assembly.worker().drain()
    return await assembly.use_cases.show_document(actor, document_id=receipt.document.id)
