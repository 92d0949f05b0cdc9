"""Bringing the documents that are there into a generation that is being built."""

from collections.abc import Sequence

from attrs import evolve, frozen

from application.errors import ParsingFailed
from application.generations import Generations, in_state, live_of
from application.indexing import ReadDocument, cut_for, described_alike, named_for, pages_of, write
from application.ingest_progress import EVERY, Progress, Superseded
from application.ports.generations import Index
from application.ports.jobs import BuildDocument, DescribeDocument
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.documents import Document, Stage
from domain.generations import GenerationState
from domain.passages import Chunk, Page

Pages = Sequence[tuple[Page, str]]
PAGE = 1000  # passages taken over at once


@frozen(kw_only=True)
class Build:
    """One document's live revision once more, for the generation that is to follow.

    - It is read anew from its original. Where that cannot be done (the file is gone, a younger revision waits or has
      failed), its present passages are taken over as they stand: nothing that is found today is lost.
    - A document that was deleted or went on to a younger revision meanwhile leaves nothing behind.
    """

    begin: UnitOfWorkFactory
    read: ReadDocument
    generations: Generations
    look_every: float = EVERY

    async def __call__(self, job: BuildDocument) -> None:
        """Raises `Unavailable` errors for the queue to try again."""
        records = await self.generations.records()
        building = in_state(records, GenerationState.BUILDING)
        document = await self._document(job)
        if building is None or building.number != job.generation or document is None:
            return
        index = self.generations.indexes.open(building)
        progress = Progress(lambda _stage, _share: self._is_wanted(job), self.look_every)
        try:
            again = live_of(records).recipe.cuts_the_same(building.recipe)
            await progress.watched(self._build(job, document, index, progress, again=again))
        except Superseded:
            if await self._document(job) is None:
                await index.vectors.delete_revision(job.workspace_id, job.document_id, job.revision)

    async def _document(self, job: BuildDocument) -> Document | None:
        """The document while the job's revision is what readers see of it."""
        async with self.begin(job.workspace_id) as work:
            document = await work.documents.get(job.document_id)
        if document is None or document.is_deleted or document.live_revision != job.revision:
            return None
        return document

    async def _is_wanted(self, job: BuildDocument) -> bool:
        return await self._document(job) is not None

    async def _build(
        self, job: BuildDocument, document: Document, index: Index, progress: Progress, *, again: bool
    ) -> None:
        """`again`: the same passages as now, since only their vectors differ."""
        read: tuple[list[Chunk], Pages] | None = None
        if not again and document.revision == document.live_revision:
            try:
                parsed = await self.read(document)
                read = await cut_for(index, document, parsed), pages_of(parsed)
            except ParsingFailed:
                read = None
        chunks = read[0] if read else await self._taken_over(job, index)
        await write(index, document, chunks, lambda share: progress.at(Stage.EMBEDDING, share))
        await self._keep(job, document, index, chunks, read[1] if read else None)

    async def _taken_over(self, job: BuildDocument, index: Index) -> list[Chunk]:
        """The live generation's passages, counted in this one's tokens."""
        taken: list[Chunk] = []
        while True:
            async with self.begin(job.workspace_id) as work:
                page = await work.passages.of_document(
                    job.document_id, job.revision, limit=PAGE, after=taken[-1].ordinal if taken else None
                )
            counts = index.tokens.count([chunk.text for chunk in page])
            taken += [evolve(chunk, token_count=count) for chunk, count in zip(page, counts, strict=True)]
            if len(page) < PAGE:
                return named_for(index, taken)

    async def _keep(
        self, job: BuildDocument, read: Document, index: Index, chunks: Sequence[Chunk], pages: Pages | None
    ) -> None:
        """In one transaction, if it still counts; from then on the document stands in the generation."""
        number = index.generation.number
        async with self.begin(job.workspace_id) as work:
            await work.generations.hold()
            building = in_state(await work.generations.all(), GenerationState.BUILDING)
            document = await work.documents.get(job.document_id)
            if (
                building is None
                or building.number != number
                or document is None
                or document.is_deleted
                or document.live_revision != job.revision
            ):
                raise Superseded
            await work.passages.replace(job.document_id, job.revision, chunks, pages or [], generation=number)
            if pages is None:
                await work.passages.copy_pages(job.document_id, job.revision, generation=number)
            if not described_alike(document, read):
                await work.jobs.enqueue([DescribeDocument(workspace_id=job.workspace_id, document_id=document.id)])
            await work.commit()
