"""Changes of points, payloads and payload indexes in the classes of Qdrant Edge."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import qdrant_edge as edge
from attrs import frozen
from pydantic import TypeAdapter
from qdrant_client.http import models

from adapters.embedded.qdrant_bodies import parse
from adapters.embedded.qdrant_config import payload_index
from adapters.embedded.qdrant_queries import filter_
from adapters.embedded.qdrant_translate import Unsupported, only, point_id, points


@frozen
class Change:
    """A request that writes, as it came: it can be made again on a copy of the shard."""

    kind: str  # one of `KINDS`
    body: bytes

    def operations(self) -> list[edge.UpdateOperation]:
        """Several of a batch, otherwise one; all are checked before any is given. Raises Unsupported."""
        shape, make = _READERS[self.kind]
        made = make(parse(self.body, shape))
        return made if isinstance(made, list) else [made]


def _targets(body: models.SetPayload | models.DeletePayload) -> tuple[list[Any] | None, edge.Filter | None]:
    """The points that a change of payload is for: ids or a filter, exactly one of them."""
    if (body.points is None) == (body.filter is None):
        raise Unsupported("exactly one of `points` and `filter` is needed")
    ids = None if body.points is None else [point_id(each) for each in body.points]
    return ids, filter_(body.filter)


def upsert(body: models.PointsList | models.PointsBatch) -> edge.UpdateOperation:
    """Points written, as rows or as columns."""
    only(body, "points", "batch", "update_filter", "update_mode")
    mode = {None: None, "upsert": edge.UpdateMode.Upsert, "insert_only": edge.UpdateMode.InsertOnly}.get(
        body.update_mode, edge.UpdateMode.UpdateOnly
    )
    return edge.UpdateOperation.upsert_points(points(body), filter_(body.update_filter), mode)


def delete(body: models.PointIdsList | models.FilterSelector) -> edge.UpdateOperation:
    """Points removed, by ids or filter."""
    only(body, "points", "filter")
    if isinstance(body, models.FilterSelector):
        return edge.UpdateOperation.delete_points_by_filter(filter_(body.filter) or edge.Filter())
    return edge.UpdateOperation.delete_points([point_id(each) for each in body.points])


def set_payload(body: models.SetPayload) -> edge.UpdateOperation:
    """Fields added to or replaced in payloads."""
    only(body, "payload", "points", "filter", "key")
    ids, condition = _targets(body)
    if condition is not None:
        return edge.UpdateOperation.set_payload_by_filter(condition, body.payload, body.key)
    return edge.UpdateOperation.set_payload(ids or [], body.payload, body.key)


def overwrite_payload(body: models.SetPayload) -> edge.UpdateOperation:
    """Payloads replaced as a whole."""
    only(body, "payload", "points", "filter", "key")
    ids, condition = _targets(body)
    if condition is not None:
        return edge.UpdateOperation.overwrite_payload_by_filter(condition, body.payload, body.key)
    return edge.UpdateOperation.overwrite_payload(ids or [], body.payload, body.key)


def delete_payload(body: models.DeletePayload) -> edge.UpdateOperation:
    """Fields removed from payloads."""
    only(body, "keys", "points", "filter")
    ids, condition = _targets(body)
    if condition is not None:
        return edge.UpdateOperation.delete_payload_by_filter(condition, body.keys)
    return edge.UpdateOperation.delete_payload(ids or [], body.keys)


def clear_payload(body: models.PointIdsList | models.FilterSelector) -> edge.UpdateOperation:
    """Payloads emptied."""
    only(body, "points", "filter")
    if isinstance(body, models.FilterSelector):
        return edge.UpdateOperation.clear_payload_by_filter(filter_(body.filter) or edge.Filter())
    return edge.UpdateOperation.clear_payload([point_id(each) for each in body.points])


def create_index(body: models.CreateFieldIndex) -> edge.UpdateOperation:
    """An index on a field of payloads."""
    if body.field_schema is None:
        raise Unsupported("`field_schema` is needed by the embedded engine")
    return edge.UpdateOperation.create_field_index(body.field_name, payload_index(body.field_schema))


def batch(body: models.UpdateOperations) -> list[edge.UpdateOperation]:
    """Several changes, in order."""
    return [_one_of_batch(each) for each in body.operations]


def _one_of_batch(body: Any) -> edge.UpdateOperation:
    match body:
        case models.UpsertOperation():
            return upsert(body.upsert)
        case models.DeleteOperation():
            return delete(body.delete)
        case models.SetPayloadOperation():
            return set_payload(body.set_payload)
        case models.OverwritePayloadOperation():
            return overwrite_payload(body.overwrite_payload)
        case models.DeletePayloadOperation():
            return delete_payload(body.delete_payload)
        case models.ClearPayloadOperation():
            return clear_payload(body.clear_payload)
        case _:
            raise Unsupported(f"{type(body).__name__} is not supported by the embedded engine")


_READERS: Final[Mapping[str, tuple[Any, Callable[[Any], Any]]]] = {
    "upsert": (TypeAdapter(models.PointInsertOperations), upsert),
    "delete": (TypeAdapter(models.PointsSelector), delete),
    "set_payload": (models.SetPayload, set_payload),
    "overwrite_payload": (models.SetPayload, overwrite_payload),
    "delete_payload": (models.DeletePayload, delete_payload),
    "clear_payload": (TypeAdapter(models.PointsSelector), clear_payload),
    "batch": (models.UpdateOperations, batch),
    "create_index": (models.CreateFieldIndex, create_index),
    "delete_index": (TypeAdapter(str), edge.UpdateOperation.delete_field_index),
}
KINDS: Final = tuple(_READERS)
