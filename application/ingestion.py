"""From stored bytes to searchable passages, and back out again.

Every job here may run twice, late, or at the same time as itself: the ids of chunks follow from their place,
and the last transaction decides whether the work still counts.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from attrs import evolve, frozen

from application.errors import ConcurrentChange, ParsingFailed
from application.ingest_progress import EVERY, Progress, Superseded
from application.ports.embedding import Embedder
from application.ports.files import FileStore
from application.ports.jobs import DescribeDocument, IngestDocument, RemoveOldRevisions
from application.ports.languages import LanguageDetector
from application.ports.news import DocumentNews
from application.ports.parsing import Parser, TokenCounter
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.vectors import IndexedChunk, VectorIndex
from domain.chunking import cut
from domain.documents import Document, Failure, FailureCode, Stage
from domain.errors import NotFound
from domain.passages import Chunk, ParsedDocument
from domain.surroundings import surroundings

BATCH: Final = 128  # chunks embedded and written at once: bounds memory, lets a query in between
IN_FLIGHT: Final = 2  # batches under way: one is embedded while the other is written
SAVE_ATTEMPTS: Final = 5


@frozen(kw_only=True)
class Ingest:
    """Read, cut, embed and index one revision, then let it go live in one transaction.

    - A file that cannot be read fails for good, with a reason; an engine that is down is tried again.
    - A deleted or superseded revision leaves nothing behind.
    """

    begin: UnitOfWorkFactory
    files: FileStore
    parser: Parser
    tokens: TokenCounter
    languages: LanguageDetector
    embedder: Embedder
    vectors: VectorIndex
    clock: Clock
    news: DocumentNews
    report_every: float = EVERY

    async def __call__(self, job: IngestDocument) -> None:
        """Raises `Unavailable` errors for the queue to try again; all else ends in the document's state."""
        progress = Progress(partial(self._report, job), self.report_every)
        try:
            document = await self._begin(job)
            if document is None:
                return
            await self.news.tell(job.document_id)
            await progress.watched(self._read(job, document, progress))
        except ParsingFailed as error:
            failure = error.failure
            await settle(self.begin, job, lambda unread: unread.failed(failure, self.clock.now()))
        except Superseded:
            await self._discard(job)
        await self.news.tell(job.document_id)

    async def _discard(self, job: IngestDocument) -> None:
        """Take back what was written of a revision, unless it went live at the very moment it was asked about."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted or document.live_revision != job.revision:
            await self.vectors.delete_revision(job.workspace_id, job.document_id, job.revision)

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

    async def _read(self, job: IngestDocument, document: Document, progress: Progress) -> None:
        parsed = await self._parse(document)
        progress.at(Stage.CHUNKING)
        chunks = await asyncio.to_thread(self._cut, document, parsed)
        progress.at(Stage.EMBEDDING)
        await self._index(job, evolve(document, language=parsed.language), chunks, progress)
        progress.at(Stage.INDEXING)
        await self._go_live(job, parsed, chunks)

    async def _parse(self, document: Document) -> ParsedDocument:
        try:
            async with self.files.local(document.file_key) as path:
                parsed = await self.parser.parse(path, document.media_type)
        except NotFound as error:
            missing = Failure(
                code=FailureCode.PARSE_FAILED, message="The original file is missing from the store. Upload it again."
            )
            raise ParsingFailed(missing) from error
        # the text knows better than a template's `lang` attribute
        language = await asyncio.to_thread(self.languages.detect, parsed.text) or parsed.language
        return evolve(parsed, language=language)

    def _cut(self, document: Document, parsed: ParsedDocument) -> list[Chunk]:
        chunks = cut(
            parsed,
            document_id=document.id,
            revision=document.revision,
            count_tokens=self.tokens.count,
            max_tokens=self.tokens.max_tokens,
        )
        if not chunks:
            raise ParsingFailed(
                Failure(code=FailureCode.NO_TEXT_FOUND, message="The file holds no text that could be searched.")
            )
        return chunks

    async def _index(
        self, job: IngestDocument, document: Document, chunks: Sequence[Chunk], progress: Progress
    ) -> None:
        """Embed and write batch by batch, two at a time."""
        placed = list(zip(chunks, surroundings(chunks), strict=True))
        batches = [placed[start : start + BATCH] for start in range(0, len(placed), BATCH)]
        free = asyncio.Semaphore(IN_FLIGHT)
        done = 0

        async def write(batch: Sequence[tuple[Chunk, str]]) -> None:
            nonlocal done
            async with free:
                vectors = await self.embedder.embed_passages([chunk.text_to_embed for chunk, _ in batch])
                await self.vectors.upsert(
                    job.workspace_id,
                    [
                        _indexed(document, chunk, around, dense)
                        for (chunk, around), dense in zip(batch, vectors, strict=True)
                    ],
                )
                done += 1
                progress.at(Stage.EMBEDDING, done / len(batches))

        try:
            async with asyncio.TaskGroup() as group:
                for batch in batches:
                    group.create_task(write(batch))
        except ExceptionGroup as group_error:
            raise _first(group_error) from group_error

    async def _go_live(self, job: IngestDocument, parsed: ParsedDocument, chunks: Sequence[Chunk]) -> None:
        pages = [(page, parsed.text[page.char_from : page.char_to]) for page in parsed.pages]
        for attempt in range(SAVE_ATTEMPTS):
            try:
                async with self.begin(job.workspace_id) as work:
                    document = await work.documents.get(job.document_id)
                    if document is None or document.is_deleted or document.revision != job.revision:
                        raise Superseded
                    await work.passages.replace(job.document_id, job.revision, chunks, pages)
                    await work.documents.save(
                        document.completed(
                            page_count=len(parsed.pages) or None,
                            chunk_count=len(chunks),
                            language=parsed.language,
                            now=self.clock.now(),
                        )
                    )
                    await work.commit()
            except ConcurrentChange:
                if attempt == SAVE_ATTEMPTS - 1:
                    raise
            else:
                return


def _indexed(document: Document, chunk: Chunk, around: str, dense: Sequence[float]) -> IndexedChunk:
    return IndexedChunk(
        chunk_id=chunk.id,
        document_id=document.id,
        revision=chunk.revision,
        ordinal=chunk.ordinal,
        collection_id=document.collection_id,
        text=chunk.text_to_embed,
        around=f"{document.title}\n{around}",
        dense=dense,
        language=document.language,
        media_type=document.media_type,
        tags=document.tags,
        metadata=document.metadata,
        created_at=document.created_at,
    )


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """What a task group failed with."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


