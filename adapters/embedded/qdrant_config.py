"""How a collection is made, and its payload indexes, in the classes of Qdrant Edge."""

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client.http import models

from adapters.embedded.qdrant_translate import Unsupported, member, only, optional

# Of dense vectors whose collection names none: 16 bits a dimension in a form that is scanned several times faster
# than float32, with the same 20 best of 20,000 in all of 100 trials.
DEFAULT_DATATYPE = edge.VectorStorageDatatype.Turbo16
# A shard is one large segment and one small. With more threads each search wakes all, and those that find nothing to do
# look for it for a while: a third more of the processor, and not a moment sooner.
_SEARCH_THREADS = 1


def edge_config(
    body: models.CreateCollection, optimizers: edge.EdgeOptimizersConfig, *, hnsw: edge.HnswIndexConfig | None = None
) -> edge.EdgeConfig:
    """How the shard of a collection is made. A shard is one; numbers of shards or replicas above 1 are refused.

    `hnsw`: of graphs where the collection says nothing itself.
    """
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
        hnsw_config=_hnsw(body.hnsw_config) or hnsw,
        quantization_config=_quantization(body.quantization_config),
        optimizers=optimizers,
        max_search_threads=_SEARCH_THREADS,
    )


def _vector_params(params: models.VectorParams) -> edge.EdgeVectorParams:
    only(params, "size", "distance", "on_disk", "datatype", "hnsw_config", "quantization_config")
    return edge.EdgeVectorParams(
        params.size,
        member(edge.Distance, params.distance),
        on_disk=params.on_disk,
        datatype=optional(edge.VectorStorageDatatype, params.datatype) or DEFAULT_DATATYPE,
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
        datatype=optional(edge.VectorStorageDatatype, index.datatype),
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
        return member(edge.PayloadSchemaType, schema)
    if type(schema) not in _INDEX_PARAMS:
        raise Unsupported(f"`field_schema` {type(schema).__name__} is not supported by the embedded engine")
    make, names = _INDEX_PARAMS[type(schema)]
    only(schema, "type", *names)
    return make(**{name: getattr(schema, name) for name in names})
