"""What every vector index promises; run on the fake and on Qdrant in its homes.

The embedded server, or the server at READINGROOM_TEST_QDRANT_URL where that is set, and the client's own local mode.
"""

import math
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve
from qdrant_client import AsyncQdrantClient

from adapters.embedded.sockets import free_port
from adapters.qdrant.index import QdrantIndex, QdrantSettings
from application.errors import VectorsUnavailable
from application.ports.vectors import IndexedChunk, IndexedRevision, PassageFilter, VectorIndex, VectorQuery
from domain.ids import ChunkId, CollectionId, DocumentId, WorkspaceId, chunk_id
from domain.passages import SearchMode
from tests.conftest import QdrantServer
from tests.fakes.vectors import InMemoryVectorIndex

DIMENSIONS = 8
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
COLLECTION = CollectionId(uuid4())
OTHER_COLLECTION = CollectionId(uuid4())
EVERYTHING = PassageFilter(readable=frozenset({COLLECTION, OTHER_COLLECTION}))


@pytest.fixture(scope="session")
async def fake_index() -> VectorIndex:
    return InMemoryVectorIndex()


@pytest.fixture(scope="session")
async def qdrant_index(qdrant_server: QdrantServer) -> AsyncIterator[VectorIndex]:
    made = QdrantIndex.connect(
        qdrant_server.url, qdrant_server.key, collection=f"test-{uuid4().hex}", dimensions=DIMENSIONS
    )
    await made.prepare()
    yield made
    await made.drop()
    await made.close()


