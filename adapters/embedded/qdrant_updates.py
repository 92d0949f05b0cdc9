"""Changes of points and payloads in the classes of Qdrant Edge."""

from typing import Any

import qdrant_edge as edge
from qdrant_client.http import models

from adapters.embedded.qdrant_queries import filter_
from adapters.embedded.qdrant_translate import Unsupported, only, point_id, points


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


def operation(body: Any) -> edge.UpdateOperation:
    """One change of a batch."""
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
