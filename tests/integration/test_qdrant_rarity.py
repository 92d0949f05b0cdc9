"""How rare words are is counted among what the asker may find, and taken from the engine where that is everything."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from attrs import evolve
from qdrant_client import models

from adapters.embedded import qdrant_collection
from adapters.embedded.qdrant_collection import Collection
from adapters.embedded.qdrant_queries import filter_
from adapters.embedded.qdrant_updates import Change
from adapters.embedded.qdrant_usual import search_of

POINTS = 200
OURS: dict[str, Any] = {"should": [{"key": "scope", "match": {"value": "ours"}}]}
NUMBERS = random.Random(5)  # noqa: S311 - a fixed sample


@pytest.fixture
async def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collection]:
    """Points of one scope, in a collection that counts as large and calm."""
    monkeypatch.setattr(qdrant_collection, "_COUNTED_BELOW", POINTS // 2)
    monkeypatch.setattr(qdrant_collection, "_CALM_SECONDS", 0.0)
    sparse = {"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)}
    made = Collection.create(tmp_path / "c", models.CreateCollection(vectors={}, sparse_vectors=sparse))
    await made.write(Change("create_index", b'{"field_name": "scope", "field_schema": "keyword"}'))
    await write(made, range(POINTS), "ours")
    yield made
    made.close()


async def write(collection: Collection, ids: range, scope: str) -> None:
    """Points with five of thirty words each."""
    points = [
        {
            "id": number,
            "vector": {"sparse": {"indices": NUMBERS.sample(range(30), 5), "values": [1.0, 0.9, 0.7, 0.4, 0.2]}},
            "payload": {"scope": scope},
        }
        for number in ids
    ]
    await collection.write(Change("upsert", json.dumps({"points": points}).encode()))


async def remove(collection: Collection, ids: range) -> None:
    await collection.write(Change("delete", json.dumps({"points": list(ids)}).encode()))


def asked(collection: Collection, among: dict[str, Any], *, is_told: bool = False) -> list[tuple[Any, float]]:
    """What is found of ours with rarity counted within `among`; `is_told`: whatever that costs."""
    body = {
        "query": {"indices": [1, 2, 3, 4], "values": [1.0, 1.0, 0.5, 0.5]},
        "using": "sparse",
        "filter": OURS,
        "params": {"idf": {"corpus": among}},
        "limit": POINTS,
    }
    search = search_of(json.dumps(body).encode(), (lambda _: False) if is_told else collection.is_all)
    return sorted((found.id, round(found.score, 4)) for found in collection.shard.query(search))


def corpus(**conditions: Any) -> edge.Filter:
    condition = filter_(models.Filter.model_validate(conditions))
    assert condition is not None
    return condition


def ours() -> edge.Filter:
    return corpus(**OURS)


async def test_all_there_is(collection: Collection) -> None:
    """A corpus of all points is not counted, and scores are those that counting gives."""
    body = json.dumps({"query": {"indices": [1], "values": [1.0]}, "params": {"idf": {"corpus": OURS}}}).encode()

    assert "corpus" in repr(search_of(body, lambda _: False)).lower()
    assert "corpus" not in repr(search_of(body, collection.is_all)).lower()
    assert asked(collection, OURS) == asked(collection, OURS, is_told=True) != []


@pytest.mark.parametrize("scopes", [2, 5, 30])
async def test_several_that_are_all_together(collection: Collection, scopes: int) -> None:
    """An asker of many collections who may read all of them is told from one who may not."""
    for number in range(scopes):
        await write(collection, range(number, POINTS, scopes), f"shelf {number}")
    readable = [{"key": "scope", "match": {"value": f"shelf {number}"}} for number in range(scopes)]

    assert collection.is_all(corpus(should=readable))
    assert collection.is_all(corpus(must=[{"key": "scope", "match": {"any": [f"shelf {n}" for n in range(scopes)]}}]))
    assert not collection.is_all(corpus(should=readable[1:]))


async def test_a_corpus_too_long_to_be_kept_is_counted(collection: Collection) -> None:
    """To find out each time would take longer than counting."""
    others = [{"key": "scope", "match": {"value": f"other shelf {number}"}} for number in range(50)]
    longer = {"should": [*OURS["should"], *others]}

    def never(_: edge.Filter) -> bool:
        pytest.fail("asked")

    search_of(
        json.dumps({"query": {"indices": [1], "values": [1.0]}, "params": {"idf": {"corpus": longer}}}).encode(), never
    )


async def test_rebuilt(collection: Collection) -> None:
    """A shard in order holds no removed points: then it is looked again."""
    await remove(collection, range(50))
    condition = ours()
    assert not collection.is_all(condition)

    collection.switch(collection.shard, evolve(collection.live, removed=0))

    assert collection.is_all(condition)


async def test_others_beside(collection: Collection) -> None:
    """From the moment that somebody else has a point in the index, theirs do not count."""
    alone = asked(collection, OURS)
    await write(collection, range(POINTS, POINTS + 50), "theirs")

    assert not collection.is_all(ours())
    assert asked(collection, OURS) == alone

    await remove(collection, range(POINTS, POINTS + 50))

    assert asked(collection, OURS) == alone


async def test_much_was_removed(collection: Collection) -> None:
    """Removed points are in the engine's numbers: a few do not matter, of many it is known, after a restart too."""
    await remove(collection, range(2))

    assert collection.is_all(ours())

    await remove(collection, range(2, 50))

    assert not collection.is_all(ours())
    assert asked(collection, OURS) == asked(collection, OURS, is_told=True)

    collection.close()
    again = Collection.load(collection.folder)
    collection.shard = again.shard  # which the fixture closes

    assert again.live.removed == 50
    assert not again.is_all(ours())


async def test_while_written(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not looked up between one write and the next, for that takes longer than what it saves."""
    monkeypatch.setattr(qdrant_collection, "_CALM_SECONDS", 3600.0)

    assert not collection.is_all(ours())

    monkeypatch.setattr(qdrant_collection, "_CALM_SECONDS", 0.02)
    await asyncio.sleep(0.03)
    condition = ours()

    assert collection.is_all(condition)
    await write(collection, range(POINTS, POINTS + 1), "ours")
    assert not collection.is_all(condition)


async def test_a_small_collection_is_counted(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """There it takes no time."""
    monkeypatch.setattr(qdrant_collection, "_COUNTED_BELOW", POINTS + 1)

    assert not collection.is_all(ours())
