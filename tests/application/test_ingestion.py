"""From upload to search and back out, whatever happens on the way."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from attrs import define, evolve, frozen

from application.errors import DatabaseUnavailable, EmbedderUnavailable, VectorsUnavailable
from application.ports.jobs import IngestDocument
from application.ports.unit_of_work import UnitOfWork
from domain.access import Actor
from domain.documents import Document, DocumentStatus, FailureCode, Stage
from domain.errors import EmptyDocument, NotFound, StaleVersion, TooLarge, UnsupportedMediaType
from domain.ids import DocumentId, WorkspaceId
from domain.passages import SearchMode
from tests.application.conftest import bytes_of, member, upload
from tests.fakes.assembly import Assembly
from tests.fakes.database import DOCUMENTS, FakeDatabase
from tests.fakes.parsing import FakeTokenCounter

TEXT = "The heron stands in the reeds.\n\nIt waits for fish."


async def found(assembly: Assembly, actor: Actor, query: str) -> list[str]:
    return [passage.document.title for passage in (await assembly.use_cases.search(actor, query=query)).passages]


async def test_an_upload_becomes_searchable(assembly: Assembly, ann: Actor) -> None:
    """The document is ready, its passages are its text, and a search finds it."""
    document = await upload(assembly, ann, TEXT)

    assert (document.status, document.live_revision, document.progress) == (DocumentStatus.READY, 1, 1.0)
    chunks = await assembly.use_cases.list_chunks(ann, document_id=document.id, limit=10)
    assert [TEXT[chunk.char_from : chunk.char_to] for chunk in chunks] == [chunk.text for chunk in chunks]
    assert await found(assembly, ann, "heron") == ["notes.txt"]


async def test_a_title_is_part_of_what_passages_mean(assembly: Assembly, ann: Actor) -> None:
    """Vectors know the title, which no passage says; quoted text does not."""
    for name, text in (("night_heron.txt", "It stands in the reeds."), ("pelican.txt", "Its nest is on the cliff.")):
        await assembly.use_cases.upload_document(ann, content=bytes_of(text), filename=name)
    await assembly.worker().drain()

    for asked, first in (("heron", "night_heron.txt"), ("pelican", "pelican.txt")):
        outcome = await assembly.use_cases.search(ann, query=asked, mode=SearchMode.SEMANTIC)
        assert outcome.passages[0].document.title == first
        assert asked not in outcome.passages[0].chunk.text


async def test_a_title_is_left_out_where_it_would_push_text_out(assembly: Assembly, ann: Actor) -> None:
    """Nothing is cut off before it is embedded: the model's window is told how long each passage is."""
    title = " ".join(f"he{number}" for number in range(99))
    short, long = "It stands in the reeds.", f"{'It waits for fish ' * 49}."
    receipt = await assembly.use_cases.upload_document(
        ann, content=bytes_of(f"# One\n\n{short}\n\n# Two\n\n{long}"), filename="a.md", title=title
    )
    await assembly.worker().drain()
    chunks = await assembly.use_cases.list_chunks(ann, document_id=receipt.document.id, limit=10)

    titled = [f"{title}\n{chunk.text_to_embed}" for chunk in chunks]
    counted = FakeTokenCounter().count(titled)
    assert counted[0] < FakeTokenCounter().max_tokens < counted[1]
    for same in (titled[0], chunks[1].text_to_embed):
        outcome = await assembly.use_cases.search(ann, query=same, mode=SearchMode.SEMANTIC)
        assert outcome.passages[0].score == pytest.approx(1)


async def test_the_same_bytes_are_taken_once(assembly: Assembly, ann: Actor) -> None:
    """A second upload gives the first document and leaves no second file."""
    first = await upload(assembly, ann, TEXT)
    files = assembly.stored_files()
    second = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="again.txt")

    assert (first.id, False) == (second.document.id, second.created)
    assert files == assembly.stored_files()


@pytest.mark.parametrize(
    ("content", "error"),
    [("", EmptyDocument), ("\0\0\0", UnsupportedMediaType), ("x" * 101, TooLarge)],
    ids=["empty", "unknown", "too large"],
)
async def test_what_cannot_be_taken_leaves_nothing(
    assembly: Assembly, ann: Actor, content: str, error: type[Exception]
) -> None:
    """A refused upload leaves no file and no row."""
    small = evolve(assembly.use_cases.upload_document, max_bytes=100)
    with pytest.raises(error):
        await small(ann, content=bytes_of(content), filename="x.bin")

    assert assembly.stored_files() == []


