"""A model of documents and what a search must find, played against the use cases on any engines."""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from attrs import define, evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from application.errors import Unavailable
from application.ports.jobs import AnyJob
from domain.access import Actor
from domain.documents import DocumentStatus
from domain.generations import GenerationState, Recipe
from domain.ids import DocumentId
from tests.application.conftest import bytes_of, member
from tests.fakes.assembly import Assembly

WORDS: Final = ("heron", "otter", "crane", "stork", "egret", "bittern")
MOST_JOBS: Final = 1000
T = TypeVar("T")


@define
class Expected:
    """What the model knows of one document."""

    live: str | None  # the text that a search must find now
    newest: str  # the text that it must find once all jobs are done


class Ground(Protocol):
    """The engines below, and what no use case offers: jobs one at a time, and engines that are away."""

    assembly: Assembly

    async def take(self) -> AnyJob | None:
        """The next job, out of the queue; None when there is none."""
        ...

    async def put_back(self, job: AnyJob) -> None:
        """It is to be done again."""
        ...

    async def lose_jobs(self) -> None:
        """The queue is emptied."""
        ...

    async def engines(self, *, vectors: bool, embedder: bool) -> None:
        """Whether they are there, of every index that there is."""
        ...

    async def close(self) -> None:
        """Nothing more is asked."""
        ...


class DocumentsMachine(RuleBasedStateMachine):
    """Upload, revise, reindex, delete; run some jobs, or all; let an engine break in the middle of one."""

    documents = Bundle("documents")

    async def ground_on(self, root: Path) -> Ground:
        """Empty engines; files go below `root`."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.ground = self.run(self.ground_on(Path(self.folder.name)))
        self.assembly = self.ground.assembly
        self.actor: Actor = self.run(member(self.assembly, "ann@example.org"))
        self.expected: dict[DocumentId, Expected] = {}
        self.deleted: set[DocumentId] = set()
        self.number = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def text(self, word: str) -> str:
        """One that no other document has."""
        self.number += 1
        return f"The {word} number{self.number} stands in the reeds."

    @rule(target=documents, word=st.sampled_from(WORDS))
    def upload(self, word: str) -> DocumentId:
        text = self.text(word)
        receipt = self.run(
            self.assembly.use_cases.upload_document(self.actor, content=bytes_of(text), filename="a.txt")
        )
        self.expected[receipt.document.id] = Expected(live=None, newest=text)
        return receipt.document.id

    @rule(document_id=documents, word=st.sampled_from(WORDS))
    def revise(self, document_id: DocumentId, word: str) -> None:
        text = self.text(word)
        self.run(
            self.assembly.use_cases.revise_document(
                self.actor, document_id=document_id, content=bytes_of(text), filename=None
            )
        )
        self.expected[document_id].newest = text

    @rule(document_id=documents)
    def reindex(self, document_id: DocumentId) -> None:
        self.run(self.assembly.use_cases.reindex_document(self.actor, document_id=document_id))

    @rule(document_id=consumes(documents))
    def delete(self, document_id: DocumentId) -> None:
        self.run(self.assembly.use_cases.delete_document(self.actor, document_id=document_id))
        del self.expected[document_id]
        self.deleted.add(document_id)

    @rule()
    def work(self) -> None:
        for _ in range(MOST_JOBS):
            job = self.run(self.ground.take())
            if job is None:
                break
            self.run(self.assembly.use_cases.handle_job(job))
        else:
            raise AssertionError("the jobs do not come to an end")
        for known in self.expected.values():
            known.live = known.newest

    @rule(engine=st.sampled_from(["vectors", "embedder"]), twice=st.booleans())
    def crash(self, engine: str, twice: bool) -> None:  # noqa: FBT001
        """The next job meets an engine that is away; it goes back to the queue, perhaps twice."""
        job = self.run(self.ground.take())
        if job is None:
            return
        self.run(self.ground.engines(vectors=engine != "vectors", embedder=engine != "embedder"))
        try:
            self.run(self.assembly.use_cases.handle_job(job))
        except Unavailable:
            for _ in range(1 + twice):
                self.run(self.ground.put_back(job))
        else:
            self.look_what_went_live()
        finally:
            self.run(self.ground.engines(vectors=True, embedder=True))

    @rule(model=st.sampled_from(["buckets", "other", "third"]))
    def want_model(self, model: str) -> None:
        """Another index is to be built, or what was begun is given up; searches notice nothing."""
        recipe = Recipe(model=model, name=model, dimensions=64)
        self.run(self.assembly.use_cases.want_index(recipe))

    @rule(cleared=st.booleans())
    def change_index(self, cleared: bool) -> None:  # noqa: FBT001
        """A step towards it, by a worker that may also clear away what was retired."""
        change = self.assembly.use_cases.change_index
        self.run(evolve(change, keep_retired=timedelta(0))() if cleared else change())

    @rule()
    def lose_jobs(self) -> None:
        """The queue is emptied; the second net and the comparison of the stores bring everything back."""
        self.run(self.ground.lose_jobs())
        self.mend()
        self.work()
        self.mend()
        self.work()

    def mend(self) -> None:
        use_cases = self.assembly.use_cases
        self.run(evolve(use_cases.requeue_unfinished, idle=timedelta(0))())
        everything = use_cases.reconcile_all
        hasty = evolve(everything, reconcile=evolve(everything.reconcile, grace=timedelta(0)))
        self.run(hasty(repair=True))

    def look_what_went_live(self) -> None:
        """A job that needed neither engine was done all the same."""
        for document_id, known in self.expected.items():
            shown = self.run(self.assembly.use_cases.show_document(self.actor, document_id=document_id))
            if shown.status is DocumentStatus.READY:
                known.live = known.newest

    @invariant()
    def a_search_finds_what_is_live(self) -> None:
        if not hasattr(self, "assembly"):
            return
        outcome = self.run(self.assembly.use_cases.search(self.actor, query=" ".join(WORDS), limit=50))
        found = {passage.document.id: passage.chunk.text for passage in outcome.passages}

        assert found == {key: known.live for key, known in self.expected.items() if known.live is not None}

    def teardown(self) -> None:
        if hasattr(self, "assembly"):
            try:
                self.nothing_is_left_over()
            finally:
                self.run(self.ground.close())
                self.loop.close()
                self.folder.cleanup()

    def nothing_is_left_over(self) -> None:
        """In the end the stores agree, one index is left, and of what was deleted there is the receipt alone."""
        for _ in range(6):
            self.work()
            self.change_index(cleared=True)
        states = [record.state for record in self.run(self.assembly.use_cases.generations.records())]
        assert {GenerationState.LIVE, GenerationState.REMOVED} >= set(states)
        assert states.count(GenerationState.LIVE) == 1
        findings = self.run(self.assembly.use_cases.reconcile_all(repair=False))
        assert not findings.differences
        assert findings.documents == len(self.expected)
        assert len(self.assembly.stored_files()) == len(self.expected)
        for document_id in self.deleted:
            self.run(self.assembly.use_cases.show_erasure(self.actor, document_id=document_id))
