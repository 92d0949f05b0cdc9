"""How rare words are is counted among what the asker may find, and taken from the engine where that is everything."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
from qdrant_client import models

from adapters.embedded import qdrant_collection
from adapters.embedded.qdrant_collection import Collection
from adapters.embedded.qdrant_queries import filter_
from adapters.embedded.qdrant_updates import Change
from adapters.embedded.qdrant_usual import search_of

POINTS = 200
OURS = {"should": [{"key": "scope", "match": {"value": "ours"}}]}
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


def asked(collection: Collection, corpus: dict[str, Any], *, is_told: bool = False) -> list[tuple[Any, float]]:
    """What is found of ours with rarity counted within `corpus`; `is_told`: whatever that costs."""
    body = {
        "query": {"indices": [1, 2, 3, 4], "values": [1.0, 1.0, 0.5, 0.5]},
        "using": "sparse",
        "filter": OURS,
        "params": {"idf": {"corpus": corpus}},
        "limit": POINTS,
    }
    search = search_of(json.dumps(body).encode(), (lambda _: False) if is_told else collection.is_all)
    return sorted((found.id, round(found.score, 4)) for found in collection.shard.query(search))


def ours() -> edge.Filter:
    condition = filter_(models.Filter.model_validate(OURS))
    assert condition is not None
    return condition


async def test_all_there_is(collection: Collection) -> None:
    """A corpus of all points is not counted, and scores are those that counting gives."""
    body = json.dumps({"query": {"indices": [1], "values": [1.0]}, "params": {"idf": {"corpus": OURS}}}).encode()

    assert "corpus" in repr(search_of(body, lambda _: False)).lower()
    assert "corpus" not in repr(search_of(body, collection.is_all)).lower()
    assert asked(collection, OURS) == asked(collection, OURS, is_told=True) != []


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
