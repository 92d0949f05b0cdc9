"""What becomes of a document, told as it happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from application.authentication import Identity
from application.errors import Unavailable
from application.use_cases import UseCases
from domain.documents import Document, DocumentStatus
from domain.errors import DomainError
from domain.ids import WorkspaceId
from entrypoints.http.document_resources import document_view
from entrypoints.http.sse import ServerEvent

FIRST_WAIT: Final = 0.5  # seconds; looking without being woken is the net below
LONGEST_WAIT: Final = 5.0
BACKOFF: Final = 1.5


async def progress(
    use_cases: UseCases, identity: Identity, workspace_id: WorkspaceId, document: Document
) -> AsyncIterator[ServerEvent]:
    """`progress` at each change, then `ready` or `failed`. Who may read is asked anew at each look."""
    number, wait, told = 0, FIRST_WAIT, None
    with use_cases.document_news.listen(document.id) as news:
        while True:
            view = document_view(document)
            if view != told:
                number, wait, told = number + 1, FIRST_WAIT, view
                yield ServerEvent(id=number, name="progress", data=view)
            if document.status in {DocumentStatus.READY, DocumentStatus.FAILED}:
                yield ServerEvent(id=number + 1, name=document.status.value, data=view)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), wait)
            news.clear()
            wait = min(wait * BACKOFF, LONGEST_WAIT)
            try:
                actor = await use_cases.enter_workspace(identity, workspace_id)
                document = await use_cases.show_document(actor, document_id=document.id)
            except DomainError as error:
                yield ServerEvent(id=number + 1, name="failed", data=_gone(error))
                return
            except Unavailable:
                continue


def _gone(error: DomainError) -> dict[str, Any]:
    return {"status": "failed", "error": {"code": error.slug, "message": error.message}}
