"""Searches of the shape that nearly all have, read several times as fast as by the client's models alone.

The models make some twenty objects of a search and try two dozen alternatives for its parts. Here they read those
parts alone that come again, filters, formulas and parameters, and what was made of them is kept. Vectors are new each
time, and are read as what they are. Whatever has another shape, be it right or wrong, is left to the models, which
refuse and name what they do not know.

Where a search counts how rare words are among points that are all there are, Edge is not told to count: it knows.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import qdrant_edge as edge
from attrs import frozen
from pydantic import StrictFloat, TypeAdapter, ValidationError
from qdrant_client.http import models

from adapters.embedded import qdrant_queries as queries
from adapters.embedded.qdrant_bodies import parse
from adapters.embedded.qdrant_translate import Unsupported, vector

_KEPT: Final = 512  # parts
_LONGEST: Final = 2000  # bytes of one that is kept
_NULL: Final = msgspec.Raw(b"null")


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """What prefetches, and the search itself, have."""

    prefetch: "Sequence[_Part] | None" = None
    query: msgspec.Raw = _NULL
    using: str | None = None
    filter: msgspec.Raw = _NULL
    params: msgspec.Raw = _NULL
    limit: int | None = None


class _Search(_Part):
    with_vector: bool | None = None
    with_payload: msgspec.Raw = _NULL


@frozen
class _Params:
    """How it is looked for."""

    told: edge.SearchParams | None
    corpus: edge.Filter | None = None  # among which rarity is counted, if not among all
    of_all: edge.SearchParams | None = None  # as told, but for that


IsAll = Callable[[edge.Filter], bool]  # whether every point of the collection passes
_SEARCH: Final = msgspec.json.Decoder(_Search)
_DENSE: Final = TypeAdapter(list[StrictFloat])
_SPARSE: Final = TypeAdapter(models.SparseVector)
_QUERY: Final[TypeAdapter[Any]] = TypeAdapter(models.QueryInterface | None)
_FILTER: Final = TypeAdapter(models.Filter | None)
_PARAMS: Final = TypeAdapter(models.SearchParams | None)
_PAYLOAD: Final[TypeAdapter[Any]] = TypeAdapter(models.WithPayloadInterface | None)


def search_of(body: bytes, is_all: IsAll) -> edge.QueryRequest:
    """What the body of a search asks of Edge. Raises Unsupported with the field that is wrong.

    `is_all` is asked about corpora that are kept, by the same object each time; longer ones are counted among.
    """
    try:
        asked = _SEARCH.decode(body)
        return edge.QueryRequest(
            queries.DEFAULT_LIMIT if asked.limit is None else asked.limit,
            query=_query(asked.query, asked.using),
            prefetches=_prefetches(asked.prefetch, is_all),
            with_vector=asked.with_vector or False,
            with_payload=_known(_payload, asked.with_payload),
            filter=_known(_filter, asked.filter),
            params=_chosen(asked.params, is_all),
        )
    except (msgspec.MsgspecError, ValidationError, Unsupported, OverflowError):
        return queries.query_request(parse(body, models.QueryRequest))


def _prefetches(parts: Sequence[_Part] | None, is_all: IsAll) -> list[edge.Prefetch] | None:
    if parts is None:
        return None
    return [
        edge.Prefetch(
            queries.DEFAULT_LIMIT if part.limit is None else part.limit,
            query=_query(part.query, part.using),
            prefetches=_prefetches(part.prefetch, is_all),
            params=_chosen(part.params, is_all),
            filter=_known(_filter, part.filter),
        )
        for part in parts
    ]


def _chosen(raw: msgspec.Raw, is_all: IsAll) -> edge.SearchParams | None:
    params: _Params = _known(_params, raw)
    if params.corpus is None or len(bytes(raw)) > _LONGEST:
        return params.told
    return params.of_all if is_all(params.corpus) else params.told


def _query(raw: msgspec.Raw, using: str | None) -> Any:
    told = bytes(raw)
    if told.startswith(b"["):
        return edge.Query.Nearest(vector(_DENSE.validate_json(told)), using)
    if told.startswith(b'{"indices"'):
        return edge.Query.Nearest(vector(_SPARSE.validate_json(told)), using)
    return _known(_other_query, raw, using)


def _known(read: Any, raw: msgspec.Raw, *more: Any) -> Any:
    """What was made of this part before, or is made of it now."""
    told = bytes(raw)
    return read(told, *more) if len(told) <= _LONGEST else read.__wrapped__(told, *more)


@lru_cache(_KEPT)
def _other_query(raw: bytes, using: str | None) -> Any:
    return queries.query(_QUERY.validate_json(raw), using)


@lru_cache(_KEPT)
def _filter(raw: bytes) -> edge.Filter | None:
    return queries.filter_(_FILTER.validate_json(raw))


@lru_cache(_KEPT)
def _params(raw: bytes) -> _Params:
    asked = _PARAMS.validate_json(raw)
    told = queries.params(asked)
    if asked is None or not isinstance(asked.idf, models.IdfCorpusParams):
        return _Params(told)
    return _Params(told, queries.filter_(asked.idf.corpus), queries.params(asked.model_copy(update={"idf": None})))


@lru_cache(_KEPT)
def _payload(raw: bytes) -> Any:
    return queries.with_payload(_PAYLOAD.validate_json(raw), default=False)
