"""From the models of Qdrant's REST API to the classes of Qdrant Edge: points, ids, vectors, and back.

Whatever Edge does not offer, or this server does not serve, raises `Unsupported` with the field's name:
nothing that a client asks for is passed over in silence. Collections and queries have modules of their own.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client.http import models


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


def member(choices: Any, value: Enum | str) -> Any:
    """Edge's member of the same name: `float32`, `cosine`, `FLOAT32` and `Float32` are one."""
    text = (value.value if isinstance(value, Enum) else value).replace("_", "").lower()
    for name in dir(choices):
        if name.lower() == text:
            return getattr(choices, name)
    raise Unsupported(f"`{text}` is not supported by the embedded engine")


def optional(choices: Any, value: Enum | None) -> Any:
    """The same, or None."""
    return None if value is None else member(choices, value)


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