async def test_a_file_that_cannot_be_read_fails_with_a_reason(assembly: Assembly, ann: Actor) -> None:
    """It ends failed, once, and other documents are not held up."""
    assembly.parser.failures["application/pdf"] = FailureCode.ENCRYPTED_FILE
    broken = await upload(assembly, ann, "%PDF-1.7", name="a.pdf")
    good = await upload(assembly, ann, TEXT)

    assert (broken.status, good.status) == (DocumentStatus.FAILED, DocumentStatus.READY)
    assert broken.failure is not None
    assert FailureCode.ENCRYPTED_FILE is broken.failure.code


async def test_an_engine_that_is_down_is_for_the_queue(assembly: Assembly, ann: Actor) -> None:
    """The job raises, so that the queue tries again; giving up ends the document as failed."""
    assembly.embedder.down = True
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    job = IngestDocument(
        workspace_id=ann.workspace_id, document_id=receipt.document.id, revision=1, size=receipt.document.size
    )
    with pytest.raises(EmbedderUnavailable):
        await assembly.use_cases.handle_job(job)
    assembly.embedder.down = False
    await assembly.use_cases.handle_job(job)
    await assembly.use_cases.handle_job(job)  # twice is harmless

    document = await assembly.use_cases.show_document(ann, document_id=receipt.document.id)
    assert DocumentStatus.READY is document.status


async def test_giving_up_says_why(assembly: Assembly, ann: Actor) -> None:
    """After the last attempt the document is failed, with the engine that was missing as the reason."""
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    job = IngestDocument(
        workspace_id=ann.workspace_id, document_id=receipt.document.id, revision=1, size=receipt.document.size
    )
    await assembly.use_cases.handle_job.give_up(job, VectorsUnavailable("down"))

    document = await assembly.use_cases.show_document(ann, document_id=receipt.document.id)
    assert document.failure is not None
    assert FailureCode.INDEXING_FAILED is document.failure.code
    assert "Reindex" in document.failure.message


async def test_a_revision_replaces_what_was_there(assembly: Assembly, ann: Actor) -> None:
    """The old text is found until the new is ready, and never afterwards."""
    document = await upload(assembly, ann, TEXT)
    await assembly.use_cases.revise_document(
        ann, document_id=document.id, content=bytes_of("The otter swims."), filename=None
    )
    assert await found(assembly, ann, "heron") == ["notes.txt"]

    await assembly.worker().drain()

    texts = [p.chunk.text for p in (await assembly.use_cases.search(ann, query="heron otter")).passages]
    assert texts == ["The otter swims."]
    assert len(assembly.stored_files()) == 1


async def test_a_revision_before_the_first_was_read_leaves_one_file(assembly: Assembly, ann: Actor) -> None:
    """The original that was never read goes too."""
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    await assembly.use_cases.revise_document(
        ann, document_id=receipt.document.id, content=bytes_of("The otter swims."), filename=None
    )
    await assembly.worker().drain()

    assert len(assembly.stored_files()) == 1


async def test_a_failed_revision_leaves_the_old_one_live(assembly: Assembly, ann: Actor) -> None:
    """The document is failed, and what was there before still answers."""
    document = await upload(assembly, ann, TEXT)
    assembly.parser.failures["application/pdf"] = FailureCode.CORRUPT_FILE
    await assembly.use_cases.revise_document(
        ann, document_id=document.id, content=bytes_of("%PDF-1.7"), filename="a.pdf"
    )
    await assembly.worker().drain()

    assert DocumentStatus.FAILED is (await assembly.use_cases.show_document(ann, document_id=document.id)).status
    assert await found(assembly, ann, "heron") == ["notes.txt"]


async def test_a_deleted_document_is_gone_at_once_and_wholly(assembly: Assembly, ann: Actor) -> None:
    """No list, search or read shows it; after the job neither vector, chunk, file nor row is left."""
    document = await upload(assembly, ann, TEXT)
    await assembly.use_cases.delete_document(ann, document_id=document.id)

    assert await found(assembly, ann, "heron") == []
    with pytest.raises(NotFound):
        await assembly.use_cases.show_document(ann, document_id=document.id)
    await assembly.worker().drain()
    assert assembly.stored_files() == []
    assert await assembly.vectors.revisions(ann.workspace_id) == []