async def settle(begin: UnitOfWorkFactory, job: IngestDocument, change: Callable[[Document], Document]) -> None:
    """Change the document a job works on, unless it is not about this revision any more."""
    for attempt in range(SAVE_ATTEMPTS):
        try:
            async with begin(job.workspace_id) as work:
                document = await work.documents.get(job.document_id)
                if document is None or document.is_deleted or document.revision != job.revision:
                    return
                await work.documents.save(change(document))
                await work.commit()
        except ConcurrentChange:
            if attempt == SAVE_ATTEMPTS - 1:
                raise
        else:
            return


@frozen(kw_only=True)
class RemoveOld:
    """Take everything older than the live revision out of index, database and file store."""

    begin: UnitOfWorkFactory
    files: FileStore
    vectors: VectorIndex

    async def __call__(self, job: RemoveOldRevisions) -> None:
        """A document that is gone, or went on to a younger revision, is treated by what is live now."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted or document.live_revision is None:
            return
        await self.vectors.keep_revision(job.workspace_id, job.document_id, document.live_revision)
        async with self.begin(job.workspace_id) as work:
            await work.passages.remove(job.document_id, before_revision=document.live_revision)
            await work.commit()
        if document.revision == document.live_revision:
            async for key in self.files.keys(f"{job.workspace_id}/{job.document_id}"):
                if key != document.file_key:
                    await self.files.delete(key)


@frozen(kw_only=True)
class Describe:
    """Bring the index's payload in line with the document's row."""

    begin: UnitOfWorkFactory
    vectors: VectorIndex

    async def __call__(self, job: DescribeDocument) -> None:
        """A document that is gone is left alone: erasing takes care of it."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted:
            return
        await self.vectors.describe(
            job.workspace_id,
            document.id,
            collection_id=document.collection_id,
            tags=document.tags,
            metadata=document.metadata,
        )
