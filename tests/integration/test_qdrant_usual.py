"""Searches of the usual shape are read in a short way, and mean what the client's models say they mean."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from adapters.embedded import qdrant_usual
from adapters.embedded.qdrant_bodies import parse
from adapters.embedded.qdrant_queries import query_request
from adapters.embedded.qdrant_usual import search_of

MINE = {"should": [{"key": "scope", "match": {"value": "0450c754"}}], "must": [{"key": "n", "range": {"gte": 1}}]}
WORDS = {"indices": [5, 7], "values": [1.0, 0.5]}
SEMANTIC = {"query": [0.25, -1.0], "using": "dense", "filter": MINE, "limit": 20, "with_payload": ["document"]}
KEYWORD = {"query": WORDS, "using": "sparse", "filter": MINE, "params": {"idf": {"corpus": MINE}}, "with_payload": True}
HYBRID = {
    "prefetch": [
        {"prefetch": [{**half, "limit": 200}], "query": {"fusion": "dbsf"}, "limit": 200}
        for half in (
            {"query": [0.25, -1.0], "using": "dense", "filter": MINE},
            {"query": WORDS, "using": "sparse", "filter": MINE, "params": {"idf": {"corpus": MINE}}},
        )
    ],
    "query": {"formula": {"sum": [{"mult": [0.4, "$score[0]"]}, "$score[1]"]}, "defaults": {"$score[0]": 0.0}},
    "limit": 20,
    "with_vector": False,
}
USUAL = [SEMANTIC, KEYWORD, HYBRID]
_WORDS = st.sampled_from(["dense", "dbsf", "rrf", "7", "key", "nearest", "limit", "values", "lookup_from", "offset"])
_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**65),
    st.floats(),
    _WORDS,
    st.lists(st.one_of(st.floats(-1, 1), st.integers(0, 3)), max_size=3),
    st.lists(st.lists(st.floats(-1, 1), max_size=2), max_size=2),
    st.dictionaries(_WORDS, st.one_of(st.none(), st.integers(0, 3), _WORDS), max_size=2),
    st.sampled_from([MINE, WORDS, {"nearest": [1.0]}, {"fusion": "rrf"}, {"rrf": {"k": 3}}, {"exact": True}]),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A usual one, with up to two parts exchanged, added or taken away."""
    body: Any = copy.deepcopy(draw(st.sampled_from(USUAL)))
    for _ in range(draw(st.integers(0, 2))):
        at = body
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = draw(st.sampled_from([*keys, draw(_WORDS)] if isinstance(at, dict) else keys))
            inner = at[key] if key in keys else None
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                at = inner
                continue
            if inner is not None and draw(st.integers(0, 3)) == 0:
                del at[key]
            else:
                at[key] = copy.deepcopy(draw(_ODD))
            break
        if not body:
            break
    return json.dumps(body, separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))).encode()


def nothing(_: object) -> bool:
    """No filter lets all points pass."""
    return False


def outcome(read: Any, body: bytes) -> str:
    """What is asked of the engine, or how it is refused."""
    try:
        return repr(read(body))
    except (ValueError, TypeError, OverflowError) as error:
        return f"{type(error).__name__}: {error}"


@settings(max_examples=60, deadline=None)
@given(bodies())
def test_both_ways_read_the_same(body: bytes) -> None:
    """Whatever is exchanged, the short way asks the engine for the same, or refuses in the same words."""
    assert outcome(lambda told: search_of(told, nothing), body) == outcome(
        lambda told: query_request(parse(told, models.QueryRequest)), body
    )


@pytest.mark.parametrize("body", USUAL, ids=["semantic", "keyword", "hybrid"])
def test_usual_searches_take_the_short_way(body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The models as a whole are not asked."""

    def never(*_: object) -> None:
        pytest.fail("the long way")

    monkeypatch.setattr(qdrant_usual, "parse", never)

    assert repr(search_of(json.dumps(body).encode(), nothing)).startswith("QueryRequest(")