async def test_deleting_while_it_is_read_leaves_nothing(assembly: Assembly, ann: Actor) -> None:
    """A document deleted before its job runs is not brought back by it."""
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    await assembly.use_cases.delete_document(ann, document_id=receipt.document.id)
    await assembly.worker().drain()

    assert assembly.stored_files() == []
    assert await assembly.vectors.revisions(ann.workspace_id) == []


async def test_a_stale_version_changes_nothing(assembly: Assembly, ann: Actor) -> None:
    """A change that names an old version is refused."""
    document = await upload(assembly, ann, TEXT)
    with pytest.raises(StaleVersion):
        await assembly.use_cases.change_document(
            ann, document_id=document.id, title="Other", version=document.version - 1
        )

    assert (await assembly.use_cases.show_document(ann, document_id=document.id)).title == "notes.txt"


async def test_search_goes_on_by_words_without_the_embedder(assembly: Assembly, ann: Actor) -> None:
    """Hybrid falls back to keyword and says so; semantic says that it cannot."""
    await upload(assembly, ann, TEXT)
    assembly.embedder.down = True

    outcome = await assembly.use_cases.search(ann, query="heron")

    assert (outcome.mode, len(outcome.passages)) == (SearchMode.KEYWORD, 1)
    with pytest.raises(EmbedderUnavailable):
        await assembly.use_cases.search(ann, query="heron", mode=SearchMode.SEMANTIC)


async def test_other_workspaces_are_not_found(assembly: Assembly, ann: Actor) -> None:
    """Neither a search nor a read crosses the border of a workspace."""
    document = await upload(assembly, ann, TEXT)
    bob = await member(assembly, "bob@example.org")

    assert await found(assembly, bob, "heron") == []
    with pytest.raises(NotFound):
        await assembly.use_cases.show_document(bob, document_id=document.id)


async def test_unfinished_documents_get_a_job_again(assembly: Assembly, ann: Actor) -> None:
    """A document whose job was lost is queued again after a while, once."""
    from datetime import timedelta

    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    assembly.begin.database.jobs.clear()
    impatient = evolve(assembly.use_cases.requeue_unfinished, idle=timedelta(0))

    assert await impatient() == 1
    await assembly.worker().drain()
    document = await assembly.use_cases.show_document(ann, document_id=receipt.document.id)
    assert DocumentStatus.READY is document.status
    assert await impatient() == 0


async def test_the_language_is_told_by_the_text(assembly: Assembly, ann: Actor) -> None:
    """A document that is ready says which language it is in, and None where its text does not tell."""
    german = await upload(assembly, ann, "Die Frist ist lang und der Weg auch.", "frist.txt")
    figures = await upload(assembly, ann, "4711 0815", "figures.txt")

    assert (german.language, figures.language) == ("de", None)


async def stuck(assembly: Assembly, actor: Actor) -> tuple[asyncio.Task[None], Document]:
    """An ingest that waits in its parser, looked after every hundredth of a second."""
    receipt = await assembly.use_cases.upload_document(actor, content=bytes_of(TEXT), filename="a.txt")
    assembly.parser.hold()
    job = assembly.begin.database.jobs.pop().job
    assert isinstance(job, IngestDocument)
    ingest = evolve(assembly.use_cases.handle_job.ingest, report_every=0.01)
    with assembly.news.listen(receipt.document.id) as news:
        task = asyncio.create_task(ingest(job))
        async with asyncio.timeout(5):
            await news.wait()
    return task, receipt.document


async def test_deleting_stops_the_reading(assembly: Assembly, ann: Actor) -> None:
    """An ingest under way ends soon after its document was deleted, though its parser would go on for ever."""
    task, document = await stuck(assembly, ann)
    await assembly.use_cases.delete_document(ann, document_id=document.id)
    async with asyncio.timeout(5):
        await task

    await assembly.worker().drain()
    assert assembly.stored_files() == []


async def test_progress_is_written_while_it_takes_long(assembly: Assembly, ann: Actor) -> None:
    """Who follows is told of the stage; the database being away for a moment does no harm."""
    task, document = await stuck(assembly, ann)
    shown = await assembly.use_cases.show_document(ann, document_id=document.id)
    assembly.begin.database.available = False
    await asyncio.sleep(0.05)
    assembly.begin.database.available = True
    with assembly.news.listen(document.id) as news:
        async with asyncio.timeout(5):
            await news.wait()
    assembly.parser.release()
    await task

    assert (shown.status, shown.stage) == (DocumentStatus.PROCESSING, Stage.PARSING)
    assert DocumentStatus.READY is (await assembly.use_cases.show_document(ann, document_id=document.id)).status


