"""Searching over HTTP: every filter, phrases, highlights and scores."""

import json
from typing import Any

import pytest
from attrs import frozen

from tests.fakes.assembly import Assembly
from tests.http.conftest import Member, ready_document


@frozen
class Shelf:
    """Two documents about pelicans, alike in nothing else."""

    wanted: dict[str, Any]
    other: dict[str, Any]
    collection: str


@pytest.fixture
async def shelf(ada: Member, assembly: Assembly) -> Shelf:
    collection = (await ada.call("POST", "collections", json={"name": "Birds"})).json()["id"]
    other = await ready_document(assembly, ada, "Old pelicans rest on the pier.", tags=["old"])
    wanted = await ready_document(
        assembly,
        ada,
        "Young pelicans feed in the harbour.",
        tags=["young", "birds"],
        metadata=json.dumps({"year": 2025, "checked": True, "by": "Ada"}),
        collection_id=collection,
    )
    return Shelf(wanted, other, collection)


async def found(member: Member, query: str = "pelicans", **body: Any) -> list[str]:
    answer = await member.call("POST", "search", json={"query": query, **body})
    assert answer.status_code == 200
    return [result["document"]["id"] for result in answer.json()["results"]]


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
async def test_filters_narrow(ada: Member, shelf: Shelf, mode: str) -> None:
    """Each filter of the interface keeps what meets it and nothing else."""
    narrowing: list[dict[str, Any]] = [
        {"collection_ids": [shelf.collection]},
        {"document_ids": [shelf.wanted["id"]]},
        {"tags": ["young", "unknown"]},
        {"metadata": {"year": 2025}},
        {"metadata": {"checked": True, "by": "Ada"}},
        {"created_from": shelf.wanted["created_at"]},
        {"tags": ["birds"], "media_types": [shelf.wanted["media_type"]]},
    ]

    for filters in narrowing:
        assert [shelf.wanted["id"]] == await found(ada, mode=mode, filters=filters), filters


async def test_a_misspelt_filter_is_refused(ada: Member) -> None:
    """Left aside it would let every document through."""
    answer = await ada.call("POST", "search", json={"query": "pelicans", "filters": {"tag": ["old"]}})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/filters/tag"]


async def test_filters_that_nothing_meets(ada: Member, shelf: Shelf) -> None:
    """Empty lists, values of another kind and times past match nothing; they are no error."""
    nothing: list[dict[str, Any]] = [
        {"tags": []},
        {"document_ids": []},
        {"metadata": {"year": "2025"}},
        {"metadata": {"checked": 1}},
        {"media_types": ["application/pdf"]},
        {"created_to": shelf.other["created_at"]},
    ]

    for filters in nothing:
        assert await found(ada, filters=filters) == [], filters


async def test_a_phrase(ada: Member, shelf: Shelf) -> None:
    """Quotation marks ask for these words together."""
    assert [shelf.wanted["id"]] == await found(ada, '"young PELICANS"')
    assert await found(ada, '"pelicans young"') == []


async def test_highlights_and_scores(ada: Member, shelf: Shelf) -> None:
    """Highlights are ranges of the text that hold the query's words; scores fall down the list."""
    answer = (await ada.call("POST", "search", json={"query": "harbour pelican", "rerank": True})).json()

    scores = [result["score"] for result in answer["results"]]
    first = answer["results"][0]
    assert scores == sorted(scores, reverse=True)
    assert not answer["reranked"]  # no reranker is configured here
    assert ["pelicans", "harbour"] == [first["text"][start:end] for start, end in first["highlights"]]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"query": "pelicans"}', 200),
        ("application/json; charset=UTF-8", b'{"query": "pelicans"}', 200),
        ("application/vnd.search+json", b'{"query": "pelicans"}', 200),
        ("text/plain", b'{"query": "pelicans"}', 415),
        ("application/json", b'{"query": ', 422),
        ("application/json", b'["pelicans"]', 422),
        ("application/json", b"", 422),
        ("application/json", b'{"query": "pelicans", "limit": 0}', 422),
        ("application/json", b'{"query": "pelicans", "rerank": 0}', 422),
        ("application/json", b'{"query": "pelicans", "filters": {"created_to": 0}}', 422),
        ("application/json", b'{"query": "pelicans", "filters": {"created_from": "2020-01-01T00:00:00Z"}}', 200),
    ],
)
@pytest.mark.usefixtures("shelf")
async def test_bodies_of_every_kind(ada: Member, kind: str, body: bytes, status: int) -> None:
    """What is as usual and what is not are read alike."""
    answer = await ada.call("POST", "search", content=body, headers={"Content-Type": kind})

    assert answer.status_code == status
    assert status != 200 or len(answer.json()["results"]) == 2


@pytest.mark.parametrize("body", [{"query": "pelicans"}, {"query": "pelicans", "limit": 0}])
async def test_who_asks_comes_before_what_is_wrong(ada: Member, body: dict[str, Any]) -> None:
    """A stranger is not told more of what a body should be."""
    answer = await ada.call("POST", "search", json=body, headers={"Authorization": "Bearer none"})

    assert answer.status_code == 401