@pytest.fixture(scope="session")
async def local_index() -> AsyncIterator[VectorIndex]:
    client = AsyncQdrantClient(":memory:")
    made = QdrantIndex(client=client, collection="test", dimensions=DIMENSIONS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        await made.prepare()
    yield made
    await made.close()


@pytest.fixture(params=["fake_index", "qdrant_index", "local_index"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    """One for all tests of the suite: each has a workspace of its own, as in real life."""
    given: VectorIndex = request.getfixturevalue(request.param)
    return given


@pytest.fixture(params=["fake", "qdrant"])
async def unavailable(request: pytest.FixtureRequest) -> AsyncIterator[VectorIndex]:
    if request.param == "fake":
        yield InMemoryVectorIndex(available=False)
        return
    made = QdrantIndex.connect(f"http://127.0.0.1:{free_port()}", "key", collection="none", dimensions=DIMENSIONS)
    yield made
    await made.close()


@pytest.fixture
def workspace() -> WorkspaceId:
    return WorkspaceId(uuid4())


def new_document() -> DocumentId:
    return DocumentId(uuid4())


def direction(angle: float) -> list[float]:
    """A unit vector; the nearer two angles, the more alike their vectors."""
    return [math.cos(angle), math.sin(angle)] + [0.0] * (DIMENSIONS - 2)


def chunk(
    document_id: DocumentId, text: str = "text", *, ordinal: int = 0, revision: int = 1, **more: Any
) -> IndexedChunk:
    given: dict[str, Any] = {
        "collection_id": COLLECTION,
        "dense": direction(0.0),
        "language": None,
        "media_type": "text/plain",
        "tags": (),
        "metadata": {},
        "created_at": NOW,
    }
    return IndexedChunk(
        chunk_id=chunk_id(document_id, revision, ordinal),
        document_id=document_id,
        revision=revision,
        ordinal=ordinal,
        text=text,
        **(given | more),
    )


def ask(
    text: str = "text",
    *,
    mode: SearchMode = SearchMode.SEMANTIC,
    angle: float | None = 0.0,
    limit: int = 10,
    language: str | None = None,
    **conditions: Any,
) -> VectorQuery:
    return VectorQuery(
        mode=mode,
        text=text,
        dense=None if angle is None else direction(angle),
        language=language,
        filter=evolve(EVERYTHING, **conditions),
        limit=limit,
    )


def sole(document: DocumentId) -> ChunkId:
    """Its only passage, where `chunk` was told no more than the document."""
    return chunk_id(document, 1, 0)


async def found_by(index: VectorIndex, workspace: WorkspaceId, query: VectorQuery) -> set[ChunkId]:
    return {hit.chunk_id for hit in await index.search(workspace, query)}


async def test_prepare_twice_changes_nothing(index: VectorIndex, workspace: WorkspaceId) -> None:
    """What is indexed is still found after another `prepare`."""
    document = new_document()
    await index.upsert(workspace, [chunk(document)])

    await index.prepare()

    assert {sole(document)} == await found_by(index, workspace, ask())


async def test_a_new_workspace_is_empty(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Nothing is found and nothing is held before anything is written."""
    assert await index.search(workspace, ask(mode=SearchMode.HYBRID)) == []
    assert await index.revisions(workspace) == []


async def test_upsert_of_nothing(index: VectorIndex, workspace: WorkspaceId) -> None:
    """No chunks are no error."""
    await index.upsert(workspace, [])

    assert await index.revisions(workspace) == []


async def test_upsert_twice_is_once(index: VectorIndex, workspace: WorkspaceId) -> None:
    """The same chunk again replaces the first, with all that it carries."""
    document = new_document()
    await index.upsert(workspace, [chunk(document, "zebra", tags=("old",))])
    await index.upsert(workspace, [chunk(document, "giraffe", tags=("new",))])

    assert [IndexedRevision(document_id=document, revision=1, chunks=1)] == await index.revisions(workspace)
    assert await index.search(workspace, ask("zebra", mode=SearchMode.KEYWORD)) == []
    assert len(await index.search(workspace, ask("giraffe", mode=SearchMode.KEYWORD))) == 1
    assert set() == await found_by(index, workspace, ask(tags=frozenset({"old"})))


async def test_what_is_given_is_not_kept(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Changing what was handed in later changes nothing in the index."""
    document, metadata = new_document(), {"team": "a"}
    await index.upsert(workspace, [chunk(document, metadata=metadata)])
    metadata["team"] = "b"

    assert {sole(document)} == await found_by(index, workspace, ask(metadata={"team": "a"}))


async def test_workspaces_are_apart(index: VectorIndex, workspace: WorkspaceId) -> None:
    """A workspace neither finds, describes, counts nor deletes what is another's."""
    stranger, document = WorkspaceId(uuid4()), new_document()
    await index.upsert(workspace, [chunk(document)])

    await index.delete_documents(stranger, [document])
    await index.keep_revision(stranger, document, 9)
    await index.delete_revision(stranger, document, 1)
    await index.describe(stranger, document, collection_id=OTHER_COLLECTION, tags=("x",), metadata={})

    for mode in SearchMode:
        assert await index.search(stranger, ask(mode=mode)) == []
        assert {sole(document)} == await found_by(index, workspace, ask(mode=mode))
    assert await index.revisions(stranger) == []
    assert set() == await found_by(index, workspace, ask(tags=frozenset({"x"})))


@pytest.mark.parametrize("mode", list(SearchMode))
async def test_only_readable_collections(index: VectorIndex, workspace: WorkspaceId, mode: SearchMode) -> None:
    """What the asker may not read is not found, not even when it is asked for by name."""
    mine, hidden = new_document(), new_document()
    await index.upsert(workspace, [chunk(mine), chunk(hidden, collection_id=OTHER_COLLECTION)])

    readable = frozenset({COLLECTION})
    assert {sole(mine)} == await found_by(index, workspace, ask(mode=mode, readable=readable))
    asked = ask(mode=mode, readable=readable, collection_ids=frozenset({OTHER_COLLECTION}))
    assert set() == await found_by(index, workspace, asked)


@pytest.mark.parametrize("more", [0, 3, 40])
async def test_readable_collections_and_conditions(index: VectorIndex, workspace: WorkspaceId, more: int) -> None:
    """However many collections may be read, what is found is in one of them and meets the other conditions too."""
    readable = frozenset({COLLECTION, *(CollectionId(uuid4()) for _ in range(more))})
    mine, untagged, hidden = new_document(), new_document(), new_document()
    elsewhere = chunk(hidden, collection_id=OTHER_COLLECTION, tags=("a",))
    await index.upsert(workspace, [chunk(mine, tags=("a",)), chunk(untagged), elsewhere])

    for mode in SearchMode:
        assert {sole(mine), sole(untagged)} == await found_by(index, workspace, ask(mode=mode, readable=readable))
        asked = ask(mode=mode, readable=readable, tags=frozenset({"a"}))
        assert {sole(mine)} == await found_by(index, workspace, asked)


CONDITIONS: dict[str, tuple[dict[str, Any], Callable[[DocumentId], dict[str, Any]]]] = {
    "collection": (
        {"collection_id": OTHER_COLLECTION},
        lambda _: {"collection_ids": frozenset({OTHER_COLLECTION})},
    ),
    "document": ({}, lambda document: {"document_ids": frozenset({document, new_document()})}),
    "any tag": ({"tags": ("a", "ü b")}, lambda _: {"tags": frozenset({"ü b", "z"})}),
    "media type": ({"media_type": "application/pdf"}, lambda _: {"media_types": frozenset({"application/pdf"})}),
    "created from, inclusive": ({"created_at": NOW + timedelta(1)}, lambda _: {"created_from": NOW + timedelta(1)}),
    "created to, exclusive": ({"created_at": NOW - timedelta(seconds=1)}, lambda _: {"created_to": NOW}),
    "created in another zone": (
        {"created_at": NOW - timedelta(hours=1)},
        lambda _: {"created_to": datetime.fromisoformat("2026-05-01T13:30:00+02:00")},
    ),
    "text": ({"metadata": {"team": "Ärzte", "x": 1}}, lambda _: {"metadata": {"team": "Ärzte"}}),
    "odd key": ({"metadata": {'a.b["c"]': "v"}}, lambda _: {"metadata": {'a.b["c"]': "v"}}),
    "whole number": ({"metadata": {"year": 2026}}, lambda _: {"metadata": {"year": 2026.0}}),
    "fraction": ({"metadata": {"ratio": 0.1}}, lambda _: {"metadata": {"ratio": 0.1}}),
    "truth": ({"metadata": {"final": True}}, lambda _: {"metadata": {"final": True}}),
    "all metadata": ({"metadata": {"a": 1, "b": 2}}, lambda _: {"metadata": {"a": 1, "b": 2}}),
    "all conditions": (
        {"tags": ("a",), "media_type": "text/html"},
        lambda _: {"tags": frozenset({"a"}), "media_types": frozenset({"text/html"})},
    ),
}


@pytest.mark.parametrize("mode", [SearchMode.SEMANTIC, SearchMode.HYBRID])
@pytest.mark.parametrize("case", CONDITIONS)
async def test_conditions(index: VectorIndex, workspace: WorkspaceId, case: str, mode: SearchMode) -> None:
    """A condition lets through what meets it, and nothing else."""
    carries, condition = CONDITIONS[case]
    meant = new_document()
    others = [
        chunk(new_document()),
        chunk(new_document(), tags=("a b", "A"), metadata={"team": "ärzte", "year": "2026", "final": 1, "a": 1}),
        chunk(new_document(), media_type="text/html", metadata={"final": "true", "b": 2, "ratio": 0.2}),
    ]
    await index.upsert(workspace, [*others, chunk(meant, **carries)])

    assert {sole(meant)} == await found_by(index, workspace, ask(mode=mode, **condition(meant)))


@pytest.mark.parametrize("mode", list(SearchMode))
@pytest.mark.parametrize("name", ["readable", "collection_ids", "document_ids", "tags", "media_types"])
async def test_an_empty_set_matches_nothing(
    index: VectorIndex, workspace: WorkspaceId, name: str, mode: SearchMode
) -> None:
    """None asks nothing, an empty set excludes all."""
    await index.upsert(workspace, [chunk(new_document())])

    assert await index.search(workspace, ask(mode=mode, **dict[str, Any]({name: frozenset()}))) == []


async def test_nearest_first(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Semantic hits come by likeness, scores descending, each once, at most as many as asked for."""
    documents = [new_document() for _ in range(6)]
    await index.upsert(
        workspace, [chunk(document, dense=direction(0.2 * place)) for place, document in enumerate(documents)]
    )

    hits = await index.search(workspace, ask(limit=4))

    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    assert [sole(document) for document in documents[:4]] == [hit.chunk_id for hit in hits]


async def test_no_limit_no_hits(index: VectorIndex, workspace: WorkspaceId) -> None:
    """A limit of zero is answered with nothing."""
    await index.upsert(workspace, [chunk(new_document())])

    assert await index.search(workspace, ask(limit=0)) == []


async def test_keyword_needs_a_word(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Keyword search finds what has the words, the rarer the better, and nothing else."""
    rare, common, neither = new_document(), new_document(), new_document()
    await index.upsert(
        workspace,
        [
            chunk(rare, "the pelican crossed the harbour"),
            chunk(common, "the harbour is closed"),
            chunk(neither, "nothing of the kind"),
        ],
    )

    hits = await index.search(workspace, ask("pelican harbour", mode=SearchMode.KEYWORD, angle=None))

    assert [sole(rare), sole(common)] == [hit.chunk_id for hit in hits]
    assert await index.search(workspace, ask("", mode=SearchMode.KEYWORD, angle=None)) == []


@pytest.mark.parametrize("language", ["en", "fr", None])
async def test_hybrid_finds_by_either(index: VectorIndex, workspace: WorkspaceId, language: str | None) -> None:
    """A passage that only one half finds is found; one that both find is first; none comes twice.

    Whether the model speaks the question's language, does not, or nobody can tell.
    """
    both, worded, alike = new_document(), new_document(), new_document()
    far = [chunk(new_document(), "of no use", dense=direction(1.5 + place / 50)) for place in range(10)]
    await index.upsert(
        workspace,
        [
            *far,
            chunk(both, "how pelicans feed pelicans", dense=direction(0.01)),
            chunk(worded, "pelicans", dense=direction(3.0)),
            chunk(alike, "water birds", dense=direction(0.02)),
        ],
    )

    hits = await index.search(
        workspace, ask("how do pelicans feed", mode=SearchMode.HYBRID, limit=20, language=language)
    )

    found = [hit.chunk_id for hit in hits]
    assert sole(both) == found[0]
    assert {sole(worded), sole(alike)} <= set(found)
    assert len(found) == len(set(found))


async def test_hybrid_without_a_vector(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Where there is no vector, words alone decide."""
    document = new_document()
    await index.upsert(workspace, [chunk(document, "pelican"), chunk(new_document(), "stork")])

    assert {sole(document)} == await found_by(index, workspace, ask("pelican", mode=SearchMode.HYBRID, angle=None))


async def test_hybrid_without_words(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Where there is no word to look for, likeness alone decides."""
    document = new_document()
    await index.upsert(workspace, [chunk(document, "pelican")])

    assert {sole(document)} == await found_by(index, workspace, ask("?!", mode=SearchMode.HYBRID))


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Die Kündigungsfrist beträgt drei Monate.", "Kündigungsfrist"),
        ("深度学习模型需要大量数据", "学习模型"),
        ("يحتوي العقد على شرط جزائي", "العقد"),
        ("restart the node after ERR_42 is logged", "err_42"),
        ("the part VA004 is out of stock", "VA004"),
        ("Ångström 🚀 naïve café", "café"),
    ],
)
async def test_words_of_any_language(index: VectorIndex, workspace: WorkspaceId, text: str, question: str) -> None:
    """Keywords are found in any script, and identifiers as they stand."""
    meant = new_document()
    await index.upsert(workspace, [chunk(meant, text), chunk(new_document(), "something else: err, part")])

    hits = await index.search(workspace, ask(question, mode=SearchMode.KEYWORD, angle=None))

    assert sole(meant) == hits[0].chunk_id


async def test_describe(index: VectorIndex, workspace: WorkspaceId) -> None:
    """All chunks of the document carry the new description and nothing of the old; others keep theirs."""
    document, other = new_document(), new_document()
    carried: dict[str, Any] = {"tags": ("old",), "metadata": {"team": "old", "x": 1}}
    await index.upsert(
        workspace, [chunk(document, **carried), chunk(document, ordinal=1, **carried), chunk(other, **carried)]
    )

    await index.describe(workspace, document, collection_id=OTHER_COLLECTION, tags=("new",), metadata={"team": "new"})
    await index.describe(workspace, new_document(), collection_id=COLLECTION, tags=(), metadata={})

    new = ask(tags=frozenset({"new"}), metadata={"team": "new"}, collection_ids=frozenset({OTHER_COLLECTION}))
    assert {chunk_id(document, 1, 0), chunk_id(document, 1, 1)} == {
        hit.chunk_id for hit in await index.search(workspace, new)
    }
    assert {sole(other)} == await found_by(index, workspace, ask(tags=frozenset({"old"})))
    assert {sole(other)} == await found_by(index, workspace, ask(metadata={"x": 1}))
    assert {sole(other)} == await found_by(index, workspace, ask(readable=frozenset({COLLECTION})))


async def held(index: VectorIndex, workspace: WorkspaceId) -> set[tuple[DocumentId, int, int]]:
    return {(each.document_id, each.revision, each.chunks) for each in await index.revisions(workspace)}


async def test_keep_revision(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Older revisions go; this one, younger ones and other documents stay."""
    document, other = new_document(), new_document()
    await index.upsert(
        workspace, [chunk(document, revision=number, ordinal=place) for number in (1, 2, 3) for place in (0, 1)]
    )
    await index.upsert(workspace, [chunk(other)])

    await index.keep_revision(workspace, document, 2)

    assert {(document, 2, 2), (document, 3, 2), (other, 1, 1)} == await held(index, workspace)


async def test_delete_revision(index: VectorIndex, workspace: WorkspaceId) -> None:
    """Exactly this revision goes."""
    document = new_document()
    await index.upsert(workspace, [chunk(document, revision=number) for number in (1, 2, 3)])

    await index.delete_revision(workspace, document, 2)
    await index.delete_revision(workspace, document, 7)

    assert {(document, 1, 1), (document, 3, 1)} == await held(index, workspace)


async def test_delete_documents(index: VectorIndex, workspace: WorkspaceId) -> None:
    """All revisions of these documents go; unknown ones, none, and a second time are no error."""
    first, second, third = new_document(), new_document(), new_document()
    await index.upsert(workspace, [chunk(first), chunk(first, revision=2), chunk(second), chunk(third)])

    await index.delete_documents(workspace, [])
    await index.delete_documents(workspace, [first, second, new_document()])
    await index.delete_documents(workspace, [first])

    assert {(third, 1, 1)} == await held(index, workspace)
    assert {sole(third)} == await found_by(index, workspace, ask())


async def test_many_at_once(index: VectorIndex, workspace: WorkspaceId) -> None:
    """2,000 chunks are written in one call and each is there."""
    documents = [new_document() for _ in range(20)]
    await index.upsert(
        workspace,
        [
            chunk(document, f"passage number {100 * n + ordinal}", ordinal=ordinal, dense=direction(ordinal / 100))
            for n, document in enumerate(documents)
            for ordinal in range(100)
        ],
    )

    assert {(document, 1, 100) for document in documents} == await held(index, workspace)
    hits = await index.search(workspace, ask(limit=500))
    assert len({hit.chunk_id for hit in hits}) == 500
    exact = await index.search(workspace, ask("1742", mode=SearchMode.KEYWORD, limit=3))
    assert chunk_id(documents[17], 1, 42) == exact[0].chunk_id


CALLS: dict[str, Callable[[VectorIndex, WorkspaceId], Any]] = {
    "prepare": lambda index, _: index.prepare(),
    "upsert": lambda index, workspace: index.upsert(workspace, [chunk(new_document())]),
    "search": lambda index, workspace: index.search(workspace, ask()),
    "describe": lambda index, workspace: index.describe(
        workspace, new_document(), collection_id=COLLECTION, tags=(), metadata={}
    ),
    "keep_revision": lambda index, workspace: index.keep_revision(workspace, new_document(), 1),
    "delete_revision": lambda index, workspace: index.delete_revision(workspace, new_document(), 1),
    "delete_documents": lambda index, workspace: index.delete_documents(workspace, [new_document()]),
    "revisions": lambda index, workspace: index.revisions(workspace),
    "ping": lambda index, _: index.ping(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_unavailable(unavailable: VectorIndex, workspace: WorkspaceId, call: str) -> None:
    """Every call says so when the engine cannot be used."""
    with pytest.raises(VectorsUnavailable):
        await CALLS[call](unavailable, workspace)


async def test_two_generations_side_by_side(qdrant_server: QdrantServer, workspace: WorkspaceId) -> None:
    """Vectors of other lengths stand in a collection of their own; one that was removed holds nothing, twice too."""
    one, two = (
        QdrantIndex.connect(qdrant_server.url, qdrant_server.key, collection=f"g{n}-{uuid4().hex}", dimensions=length)
        for n, length in ((1, DIMENSIONS), (2, 3))
    )
    document = new_document()
    for made, dense in ((one, direction(0.0)), (two, [1.0, 0.0, 0.0])):
        await made.prepare()
        await made.upsert(workspace, [chunk(document, dense=dense)])
    await two.drop()
    await two.drop()
    await two.delete_documents(workspace, [document])
    await two.keep_revision(workspace, document, 2)

    assert {sole(document)} == await found_by(one, workspace, ask())
    with pytest.raises(VectorsUnavailable):
        await two.search(workspace, evolve(ask(), dense=[1.0, 0.0, 0.0]))
    await two.prepare()
    assert await two.revisions(workspace) == []
    await one.drop()
    await two.drop()
    for made in (one, two):
        await made.close()


async def test_ping(index: VectorIndex) -> None:
    """A prepared index that answers is fine."""
    await index.ping()


async def test_the_shape_of_a_new_index(qdrant_server: QdrantServer, workspace: WorkspaceId) -> None:
    """What settings say about disk, quantization and shards is how the collection is made, and it finds as well."""
    made = QdrantIndex.connect(
        qdrant_server.url,
        qdrant_server.key,
        collection=f"test-{uuid4().hex}",
        dimensions=DIMENSIONS,
        settings=QdrantSettings(on_disk=True, quantization=True, shard_number=1, replication_factor=1),
    )
    try:
        await made.prepare()
        near, far = new_document(), new_document()
        await made.upsert(workspace, [chunk(near, dense=direction(0.1)), chunk(far, dense=direction(2.0))])
        found = await made.search(workspace, ask("text", angle=0.0))

        assert [hit.chunk_id for hit in found] == [sole(near), sole(far)]
    finally:
        await made.drop()
        await made.close()


@pytest.mark.parametrize("mode", [SearchMode.KEYWORD, SearchMode.HYBRID])
async def test_other_workspaces_move_no_score(index: VectorIndex, workspace: WorkspaceId, mode: SearchMode) -> None:
    """How rare a word is, is counted among what the asker may find: scores tell nothing of anybody else's documents."""
    await index.upsert(workspace, [chunk(new_document(), text) for text in ("pelican harbour", "pelican", "otter")])
    query = ask("pelican harbour", mode=mode)
    alone = [hit.score for hit in await index.search(workspace, query)]

    await index.upsert(WorkspaceId(uuid4()), [chunk(new_document(), "pelican pelican") for _ in range(30)])

    assert alone == pytest.approx([hit.score for hit in await index.search(workspace, query)], rel=1e-5)


async def test_a_word_next_to_a_passage_finds_it(index: VectorIndex, workspace: WorkspaceId) -> None:
    """What stands around it counts, for less than what stands in it."""
    inside, beside = new_document(), new_document()
    await index.upsert(
        workspace,
        [
            chunk(beside, "otters swim", around="otters swim in the harbour"),
            chunk(inside, "harbour ships", around="harbour ships"),
        ],
    )

    found = await index.search(workspace, ask("harbour", mode=SearchMode.KEYWORD))

    assert [hit.chunk_id for hit in found] == [sole(inside), sole(beside)]
