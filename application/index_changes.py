"""From one generation of the index to the next, without a search that waits or sees both."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from application.errors import Unavailable
from application.generations import Generations, in_state, live_of
from application.ports.generations import Index
from application.ports.jobs import AnyJob, BuildDocument
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.generations import Generation, GenerationState, Recipe
from domain.ids import DocumentId, WorkspaceId

QUEUED: Final = 200  # documents that wait in the queue at once; the others follow
KEEP_RETIRED: Final = timedelta(minutes=1)  # much longer than any process believes what it read of generations
PASSAGES: Final = 5000  # removed in one transaction


@frozen(kw_only=True)
class WantIndex:
    """Ask for an index by this recipe; whoever starts to work says what its settings want.

    - The first one is live at once. Another one is built beside it, and takes its place when it is complete.
    - Wanting what is live gives up what was being built.
    """

    begin: UnitOfWorkFactory
    generations: Generations
    clock: Clock
    log: Log

    async def __call__(self, recipe: Recipe, *, only_first: bool = False) -> None:
        """`only_first`: nothing happens where there is one already."""
        async with self.begin(None) as work:
            await work.generations.hold_alone()
            records = await work.generations.all()
            live = in_state(records, GenerationState.LIVE)
            if live is None:
                _, documents = await work.generations.progress(1)
                oldest = evolve(recipe, cutting=1, words=1)  # what is there was made before there were records
                live = Generation.first(oldest if documents else recipe, self.clock.now())
                await work.generations.add(live)
                records = [live]
            if not only_first:
                await self._want(work, records, live, recipe)
            await work.commit()

    async def _want(self, work: UnitOfWork, records: list[Generation], live: Generation, recipe: Recipe) -> None:
        now = self.clock.now()
        building = in_state(records, GenerationState.BUILDING)
        for record in (live, building):
            if record is not None and record.recipe.gives_the_same(recipe) and record.recipe.model != recipe.model:
                await work.generations.save(record.found_at(recipe.model))
        if building is not None:
            if building.recipe.gives_the_same(recipe):
                return
            await work.generations.save(building.retired(now))
            self.log.warning("index_change_given_up", generation=building.number, model=building.recipe.name)
        if not live.recipe.gives_the_same(recipe):
            begun = Generation.begun(max(record.number for record in records) + 1, recipe, now)
            await work.generations.add(begun)
            self.log.info("index_change_begun", generation=begun.number, model=recipe.name)


@frozen(kw_only=True)
class ChangeIndex:
    """One step towards the wanted generation, to be made again and again by every worker.

    - What the steps did so far stands in the database alone, so any worker goes on after any crash.
    - A model that cannot be used stops the change and nothing else; the record tells why.
    """

    begin: UnitOfWorkFactory
    generations: Generations
    clock: Clock
    log: Log
    keep_retired: timedelta = KEEP_RETIRED

    async def __call__(self) -> None:
        """Queue what is missing; switch when nothing is; clear away what was retired."""
        records = await self.generations.records()
        building = in_state(records, GenerationState.BUILDING)
        if building is not None:
            await self._go_on(building)
        for record in records:
            if self._is_past(record):
                await self._clear(record)

    def _is_past(self, record: Generation) -> bool:
        """Whether it was retired so long ago that nobody can be asking it."""
        if record.state is not GenerationState.RETIRED or record.retired_at is None:
            return False
        return record.retired_at <= self.clock.now() - self.keep_retired

    async def _go_on(self, building: Generation) -> None:
        async with self.begin(None) as work:
            missing = await work.generations.unbuilt(building.number, limit=QUEUED)
        index = self.generations.indexes.open(building)
        try:
            if missing:
                await index.embedder.ping()
            await index.vectors.prepare()
        except Unavailable as error:
            await self._note(building, error.message)
            return
        await self._note(building, None)
        if missing:
            jobs: list[AnyJob] = [
                BuildDocument(
                    workspace_id=each.workspace_id,
                    document_id=each.document_id,
                    revision=each.revision,
                    generation=building.number,
                )
                for each in missing
            ]
            async with self.begin(None) as work:
                await work.jobs.enqueue(jobs)
                await work.commit()
        elif await self._is_sound(index):
            await self._switch(building)

    async def _note(self, building: Generation, problem: str | None) -> None:
        if building.problem != problem:
            async with self.begin(None) as work:
                await work.generations.save(building.hindered(problem))
                await work.commit()
            if problem is not None:
                self.log.warning("index_change_hindered", generation=building.number, problem=problem)

    async def _is_sound(self, index: Index) -> bool:
        """Whether its vectors are those of its passages, in every workspace; what is not is built again."""
        async with self.begin(None) as work:
            workspaces = await work.workspaces.all_ids()
        return all([await self._is_sound_in(index, workspace_id) for workspace_id in workspaces])

    async def _is_sound_in(self, index: Index, workspace_id: WorkspaceId) -> bool:
        async with self.begin(None) as work:
            held = {
                (each.document_id, each.revision): each.chunks
                for each in await work.generations.held(workspace_id, index.generation.number)
            }
        indexed = {
            (each.document_id, each.revision): each.chunks for each in await index.vectors.revisions(workspace_id)
        }
        for document_id, revision in indexed.keys() - held.keys():
            await index.vectors.delete_revision(workspace_id, document_id, revision)
        wrong = sorted({place[0] for place, chunks in held.items() if indexed.get(place) != chunks})
        if wrong:
            await self._build_again(index.generation, wrong)
        return not wrong

    async def _build_again(self, building: Generation, documents: Sequence[DocumentId]) -> None:
        self.log.warning("index_change_repeats", generation=building.number, documents=len(documents))
        async with self.begin(None) as work:
            await work.generations.forget(building.number, documents)
            await work.commit()

    async def _switch(self, building: Generation) -> None:
        """Both records in one transaction, in which no document can go live and none is missing."""
        now = self.clock.now()
        async with self.begin(None) as work:
            await work.generations.hold_alone()
            records = await work.generations.all()
            present = in_state(records, GenerationState.BUILDING)
            if present is None or present.number != building.number:
                return
            if await work.generations.unbuilt(building.number, limit=1):
                return
            await work.generations.save(live_of(records).retired(now))
            await work.generations.save(present.went_live(now))
            await work.generations.adopt(building.number, now)
            await work.commit()
        await self.generations.live_now()
        self.log.info("index_changed", generation=building.number, model=building.recipe.name)

    async def _clear(self, record: Generation) -> None:
        await self.generations.indexes.drop(record)
        while True:
            async with self.begin(None) as work:
                removed = await work.generations.remove_passages(record.number, limit=PASSAGES)
                if not removed:
                    await work.generations.save(record.removed())
                await work.commit()
            if not removed:
                self.log.info("index_removed", generation=record.number)
                return


@frozen(kw_only=True)
class IndexState:
    """Which index is asked, and how far its successor has come."""

    live: Generation
    building: Generation | None
    built: int  # documents
    documents: int


@frozen(kw_only=True)
class ShowIndex:
    """For those who run it."""

    generations: Generations
    begin: UnitOfWorkFactory

    async def __call__(self) -> IndexState:
        """`VectorsUnavailable` before the first index is made."""
        records = await self.generations.records()
        building = in_state(records, GenerationState.BUILDING)
        built, documents = 0, 0
        if building is not None:
            async with self.begin(None) as work:
                built, documents = await work.generations.progress(building.number)
        return IndexState(live=live_of(records), building=building, built=built, documents=documents)
