"""Another embedding model: a second index beside the first, and a switch that loses nothing."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from attrs import evolve

from application.errors import Unavailable
from application.index_changes import ChangeIndex
from domain.access import Actor
from domain.documents import FailureCode
from domain.generations import GenerationState, Recipe
from domain.passages import SearchMode
from tests.application.conftest import bytes_of, upload
from tests.fakes.assembly import Assembly
from tests.fakes.assembly_parts import BucketEmbedder
from tests.fakes.database import CHUNKS, GENERATIONS
from tests.fakes.generations import FIRST

OTHER: Final = Recipe(model="other", name="other", dimensions=64)
HERON: Final = "The heron stands in the reeds."


def hasty(assembly: Assembly) -> ChangeIndex:
    """One that clears away at once."""
    return evolve(assembly.use_cases.change_index, keep_retired=timedelta(0))


async def states(assembly: Assembly) -> list[GenerationState]:
    return [record.state for record in await assembly.use_cases.generations.records()]


async def found(assembly: Assembly, actor: Actor, query: str = "heron") -> set[str]:
    outcome = await assembly.use_cases.search(actor, query=query, limit=50)
    return {passage.chunk.text for passage in outcome.passages}


async def changed(assembly: Assembly) -> None:
    """Steps and jobs until the new generation is live and the old one gone."""
    for _ in range(6):
        await hasty(assembly)()
        await assembly.worker().drain()


async def test_wanting_what_is_live_changes_nothing(assembly: Assembly) -> None:
    """A restart with the same settings begins nothing, wherever the model lies now."""
    await assembly.use_cases.want_index(evolve(FIRST.recipe, model="/moved/buckets"))

    [record] = await assembly.use_cases.generations.records()
    assert (record.recipe.model, record.recipe.name) == ("/moved/buckets", "buckets")


async def test_documents_from_before_there_were_records(assembly: Assembly, ann: Actor) -> None:
    """They were cut by the first rules, so rules of today are a change for them."""
    await upload(assembly, ann, HERON, "a.txt")
    await assembly.worker().drain()
    assembly.begin.database.table(GENERATIONS).clear()
    today = evolve(FIRST.recipe, cutting=2, words=2)
    await assembly.use_cases.want_index(today)

    live, building = await assembly.use_cases.generations.records()
    assert (live.recipe, building.recipe) == (FIRST.recipe, today)
    assert (live.state, building.state) == (GenerationState.LIVE, GenerationState.BUILDING)


async def test_the_whole_way(assembly: Assembly, ann: Actor) -> None:
    """Searches ask the old index until every document stands in the new one, and then that one alone."""
    first = await upload(assembly, ann, HERON, "a.txt")
    await assembly.use_cases.want_index(OTHER)
    await hasty(assembly)()

    state = await assembly.use_cases.show_index()
    assert (state.live.number, state.built, state.documents) == (1, 0, 1)
    assert await found(assembly, ann) == {HERON}

    await assembly.worker().drain()
    state = await assembly.use_cases.show_index()
    assert (state.live.number, state.built, state.documents) == (1, 1, 1)
    await upload(assembly, ann, "A heron that came late.", "b.txt")  # live in the old one, so it is missing again
    await hasty(assembly)()

    assert (await assembly.use_cases.show_index()).live.number == 1
    await changed(assembly)

    assert [GenerationState.REMOVED, GenerationState.LIVE] == await states(assembly)
    assert await found(assembly, ann) == {HERON, "A heron that came late."}
    assert assembly.indexes.dropped == [1]
    assert {stored.generation for stored in assembly.begin.database.table(CHUNKS).values()} == {2}
    [chunk] = await assembly.use_cases.list_chunks(ann, document_id=first.id, limit=10)
    assert chunk.text == HERON
    assert not (await assembly.use_cases.reconcile_all(repair=False)).differences


async def test_question_and_passages_are_of_one_generation(assembly: Assembly, ann: Actor) -> None:
    """After the switch the new model is asked and the old one is not: it may be gone."""
    await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    await changed(assembly)
    assembly.embedder.down = True
    assembly.vectors.available = False

    outcome = await assembly.use_cases.search(ann, query="heron", mode=SearchMode.SEMANTIC)

    assert [passage.chunk.text for passage in outcome.passages] == [HERON]


async def test_a_model_that_cannot_be_used_stops_nothing_but_the_change(assembly: Assembly, ann: Actor) -> None:
    """The old index stays, the reason is told, and the change goes on by itself once the model can be used."""
    await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    broken = await building_embedder(assembly)
    broken.down = True
    await changed(assembly)

    state = await assembly.use_cases.show_index()
    assert state.building is not None
    assert "does not answer" in (state.building.problem or "")
    assert await found(assembly, ann) == {HERON}

    broken.down = False
    await changed(assembly)
    assert (await assembly.use_cases.show_index()).live.number == 2


async def building_embedder(assembly: Assembly) -> BucketEmbedder:
    records = await assembly.use_cases.generations.records()
    embedder = assembly.indexes.open(records[-1]).embedder
    assert isinstance(embedder, BucketEmbedder)
    return embedder


async def test_deleted_documents_do_not_come_back(assembly: Assembly, ann: Actor) -> None:
    """A delete during the change takes the document out of both indexes."""
    gone = await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    await hasty(assembly)()
    await assembly.worker().drain()
    await assembly.use_cases.delete_document(ann, document_id=gone.id)
    await assembly.worker().drain()
    both = await assembly.use_cases.generations.all()

    assert [await index.vectors.revisions(ann.workspace_id) for index in both] == [[], []]
    await changed(assembly)
    assert await found(assembly, ann) == set()
    assert assembly.begin.database.table(CHUNKS) == {}


async def test_a_document_deleted_while_it_is_built_leaves_nothing(assembly: Assembly, ann: Actor) -> None:
    """What was written for the new index is taken back."""
    gone = await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    await hasty(assembly)()
    [queued] = assembly.begin.database.jobs
    build = evolve(assembly.use_cases.handle_job.build, look_every=0.001)
    assembly.parser.hold()

    await assembly.use_cases.delete_document(ann, document_id=gone.id)
    await build(queued.job)  # type: ignore[arg-type]
    assembly.parser.release()

    index = (await assembly.use_cases.generations.all())[1]
    assert await index.vectors.revisions(ann.workspace_id) == []


async def test_a_revision_that_comes_meanwhile_is_the_one_in_the_new_index(assembly: Assembly, ann: Actor) -> None:
    """The older one, built already, is replaced before the switch."""
    document = await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    await hasty(assembly)()
    await assembly.worker().drain()
    await assembly.use_cases.revise_document(
        ann, document_id=document.id, content=bytes_of("A heron of another kind."), filename=None
    )
    await assembly.worker().drain()
    await changed(assembly)

    assert await found(assembly, ann) == {"A heron of another kind."}
    assert not (await assembly.use_cases.reconcile_all(repair=False)).differences


async def test_what_cannot_be_read_again_keeps_its_passages(assembly: Assembly, ann: Actor) -> None:
    """The original is lost, or its reader fails by now: what is found today is found tomorrow."""
    document = await upload(assembly, ann, "One heron.\fTwo herons.")
    assembly.parser.failures["text/plain"] = FailureCode.PARSE_FAILED
    await assembly.use_cases.want_index(OTHER)
    await changed(assembly)

    assert (await assembly.use_cases.show_index()).live.number == 2
    assert await found(assembly, ann) == {"One heron.\nTwo herons."}
    page = await assembly.use_cases.show_page(ann, document_id=document.id, number=2)
    assert page.text == "Two herons."


async def test_other_rules_for_words_take_the_passages_over(assembly: Assembly, ann: Actor) -> None:
    """Nothing is read again when only the vectors change."""
    await upload(assembly, ann, HERON)
    parses = assembly.parser.started
    await assembly.use_cases.want_index(evolve(FIRST.recipe, words=2))
    await changed(assembly)

    assert (await assembly.use_cases.show_index()).live.recipe.words == 2
    assert parses == assembly.parser.started
    assert await found(assembly, ann) == {HERON}


async def test_vectors_that_were_lost_are_made_again_before_the_switch(assembly: Assembly, ann: Actor) -> None:
    """The new index goes live with all its vectors or not at all."""
    document = await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    await hasty(assembly)()
    await assembly.worker().drain()
    building = (await assembly.use_cases.generations.all())[1]
    await building.vectors.delete_documents(ann.workspace_id, [document.id])
    await hasty(assembly)()

    assert (await assembly.use_cases.show_index()).live.number == 1
    await changed(assembly)
    assert (await assembly.use_cases.show_index()).live.number == 2
    assert await found(assembly, ann) == {HERON}


async def test_going_back_gives_up_what_was_begun(assembly: Assembly, ann: Actor) -> None:
    """The half-built index goes, its number is never used again, and a job of it does nothing any more."""
    await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    await hasty(assembly)()
    late = assembly.begin.database.jobs.pop().job
    await assembly.use_cases.want_index(FIRST.recipe)
    await hasty(assembly)()
    await assembly.use_cases.handle_job(late)

    assert [GenerationState.LIVE, GenerationState.REMOVED] == await states(assembly)
    await assembly.use_cases.want_index(OTHER)
    assert [record.number for record in await assembly.use_cases.generations.records()] == [1, 2, 3]
    assert {stored.generation for stored in assembly.begin.database.table(CHUNKS).values()} == {1}


async def test_an_ingest_that_is_overtaken_by_the_switch_is_done_again(assembly: Assembly, ann: Actor) -> None:
    """It was read for the old index, and goes live in the new one."""
    await assembly.use_cases.want_index(OTHER)
    receipt = await assembly.use_cases.upload_document(ann, content=bytes_of(HERON), filename="a.txt")
    first = assembly.indexes.open(FIRST)
    reads = assembly.use_cases.handle_job.ingest.read
    switched: list[bool] = []

    async def read_and_switch(document: object) -> object:
        parsed = await reads(document)  # type: ignore[arg-type]
        if not switched:
            switched.append(True)
            await hasty(assembly)()
        return parsed

    ingest = evolve(assembly.use_cases.handle_job.ingest, read=read_and_switch)  # type: ignore[arg-type]
    await evolve(assembly.use_cases.handle_job, ingest=ingest)(assembly.begin.database.jobs.pop(0).job)

    assert (await assembly.use_cases.show_document(ann, document_id=receipt.document.id)).status == "ready"
    assert await found(assembly, ann) == {HERON}
    assert first.generation.number != (await assembly.use_cases.show_index()).live.number


async def test_an_engine_that_is_away_only_delays(assembly: Assembly, ann: Actor) -> None:
    """The step fails or notes it, and the next one goes on."""
    await upload(assembly, ann, HERON)
    await assembly.use_cases.want_index(OTHER)
    assembly.begin.database.available = False
    with pytest.raises(Unavailable):
        await assembly.use_cases.change_index()
    assembly.begin.database.available = True
    await changed(assembly)

    assert await found(assembly, ann) == {HERON}


def test_collections_are_told_apart() -> None:
    """A generation never takes the vectors of another for its own."""
    names = {FIRST.recipe.collection(number) for number in (1, 2, 3)}

    assert len(names) == 3
    assert FIRST.created_at < datetime.now(UTC)
