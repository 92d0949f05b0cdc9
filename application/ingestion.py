"""From stored bytes to searchable passages, and back out again.

Every job here may run twice, late, or at the same time as itself: the ids of chunks follow from their place,
and the last transaction decides whether the work still counts.
"""

from collections.abc import Callable, Sequence
from functools import partial

from attrs import evolve, frozen

from application.errors import ParsingFailed
from application.generations import Generations, IndexChanged, require_live
from application.indexing import ReadDocument, cut_for, described_alike, pages_of, write
from application.ingest_progress import EVERY, Progress, Superseded
from application.ports.files import FileStore
from application.ports.generations import Index
from application.ports.jobs import DescribeDocument, IngestDocument, RemoveOldRevisions
from application.ports.news import DocumentNews
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retrying import until_first
from domain.documents import Document, Stage
from domain.passages import Chunk, ParsedDocument


@frozen(kw_only=True)
class Ingest:
    """Read, cut, embed and index one revision, then let it go live in one transaction.

    - A file that cannot be read fails for good, with a reason; an engine that is down is tried again.
    - A deleted or superseded revision leaves nothing behind.
    - Where another generation of the index goes live meanwhile, it is done again for that one.
    """

    begin: UnitOfWorkFactory
    read: ReadDocument
    generations: Generations
    clock: Clock
    news: DocumentNews
    report_every: float = EVERY

    async def __call__(self, job: IngestDocument) -> None:
        """Raises `Unavailable` errors for the queue to try again; all else ends in the document's state."""
        index = await self.generations.live_now()
        try:
            document = await self._begin(job)
            if document is None:
                return
            await self.news.tell(job.document_id)
            progress = Progress(partial(self._report, job), self.report_every)
            await progress.watched(self._work(job, document, index, progress))
        except ParsingFailed as error:
            failure = error.failure
            await settle(self.begin, job, lambda unread: unread.failed(failure, self.clock.now()))
        except Superseded:
            await self._discard(job, index)
        except IndexChanged:
            await self(job)
            return
        await self.news.tell(job.document_id)

    async def _discard(self, job: IngestDocument, index: Index) -> None:
        """Take back what was written of a revision, unless it went live at the very moment it was asked about."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted or document.live_revision != job.revision:
            await index.vectors.delete_revision(job.workspace_id, job.document_id, job.revision)

    async def _begin(self, job: IngestDocument) -> Document | None:
        """The document, noted as being worked on; None when that revision is settled; else `Superseded`."""
        async with self.begin(job.workspace_id) as work:
            wanted = await work.documents.report(job.document_id, job.revision, Stage.PARSING, 0.0, self.clock.now())
            document = await work.documents.get(job.document_id)
            await work.commit()
        if document is None or document.is_deleted or document.revision != job.revision:
            raise Superseded
        return document if wanted else None

    async def _report(self, job: IngestDocument, stage: Stage, progress: float) -> bool:
        async with self.begin(job.workspace_id) as work:
            wanted = await work.documents.report(job.document_id, job.revision, stage, progress, self.clock.now())
            await work.commit()
        await self.news.tell(job.document_id)
        return wanted

    async def _work(self, job: IngestDocument, document: Document, index: Index, progress: Progress) -> None:
        parsed = await self.read(document)
        progress.at(Stage.CHUNKING)
        chunks = await cut_for(index, document, parsed)
        progress.at(Stage.EMBEDDING)
        document = evolve(document, language=parsed.language)
        await write(index, document, chunks, partial(progress.at, Stage.EMBEDDING))
        progress.at(Stage.INDEXING)
        await self._go_live(job, document, index, parsed, chunks)

    async def _go_live(
        self, job: IngestDocument, read: Document, index: Index, parsed: ParsedDocument, chunks: Sequence[Chunk]
    ) -> None:
        async def flip() -> None:
            async with self.begin(job.workspace_id) as work:
                await require_live(work, index)
                document = await work.documents.get(job.document_id)
                if document is None or document.is_deleted or document.revision != job.revision:
                    raise Superseded
                await work.passages.replace(
                    job.document_id, job.revision, chunks, pages_of(parsed), generation=index.generation.number
                )
                await work.documents.save(
                    document.completed(
                        page_count=len(parsed.pages) or None,
                        chunk_count=len(chunks),
                        language=parsed.language,
                        now=self.clock.now(),
                    )
                )
                if not described_alike(document, read):  # changed after its vectors were described
                    await work.jobs.enqueue(
                        [DescribeDocument(workspace_id=job.workspace_id, document_id=job.document_id)]
                    )
                await work.commit()

        await until_first(flip)


async def settle(begin: UnitOfWorkFactory, job: IngestDocument, change: Callable[[Document], Document]) -> None:
    """Change the document a job works on, unless it is not about this revision any more."""

    async def change_it() -> None:
        async with begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
            if document is None or document.is_deleted or document.revision != job.revision:
                return
            await work.documents.save(change(document))
            await work.commit()

    await until_first(change_it)


@frozen(kw_only=True)
class RemoveOld:
    """Take everything but the live revision out of index, database and file store."""

    begin: UnitOfWorkFactory
    files: FileStore
    generations: Generations

    async def __call__(self, job: RemoveOldRevisions) -> None:
        """A document that is gone, or went on to a younger revision, is treated by what is live now."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted or document.live_revision is None:
            return
        for index in await self.generations.all():
            await index.vectors.keep_revision(job.workspace_id, job.document_id, document.live_revision)
        async with self.begin(job.workspace_id) as work:
            await work.passages.keep_live(job.document_id)
            await work.commit()
        if document.revision == document.live_revision:
            async for key in self.files.keys(f"{job.workspace_id}/{job.document_id}"):
                if key != document.file_key:
                    await self.files.delete(key)


@frozen(kw_only=True)
class Describe:
    """Bring the payload of every index in line with the document's row."""

    begin: UnitOfWorkFactory
    generations: Generations

    async def __call__(self, job: DescribeDocument) -> None:
        """A document that is gone is left alone: erasing takes care of it."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted:
            return
        for index in await self.generations.all():
            await index.vectors.describe(
                job.workspace_id,
                document.id,
                collection_id=document.collection_id,
                tags=document.tags,
                metadata=document.metadata,
            )