async def test_a_small_file_takes_two_transactions(assembly: Assembly, ann: Actor) -> None:
    """One to take it up, one to let it go live."""
    await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    job = assembly.begin.database.jobs.pop().job
    begun = 0

    def counted(workspace_id: WorkspaceId | None) -> UnitOfWork:
        nonlocal begun
        begun += 1
        return assembly.begin(workspace_id)

    assert isinstance(job, IngestDocument)
    await evolve(assembly.use_cases.handle_job.ingest, begin=counted)(job)

    assert begun == 2
    assert assembly.news.told == [job.document_id] * 2


async def test_going_live_while_being_asked_about_keeps_the_vectors(assembly: Assembly, ann: Actor) -> None:
    """A look that comes between the last commit and the end of the work takes nothing back."""
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(TEXT), filename="a.txt")
    job = assembly.begin.database.jobs.pop().job
    assert isinstance(job, IngestDocument)
    went_live = asyncio.Event()

    @frozen
    class LingeringWork:
        """A unit of work that stays open for a while after the commit that lets a document go live."""

        inner: UnitOfWork

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        async def __aenter__(self) -> Self:
            await self.inner.__aenter__()
            return self

        async def __aexit__(self, *error: object) -> None:
            shown = assembly.begin.database.table(DOCUMENTS)[receipt.document.id]
            await self.inner.__aexit__(*error)
            if shown.live_revision is not None and not went_live.is_set():
                went_live.set()
                await asyncio.sleep(5)

    ingest = evolve(
        assembly.use_cases.handle_job.ingest,
        report_every=0.01,
        begin=lambda workspace_id: LingeringWork(assembly.begin(workspace_id)),
    )
    async with asyncio.timeout(4):
        await ingest(job)

    assert went_live.is_set()
    assert await found(assembly, ann, "heron") == ["a.txt"]


async def test_a_commit_without_an_answer_keeps_the_file(assembly: Assembly, ann: Actor) -> None:
    """The document may be there: sent again it is found, and can be read."""
    database = assembly.begin.database
    database.commits_unanswered = True
    with pytest.raises(DatabaseUnavailable):
        await assembly.use_cases.upload_document(ann, content=bytes_of("The heron stands."), filename="a.txt")
    database.commits_unanswered = False

    again = await assembly.use_cases.upload_document(ann, content=bytes_of("The heron stands."), filename="a.txt")
    await assembly.worker().drain()

    assert not again.created
    assert (await assembly.use_cases.show_document(ann, document_id=again.document.id)).status is DocumentStatus.READY

    database.commits_unanswered = True
    with pytest.raises(DatabaseUnavailable):
        await assembly.use_cases.revise_document(
            ann, document_id=again.document.id, content=bytes_of("The stork stands."), filename="b.txt"
        )
    database.commits_unanswered = False
    await assembly.worker().drain()

    assert await found(assembly, ann, "stork") == ["a.txt"]


@define
class OvertakingClock:
    """Somebody else changes the document each time that the hour is asked, `times` times."""

    database: FakeDatabase
    document_id: DocumentId
    times: int

    def now(self) -> datetime:
        rows = self.database.table(DOCUMENTS)
        if self.times:
            self.times -= 1
            rows[self.document_id] = evolve(rows[self.document_id], version=rows[self.document_id].version + 1)
        return datetime.now(UTC)


async def test_who_names_no_version_is_not_sent_away(assembly: Assembly, ann: Actor) -> None:
    """Because somebody else, or the ingestion, was a moment faster; who names one is."""
    document = await upload(assembly, ann, "The heron stands in the reeds.")
    about = {"document_id": document.id}

    def overtaken(use_case: Any) -> Any:
        return evolve(use_case, clock=OvertakingClock(assembly.begin.database, document.id, times=2))

    cases = assembly.use_cases
    changed = await overtaken(cases.change_document)(ann, **about, title="Herons")
    assert (changed.title, changed.version) == ("Herons", document.version + 3)
    with pytest.raises(StaleVersion):
        await overtaken(cases.change_document)(ann, **about, title="Cranes", version=changed.version)
    assert (await overtaken(cases.reindex_document)(ann, **about)).status is DocumentStatus.QUEUED
    revised = await overtaken(cases.revise_document)(ann, **about, content=bytes_of("The stork."), filename="b.txt")
    assert (revised.title, revised.filename) == ("Herons", "b.txt")
    await overtaken(cases.delete_document)(ann, **about)
    with pytest.raises(NotFound):
        await cases.show_document(ann, **about)
