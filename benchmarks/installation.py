"""A whole installation in a folder, filled through its own use cases and its own worker."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, field, frozen

from application.knowledge import SearchFilters
from application.ports.document_repositories import DocumentQuery
from application.use_cases import UseCases
from domain.access import Actor
from domain.documents import DocumentStatus
from domain.errors import EmptyDocument, NotFound, UnsupportedMediaType
from domain.ids import CollectionId, DocumentId
from domain.passages import Passage, SearchMode
from entrypoints.host import open_host
from entrypoints.logging import configure_logging
from entrypoints.settings import load_settings
from entrypoints.worker import working

AT_ONCE = 8  # files handed over, or questions asked, at the same time
LOOK_AGAIN = 0.5  # seconds
MOST_WAITING = 200  # documents handed over and not read yet


@frozen(kw_only=True)
class Item:
    """Something to ingest: `key` is what its documents are called by in answers."""

    key: str
    filename: str
    title: str | None
    content: bytes


@define
class Corpus:
    """A collection that was filled, and which document is which."""

    id: CollectionId
    documents: dict[DocumentId, str] = field(factory=dict)  # the keys of items
    refused: list[str] = field(factory=list)
    seconds: float = 0.0


@define
class Installation:
    """The use cases of a running installation, as the person at the machine."""

    use_cases: UseCases
    actor: Actor

    async def fill(self, name: str, items: Iterable[Item]) -> Corpus:
        """Ingest into the collection of that name and wait for all; what is there already is not read again."""
        began = time.perf_counter()
        corpus = Corpus(await self._collection(name))
        free = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for count, item in enumerate(items, start=1):
                await free.acquire()
                group.create_task(self._hand_over(corpus, item)).add_done_callback(lambda _: free.release())
                if count % MOST_WAITING == 0:
                    await self._wait(corpus, until=MOST_WAITING)
        await self._wait(corpus, until=0)
        failed = await self._some(corpus, DocumentStatus.FAILED, 10_000)
        corpus.refused += [corpus.documents[document] for document in failed]
        corpus.seconds = time.perf_counter() - began
        return corpus

    async def _collection(self, name: str) -> CollectionId:
        try:
            return (await self.use_cases.find_collection(self.actor, name=name)).id
        except NotFound:
            made = (await self.use_cases.create_collection(self.actor, name=name)).collection
            self.actor = self.actor.with_collection(made.id)
            return made.id

    async def _hand_over(self, corpus: Corpus, item: Item) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield item.content

        try:
            receipt = await self.use_cases.upload_document(
                self.actor,
                content=content(),
                filename=item.filename,
                title=item.title or None,
                collection_id=corpus.id,
            )
        except (EmptyDocument, UnsupportedMediaType):
            corpus.refused.append(item.key)
        else:
            corpus.documents[receipt.document.id] = item.key

    async def _some(self, corpus: Corpus, status: DocumentStatus, limit: int) -> list[DocumentId]:
        query = DocumentQuery(readable=self.actor.readable_collections, collection_id=corpus.id, status=status)
        return [document.id for document in await self.use_cases.list_documents(self.actor, query=query, limit=limit)]

    async def _wait(self, corpus: Corpus, *, until: int) -> None:
        """Until at most that many are waiting or being read."""
        while True:
            waiting = await self._some(corpus, DocumentStatus.QUEUED, until + 1)
            if len(waiting) <= until and (until or not await self._some(corpus, DocumentStatus.PROCESSING, 1)):
                return
            await asyncio.sleep(LOOK_AGAIN)

    async def find(
        self,
        question: str,
        mode: SearchMode,
        corpora: Iterable[Corpus],
        *,
        limit: int,
        max_per_document: int | None = None,
        document: DocumentId | None = None,
    ) -> tuple[Passage, ...]:
        """The search that everybody uses, in these collections."""
        outcome = await self.use_cases.search(
            self.actor,
            query=question,
            mode=mode,
            limit=limit,
            max_per_document=max_per_document,
            filters=SearchFilters(
                collection_ids=frozenset(corpus.id for corpus in corpora),
                document_ids=None if document is None else frozenset({document}),
            ),
        )
        return outcome.passages


@asynccontextmanager
async def installation(folder: Path) -> AsyncIterator[Installation]:
    """Embedded engines and a worker while the context lasts; the folder is left as it is then."""
    configure_logging(log_format="console", level="error")
    settings = load_settings(data_dir=folder, worker_concurrency=AT_ONCE)
    async with open_host(settings, role="evaluation") as host, working(host):
        local = await host.use_cases.act_locally()
        yield Installation(host.use_cases, local.actor)
