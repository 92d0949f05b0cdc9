"""From the models of Qdrant's REST API to the classes of Qdrant Edge.

Whatever Edge does not offer, or this server does not serve, raises `Unsupported` with the field's name:
nothing that a client asks for is passed over in silence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client.http import models

DEFAULT_LIMIT = 10  # of a query or prefetch that names none, as in Qdrant
DEFAULT_RRF_K = 2  # as in Qdrant
# Of dense vectors whose collection names none: 16 bits a dimension in a form that is scanned several times faster
# than float32, with the same 20 best of 20,000 in all of 100 trials.
DEFAULT_DATATYPE = edge.VectorStorageDatatype.Turbo16


class Unsupported(ValueError):
    """The request is well formed, but asks for something that this server does not do."""


def only(model: BaseModel, *allowed: str) -> None:
    """Refuse a model that sets any other field."""
    for name in model.model_fields_set:
        if name not in allowed and getattr(model, name) is not None:
            raise Unsupported(f"`{name}` of {type(model).__name__} is not supported by the embedded engine")


def point_id(value: int | str | UUID) -> int | UUID:
    """An id as Edge takes it.

    Raises Unsupported for a text that is no UUID.
    """
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            raise Unsupported(f"{value!r} is not a valid point id: it must be an unsigned integer or a UUID") from None
    return value


def _member(choices: Any, value: Enum | str) -> Any:
    """Edge's member of the same name: `float32`, `cosine`, `FLOAT32` and `Float32` are one."""
    text = (value.value if isinstance(value, Enum) else value).replace("_", "").lower()
    for name in dir(choices):
        if name.lower() == text:
            return getattr(choices, name)
    raise Unsupported(f"`{text}` is not supported by the embedded engine")


def _optional(choices: Any, value: Enum | None) -> Any:
    return None if value is None else _member(choices, value)


# --- collections ------------------------------------------------------------------------------------------


def edge_config(body: models.CreateCollection, optimizers: edge.EdgeOptimizersConfig) -> edge.EdgeConfig:
    """How the shard of a new collection is made. A shard is one; numbers of shards or replicas above 1 are refused."""
    only(
        body,
        *("vectors", "sparse_vectors", "on_disk_payload", "hnsw_config", "quantization_config"),
        *("shard_number", "replication_factor", "write_consistency_factor"),
    )
    for name in ("shard_number", "replication_factor", "write_consistency_factor"):
        if getattr(body, name) not in {None, 1}:
            raise Unsupported(f"`{name}` must be 1: the embedded engine is a single node")
    vectors = {"": body.vectors} if isinstance(body.vectors, models.VectorParams) else (body.vectors or {})
    return edge.EdgeConfig(
        vectors={name: _vector_params(each) for name, each in vectors.items()},
        sparse_vectors={name: _sparse_params(each) for name, each in (body.sparse_vectors or {}).items()},
        on_disk_payload=body.on_disk_payload,
        hnsw_config=_hnsw(body.hnsw_config),
        quantization_config=_quantization(body.quantization_config),
        optimizers=optimizers,
    )


def _vector_params(params: models.VectorParams) -> edge.EdgeVectorParams:
    only(params, "size", "distance", "on_disk", "datatype", "hnsw_config", "quantization_config")
    return edge.EdgeVectorParams(
        params.size,
        _member(edge.Distance, params.distance),
        on_disk=params.on_disk,
        datatype=_optional(edge.VectorStorageDatatype, params.datatype) or DEFAULT_DATATYPE,
        hnsw_config=_hnsw(params.hnsw_config),
        quantization_config=_quantization(params.quantization_config),
    )


def _sparse_params(params: models.SparseVectorParams) -> edge.EdgeSparseVectorParams:
    index = params.index or models.SparseIndexParams()
    only(index, "full_scan_threshold", "on_disk", "datatype")
    modifier = None if params.modifier in {None, models.Modifier.NONE} else edge.Modifier.Idf
    return edge.EdgeSparseVectorParams(
        full_scan_threshold=index.full_scan_threshold,
        on_disk=index.on_disk,
        datatype=_optional(edge.VectorStorageDatatype, index.datatype),
        modifier=modifier,
    )


def _hnsw(diff: models.HnswConfigDiff | None) -> edge.HnswIndexConfig | None:
    if diff is None:
        return None
    only(diff, "m", "ef_construct", "full_scan_threshold", "max_indexing_threads", "on_disk", "payload_m")
    return edge.HnswIndexConfig(
        16 if diff.m is None else diff.m,
        diff.ef_construct or 100,
        diff.full_scan_threshold or 10_000,
        max_indexing_threads=diff.max_indexing_threads or 0,
        on_disk=diff.on_disk,
        payload_m=diff.payload_m,
    )


def _quantization(config: models.QuantizationConfig | None) -> edge.ScalarQuantizationConfig | None:
    if config is None:
        return None
    if not isinstance(config, models.ScalarQuantization):
        raise Unsupported("`quantization_config` other than `scalar` is not supported by the embedded engine")
    only(config.scalar, "type", "quantile", "always_ram")
    return edge.ScalarQuantizationConfig(
        edge.ScalarType.Int8, quantile=config.scalar.quantile, always_ram=config.scalar.always_ram
    )


