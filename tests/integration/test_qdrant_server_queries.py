"""The embedded server answers as the client's own local mode does, on random points and queries."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from qdrant_client import AsyncQdrantClient, models

from tests.conftest import QdrantServer

DIMENSIONS = 6
COLLECTION = "compared"
POINTS = 60


@frozen
class Pair:
    local: AsyncQdrantClient
    server: AsyncQdrantClient


def some_points() -> list[models.PointStruct]:
    numbers = random.Random(7)  # noqa: S311 - a fixed sample
    made = []
    for number in range(POINTS):
        indices = sorted(numbers.sample(range(12), numbers.randint(1, 6)))
        payload: dict[str, Any] = {
            "n": number,
            "word": numbers.choice("abc"),
            "words": numbers.sample("abcdef", numbers.randint(0, 3)),
            "at": f"2026-01-{numbers.randint(1, 28):02}T00:00:00Z",
            "part": {"ratio": round(numbers.random(), 3)},
        }
        if numbers.random() < 0.3:
            del payload["word"]
        made.append(
            models.PointStruct(
                id=number,
                vector={
                    "dense": [numbers.gauss(0, 1) for _ in range(DIMENSIONS)],
                    "sparse": models.SparseVector(indices=indices, values=[numbers.uniform(0.1, 2) for _ in indices]),
                },
                payload=payload,
            )
        )
    return made


@pytest.fixture(scope="module")
async def pair(qdrant_server: QdrantServer) -> AsyncIterator[Pair]:
    server = AsyncQdrantClient(
        url=qdrant_server.url, headers={"api-key": qdrant_server.key or ""}, check_compatibility=False
    )
    made = Pair(AsyncQdrantClient(":memory:"), server)
    for client in (made.local, made.server):
        await client.create_collection(
            COLLECTION,
            vectors_config={
                "dense": models.VectorParams(
                    size=DIMENSIONS, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT32
                )
            },
            sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        await client.upsert(COLLECTION, some_points())
    await server.create_payload_index(COLLECTION, "word", models.PayloadSchemaType.KEYWORD)
    yield made
    await server.delete_collection(COLLECTION)
    for client in (made.local, made.server):
        await client.close()


LETTERS = st.sampled_from("abcdefx")
CONDITIONS = st.one_of(
    st.builds(
        lambda key, value: models.FieldCondition(key=key, match=models.MatchValue(value=value)),
        st.sampled_from(["word", "words"]),
        LETTERS,
    ),
    st.builds(
        lambda key, values: models.FieldCondition(key=key, match=models.MatchAny(any=values)),
        st.sampled_from(["word", "words"]),
        st.lists(LETTERS, min_size=1, max_size=3),
    ),
    st.builds(
        lambda low, high: models.FieldCondition(key="n", range=models.Range(gte=low, lt=high)),
        st.integers(0, POINTS),
        st.integers(0, POINTS),
    ),
    st.builds(
        lambda low: models.FieldCondition(key="part.ratio", range=models.Range(gt=low)), st.floats(0, 1, width=16)
    ),
    st.builds(
        lambda day: models.FieldCondition(key="at", range=models.DatetimeRange(lte=datetime(2026, 1, day, tzinfo=UTC))),
        st.integers(1, 28),
    ),
    st.builds(lambda ids: models.HasIdCondition(has_id=ids), st.lists(st.integers(0, POINTS + 5), max_size=20)),
    st.just(models.IsEmptyCondition(is_empty=models.PayloadField(key="word"))),
)


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    group = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda each: models.Filter(must=each), group),
        st.builds(lambda each: models.Filter(should=each), group),
        st.builds(lambda each: models.Filter(must_not=each), group),
        st.builds(lambda one, two: models.Filter(must=one, must_not=two), group, group),
    )


FILTERS = combined(st.one_of(CONDITIONS, combined(CONDITIONS)))
COMPONENT = st.floats(-1, 1, width=16).filter(lambda number: abs(number) > 0.05)
DENSE = st.lists(COMPONENT, min_size=DIMENSIONS, max_size=DIMENSIONS)
SPARSE = st.dictionaries(st.integers(0, 14), st.floats(0.25, 2, width=16), min_size=1, max_size=4).map(
    lambda weights: models.SparseVector(indices=list(weights), values=list(weights.values()))
)
# all points reach the fusion: where a cut falls between equal scores, either is right
LEAVES = st.one_of(
    st.builds(
        lambda query, which: models.Prefetch(query=query, using="dense", filter=which, limit=POINTS),
        DENSE,
        st.none() | FILTERS,
    ),
    st.builds(
        lambda query, which: models.Prefetch(query=query, using="sparse", filter=which, limit=POINTS),
        SPARSE,
        st.none() | FILTERS,
    ),
)
FUSED_ALONE = LEAVES.map(
    lambda leaf: models.Prefetch(query=models.FusionQuery(fusion=models.Fusion.DBSF), prefetch=[leaf], limit=POINTS)
)
FORMULA = models.FormulaQuery(
    formula=models.SumExpression(
        sum=[models.MultExpression(mult=[0.4, "$score[0]"]), models.NegExpression(neg=-0.5), "$score[1]"]
    ),
    defaults={"$score[0]": 0.0, "$score[1]": 0.0},
)
WEIGHTED = models.RrfQuery(rrf=models.Rrf(k=60, weights=[2.0, 0.5]))

COMPARED = settings(
    max_examples=25, phases=[Phase.generate], deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


async def compare(pair: Pair, **query: Any) -> None:
    """The same points with the same scores; where scores are equal, in any order."""
    answers = [(await client.query_points(COLLECTION, **query)).points for client in (pair.local, pair.server)]
    expected, found = ({point.id: point.score for point in answer} for answer in answers)

    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-4)
    assert [point.score for point in answers[1]] == pytest.approx([point.score for point in answers[0]], abs=1e-4)


@COMPARED
@given(query=DENSE, which=st.none() | FILTERS)
async def test_dense(pair: Pair, query: list[float], which: models.Filter | None) -> None:
    """Nearest by cosine, under any filter."""
    await compare(pair, query=query, using="dense", query_filter=which, limit=POINTS)


@COMPARED
@given(query=SPARSE, which=st.none() | FILTERS)
async def test_sparse(pair: Pair, query: models.SparseVector, which: models.Filter | None) -> None:
    """Most common weight, idf included, under any filter."""
    await compare(pair, query=query, using="sparse", query_filter=which, limit=POINTS)


@COMPARED
@given(halves=st.tuples(LEAVES, LEAVES), threshold=st.sampled_from([None, 0.0123, 0.0256]))
async def test_weighted_rank_fusion(pair: Pair, halves: tuple[Any, Any], threshold: float | None) -> None:
    """Reciprocal rank fusion with weights and its own k, cut at a score."""
    await compare(pair, prefetch=list(halves), query=WEIGHTED, limit=POINTS, score_threshold=threshold)


@COMPARED
@given(halves=st.tuples(LEAVES, LEAVES))
async def test_score_fusion(pair: Pair, halves: tuple[Any, Any]) -> None:
    """Scores of two prefetches brought to one scale by their distributions, and summed."""
    await compare(pair, prefetch=list(halves), query=models.FusionQuery(fusion=models.Fusion.DBSF), limit=POINTS)


@COMPARED
@given(halves=st.tuples(FUSED_ALONE, FUSED_ALONE))
async def test_formula_on_scaled_scores(pair: Pair, halves: tuple[Any, Any]) -> None:
    """Prefetches within prefetches, and a formula over what they scored."""
    await compare(pair, prefetch=list(halves), query=FORMULA, limit=POINTS)


@COMPARED
@given(which=FILTERS)
async def test_scroll_and_count(pair: Pair, which: models.Filter) -> None:
    """What a filter lets through, in the order of ids, whole and in pages."""
    expected, _ = await pair.local.scroll(COLLECTION, scroll_filter=which, limit=POINTS)
    found: list[models.Record] = []
    page: Any = None
    while True:
        part, page = await pair.server.scroll(COLLECTION, scroll_filter=which, limit=25, offset=page)
        found += part
        if page is None:
            break

    assert [(each.id, each.payload) for each in found] == [(each.id, each.payload) for each in expected]
    assert (await pair.server.count(COLLECTION, count_filter=which)).count == len(expected)


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("delete"), FILTERS),
        st.tuples(st.just("set"), FILTERS, st.dictionaries(st.sampled_from(["word", "new"]), LETTERS, min_size=1)),
        st.tuples(st.just("overwrite"), FILTERS, st.dictionaries(st.sampled_from(["word", "n"]), LETTERS, min_size=1)),
        st.tuples(st.just("drop"), FILTERS),
        st.tuples(st.just("write"), st.integers(0, POINTS - 1)),
    ),
    min_size=1,
    max_size=6,
)


async def change(client: AsyncQdrantClient, name: str, what: tuple[Any, ...]) -> None:
    match what:
        case ("delete", which):
            await client.delete(name, models.FilterSelector(filter=which))
        case ("set", which, payload):
            await client.set_payload(name, payload, points=which)
        case ("overwrite", which, payload):
            await client.overwrite_payload(name, payload, points=which)
        case ("drop", which):
            await client.delete_payload(name, ["word", "part"], points=which)
        case ("write", number):
            await client.upsert(name, [some_points()[number]])


@settings(COMPARED, max_examples=10)
@given(changes=CHANGES)
async def test_changes_by_filter(pair: Pair, changes: list[tuple[Any, ...]]) -> None:
    """After any history of deletions, payloads set and points written anew, both hold the same."""
    name = "changed"
    held = []
    for client in (pair.local, pair.server):
        await client.create_collection(
            name,
            vectors_config={"dense": models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)},
            sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        await client.upsert(name, some_points())
        for each in changes:
            await change(client, name, each)
        held.append([(point.id, point.payload) for point in (await client.scroll(name, limit=POINTS))[0]])
        await client.delete_collection(name)

    assert held[1] == held[0]


@COMPARED
@given(which=FILTERS)
async def test_facet(pair: Pair, which: models.Filter) -> None:
    """How many points have each value, under any filter."""
    answers = [
        await client.facet(COLLECTION, "word", facet_filter=which, limit=10, exact=True)
        for client in (pair.local, pair.server)
    ]

    expected, found = ({hit.value: hit.count for hit in answer.hits} for answer in answers)
    assert found == expected
