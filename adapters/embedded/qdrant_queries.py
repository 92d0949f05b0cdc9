"""Filters and queries of Qdrant's REST API in the classes of Qdrant Edge."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import qdrant_edge as edge
from qdrant_client.http import models

from adapters.embedded.qdrant_translate import Unsupported, only, optional, point_id, vector

DEFAULT_LIMIT = 10  # of a query or prefetch that names none, as in Qdrant
DEFAULT_RRF_K = 2  # as in Qdrant


def filter_(value: models.Filter | None) -> edge.Filter | None:
    """Conditions; None and an empty filter match everything."""
    if value is None:
        return None
    at_least = value.min_should
    return edge.Filter(
        must=_conditions(value.must),
        should=_conditions(value.should),
        must_not=_conditions(value.must_not),
        min_should=None
        if at_least is None
        else edge.MinShould(_conditions(at_least.conditions) or [], at_least.min_count),
    )


def _conditions(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [_condition(each) for each in (value if isinstance(value, list) else [value])]


def _condition(value: Any) -> Any:  # noqa: PLR0911 - one line a kind
    match value:
        case models.Filter():
            return filter_(value)
        case models.FieldCondition():
            return _field_condition(value)
        case models.HasIdCondition():
            return edge.HasIdCondition({point_id(each) for each in value.has_id})
        case models.IsEmptyCondition():
            return edge.IsEmptyCondition(value.is_empty.key)
        case models.IsNullCondition():
            return edge.IsNullCondition(value.is_null.key)
        case models.HasVectorCondition():
            return edge.HasVectorCondition(value.has_vector)
        case models.NestedCondition():
            return edge.NestedCondition(value.nested.key, filter_(value.nested.filter) or edge.Filter())
        case _:
            raise Unsupported(f"the condition {type(value).__name__} is not supported by the embedded engine")


def _field_condition(value: models.FieldCondition) -> edge.FieldCondition:
    only(value, "key", "match", "range", "values_count", "is_empty", "is_null")
    count = value.values_count
    return edge.FieldCondition(
        value.key,
        match=None if value.match is None else _match(value.match),
        range=None if value.range is None else _range(value.range),
        values_count=None
        if count is None
        else edge.ValuesCount(lt=count.lt, gt=count.gt, lte=count.lte, gte=count.gte),
        is_empty=value.is_empty,
        is_null=value.is_null,
    )


def _match(value: Any) -> Any:
    match value:
        case models.MatchValue(value=bool()):
            # Edge's binding reads True as 1, which matches no stored boolean
            raise Unsupported("`match` with a boolean is not supported by the embedded engine")
        case models.MatchValue():
            return edge.MatchValue(value.value)
        case models.MatchAny():
            return edge.MatchAny(value.any)
        case models.MatchExcept():
            return edge.MatchExcept(value.except_)
        case _:
            raise Unsupported(f"{type(value).__name__} is not supported by the embedded engine")


def _range(value: models.Range | models.DatetimeRange) -> edge.RangeFloat | edge.RangeDateTime:
    if isinstance(value, models.Range):
        return edge.RangeFloat(gte=value.gte, gt=value.gt, lte=value.lte, lt=value.lt)
    return edge.RangeDateTime(gte=_iso(value.gte), gt=_iso(value.gt), lte=_iso(value.lte), lt=_iso(value.lt))


def _iso(value: datetime | date | None) -> str | None:
    return None if value is None else value.isoformat()


def query_request(body: models.QueryRequest) -> edge.QueryRequest:
    """A whole query with its prefetches."""
    only(
        body,
        *("prefetch", "query", "using", "filter", "params", "score_threshold", "limit", "offset"),
        *("with_vector", "with_payload"),
    )
    return edge.QueryRequest(
        DEFAULT_LIMIT if body.limit is None else body.limit,
        offset=body.offset,
        query=query(body.query, body.using),
        prefetches=_prefetches(body.prefetch),
        with_vector=body.with_vector or False,
        with_payload=with_payload(body.with_payload, default=False),
        filter=filter_(body.filter),
        score_threshold=body.score_threshold,
        params=params(body.params),
    )


def _prefetches(value: Any) -> list[edge.Prefetch] | None:
    if value is None:
        return None
    return [_prefetch(each) for each in (value if isinstance(value, list) else [value])]


def _prefetch(value: models.Prefetch) -> edge.Prefetch:
    only(value, "prefetch", "query", "using", "filter", "params", "score_threshold", "limit")
    return edge.Prefetch(
        DEFAULT_LIMIT if value.limit is None else value.limit,
        query=query(value.query, value.using),
        prefetches=_prefetches(value.prefetch),
        params=params(value.params),
        filter=filter_(value.filter),
        score_threshold=value.score_threshold,
    )


def query(value: Any, using: str | None) -> Any:  # noqa: PLR0911 - one line a kind
    """What is looked for; None: nothing, all points are alike."""
    match value:
        case None:
            return None
        case models.NearestQuery():
            only(value, "nearest")
            return edge.Query.Nearest(vector(value.nearest), using)
        case models.FusionQuery():
            return edge.Fusion.Dbsf() if value.fusion is models.Fusion.DBSF else edge.Fusion.Rrf(DEFAULT_RRF_K)
        case models.RrfQuery():
            k = DEFAULT_RRF_K if value.rrf.k is None else value.rrf.k
            return edge.Fusion.Rrf(k, value.rrf.weights)
        case models.FormulaQuery():
            return edge.Formula(_expression(value.formula), dict(value.defaults or {}))
        case models.OrderByQuery():
            return order_by(value.order_by)
        case models.SampleQuery():
            return edge.Sample.Random
        case list() | models.SparseVector():
            return edge.Query.Nearest(vector(value), using)
        case _:
            raise Unsupported(f"a query of {type(value).__name__} is not supported by the embedded engine")


def _expression(value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one line a kind
    make = edge.Expression
    match value:
        case float() | int():
            return make.Constant(float(value))
        case str():
            return make.Variable(value)
        case models.SumExpression():
            return make.Sum(_expressions(value.sum))
        case models.MultExpression():
            return make.Mult(_expressions(value.mult))
        case models.MaxExpression():
            return make.Max(_expressions(value.max))
        case models.MinExpression():
            return make.Min(_expressions(value.min))
        case models.NegExpression():
            return make.Neg(_expression(value.neg))
        case models.AbsExpression():
            return make.Abs(_expression(value.abs))
        case models.DivExpression():
            part = value.div
            return make.Div(_expression(part.left), _expression(part.right), part.by_zero_default)
        case models.SqrtExpression():
            return make.Sqrt(_expression(value.sqrt))
        case models.PowExpression():
            return make.Pow(_expression(value.pow.base), _expression(value.pow.exponent))
        case models.ExpExpression():
            return make.Exp(_expression(value.exp))
        case models.Log10Expression():
            return make.Log10(_expression(value.log10))
        case models.LnExpression():
            return make.Ln(_expression(value.ln))
        case models.FieldCondition() | models.Filter() | models.HasIdCondition():
            return make.Condition(_condition(value))
        case _:
            raise Unsupported(f"{type(value).__name__} in a formula is not supported by the embedded engine")


def _expressions(values: Iterable[Any]) -> list[Any]:
    return [_expression(each) for each in values]


def order_by(value: str | models.OrderBy | None) -> edge.OrderBy | None:
    """Order by a payload field, ascending where nothing is said."""
    if value is None:
        return None
    if isinstance(value, str):
        return edge.OrderBy(value)
    start = value.start_from
    return edge.OrderBy(
        value.key,
        direction=optional(edge.Direction, value.direction),
        start_from=_iso(start) if isinstance(start, date) else start,
    )


def params(value: models.SearchParams | None) -> edge.SearchParams | None:
    """How it is looked for."""
    if value is None:
        return None
    only(value, "hnsw_ef", "exact", "indexed_only", "quantization", "idf")
    quantization = value.quantization
    return edge.SearchParams(
        hnsw_ef=value.hnsw_ef,
        exact=value.exact or False,
        indexed_only=value.indexed_only or False,
        idf=_idf(value.idf),
        quantization=None
        if quantization is None
        else edge.QuantizationSearchParams(
            ignore=quantization.ignore or False, rescore=quantization.rescore, oversampling=quantization.oversampling
        ),
    )


def _idf(value: models.IdfParams | None) -> edge.IdfParams | None:
    """Among which points the rarity of a term is counted; None and "global" mean all of the collection."""
    return edge.IdfParams(filter_(value.corpus)) if isinstance(value, models.IdfCorpusParams) else None


def with_payload(value: Any, *, default: bool) -> Any:
    """Which payload fields are given back."""
    match value:
        case None:
            return default
        case models.PayloadSelectorInclude():
            return edge.PayloadSelector.Include(value.include)
        case models.PayloadSelectorExclude():
            return edge.PayloadSelector.Exclude(value.exclude)
        case _:
            return value