_INDEX_PARAMS: dict[type[BaseModel], tuple[Callable[..., Any], tuple[str, ...]]] = {
    models.KeywordIndexParams: (edge.KeywordIndexParams, ("is_tenant", "on_disk", "enable_hnsw", "prefix")),
    models.IntegerIndexParams: (
        edge.IntegerIndexParams,
        ("lookup", "range", "is_principal", "on_disk", "enable_hnsw"),
    ),
    models.FloatIndexParams: (edge.FloatIndexParams, ("is_principal", "on_disk", "enable_hnsw")),
    models.BoolIndexParams: (edge.BoolIndexParams, ("on_disk", "enable_hnsw")),
    models.DatetimeIndexParams: (edge.DatetimeIndexParams, ("is_principal", "on_disk", "enable_hnsw")),
    models.UuidIndexParams: (edge.UuidIndexParams, ("is_tenant", "on_disk", "enable_hnsw")),
}


def payload_index(schema: Any) -> Any:
    """The kind of an index on a payload field, with its parameters where there are any."""
    if isinstance(schema, models.PayloadSchemaType):
        return _member(edge.PayloadSchemaType, schema)
    if type(schema) not in _INDEX_PARAMS:
        raise Unsupported(f"`field_schema` {type(schema).__name__} is not supported by the embedded engine")
    make, names = _INDEX_PARAMS[type(schema)]
    only(schema, "type", *names)
    return make(**{name: getattr(schema, name) for name in names})


# --- points -----------------------------------------------------------------------------------------------


def points(body: models.PointsList | models.PointsBatch) -> list[edge.Point]:
    """The points of an upsert, whichever way they are written."""
    if isinstance(body, models.PointsList):
        return [edge.Point(point_id(each.id), vectors(each.vector), each.payload or {}) for each in body.points]
    batch = body.batch
    count = len(batch.ids)
    payloads: Sequence[Any] = batch.payloads or [None] * count
    if isinstance(batch.vectors, Mapping):
        columns = batch.vectors
        if any(len(column) != count for column in columns.values()):
            raise Unsupported("`batch.vectors` must hold as many vectors of each name as `batch.ids`")
        rows: Sequence[Any] = [{name: column[i] for name, column in columns.items()} for i in range(count)]
    else:
        rows = batch.vectors
    if len(rows) != count or len(payloads) != count:
        raise Unsupported("`batch.ids`, `batch.vectors` and `batch.payloads` must be of one length")
    return [
        edge.Point(point_id(key), vectors(row), payload or {})
        for key, row, payload in zip(batch.ids, rows, payloads, strict=True)
    ]


def vectors(value: Any) -> Any:
    """All vectors of a point: one without a name, or named ones."""
    if isinstance(value, Mapping):
        return {name: vector(each) for name, each in value.items()}
    return vector(value)


def vector(value: Any) -> Any:
    """A dense or sparse vector.

    Raises Unsupported for many vectors in one field and for what a server would have to embed first.
    """
    if isinstance(value, models.SparseVector):
        if len(value.indices) != len(value.values):
            raise Unsupported("`indices` and `values` of a sparse vector must be of one length")
        if len(set(value.indices)) != len(value.indices):
            raise Unsupported("`indices` of a sparse vector must be unique")
        return edge.SparseVector(value.indices, value.values)
    if isinstance(value, list) and not (value and isinstance(value[0], list)):
        return value
    raise Unsupported("only dense and sparse vectors are supported by the embedded engine")


# --- filters ----------------------------------------------------------------------------------------------


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


# --- queries ----------------------------------------------------------------------------------------------


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
        query=_query(body.query, body.using),
        prefetches=_prefetches(body.prefetch),
        with_vector=body.with_vector or False,
        with_payload=with_payload(body.with_payload, default=False),
        filter=filter_(body.filter),
        score_threshold=body.score_threshold,
        params=_params(body.params),
    )


def _prefetches(value: Any) -> list[edge.Prefetch] | None:
    if value is None:
        return None
    return [_prefetch(each) for each in (value if isinstance(value, list) else [value])]


def _prefetch(value: models.Prefetch) -> edge.Prefetch:
    only(value, "prefetch", "query", "using", "filter", "params", "score_threshold", "limit")
    return edge.Prefetch(
        DEFAULT_LIMIT if value.limit is None else value.limit,
        query=_query(value.query, value.using),
        prefetches=_prefetches(value.prefetch),
        params=_params(value.params),
        filter=filter_(value.filter),
        score_threshold=value.score_threshold,
    )


def _query(value: Any, using: str | None) -> Any:  # noqa: PLR0911 - one line a kind
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
        direction=_optional(edge.Direction, value.direction),
        start_from=_iso(start) if isinstance(start, date) else start,
    )


def _params(value: models.SearchParams | None) -> edge.SearchParams | None:
    if value is None:
        return None
    only(value, "hnsw_ef", "exact", "indexed_only", "quantization")
    quantization = value.quantization
    return edge.SearchParams(
        hnsw_ef=value.hnsw_ef,
        exact=value.exact or False,
        indexed_only=value.indexed_only or False,
        quantization=None
        if quantization is None
        else edge.QuantizationSearchParams(
            ignore=quantization.ignore or False, rescore=quantization.rescore, oversampling=quantization.oversampling
        ),
    )


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


# --- answers ----------------------------------------------------------------------------------------------


def scored(point: edge.ScoredPoint) -> dict[str, Any]:
    """A hit as the REST API writes it."""
    return {**record(point), "version": point.version, "score": point.score}


def record(point: edge.ScoredPoint | edge.Record) -> dict[str, Any]:
    """A stored point as the REST API writes it."""
    answer: dict[str, Any] = {"id": point.id, "payload": point.payload, "vector": _vectors_out(point.vector)}
    if point.order_value is not None:
        answer["order_value"] = point.order_value
    return answer


def _vectors_out(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {""}:
            return _vectors_out(value[""])
        return {name: _vectors_out(each) for name, each in value.items()}
    if isinstance(value, edge.SparseVector):
        return {"indices": value.indices, "values": value.values}
    return value
