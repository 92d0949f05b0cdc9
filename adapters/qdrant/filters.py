"""Conditions of a search in Qdrant's terms. Every filter begins with the workspace or with scopes inside it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid5

from qdrant_client import models

from application.ports.vectors import PassageFilter
from domain.documents import MetadataValue
from domain.ids import CollectionId, DocumentId, WorkspaceId

WORKSPACE = "workspace"
SCOPE = "scope"  # workspace and collection in one
DOCUMENT = "document"
REVISION = "revision"
EDITION = "edition"  # "document/revision": counted by the reconciler in one request
TAGS = "tags"
MEDIA_TYPE = "media_type"
CREATED_AT = "created_at"
METADATA = "metadata"

_FEW_SCOPES = 20

# Payload field → its index; a filter on a field without one would read every point. A search asks for scopes alone:
# each further condition on all points takes as long as comparing their vectors. Ids are indexed as UUIDs, which takes
# half as long as keywords.
INDEXES: Mapping[str, Any] = {
    SCOPE: models.UuidIndexParams(type=models.UuidIndexType.UUID, is_tenant=True),
    WORKSPACE: models.PayloadSchemaType.UUID,
    DOCUMENT: models.PayloadSchemaType.UUID,
    REVISION: models.PayloadSchemaType.INTEGER,
    EDITION: models.PayloadSchemaType.KEYWORD,
    TAGS: models.PayloadSchemaType.KEYWORD,
    MEDIA_TYPE: models.PayloadSchemaType.KEYWORD,
    CREATED_AT: models.PayloadSchemaType.DATETIME,
    METADATA: models.PayloadSchemaType.KEYWORD,
}


def scope(workspace_id: WorkspaceId, collection_id: CollectionId) -> str:
    """A UUID that only this collection in this workspace has: it cannot match in another workspace."""
    return str(uuid5(workspace_id, str(collection_id)))


def fact(key: str, value: MetadataValue) -> str:
    """A pair of metadata as one keyword, so that any key and kind of value is matched by one index.

    1 and 1.0 are equal; 1, "1" and true are not.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps([key, value], ensure_ascii=False)


def facts(metadata: Mapping[str, MetadataValue]) -> list[str]:
    """All pairs of a document's metadata."""
    return [fact(key, value) for key, value in metadata.items()]


def any_of(field: str, values: Iterable[object]) -> models.FieldCondition:
    """The field is one of these, or holds one of them."""
    return models.FieldCondition(key=field, match=models.MatchAny(any=sorted(str(value) for value in values)))


def equals(field: str, value: str | int) -> models.FieldCondition:
    """The field is this, or holds it."""
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def of_workspace(workspace_id: WorkspaceId, *conditions: models.Condition) -> models.Filter:
    """What belongs to the workspace and meets every condition."""
    return models.Filter(must=[equals(WORKSPACE, str(workspace_id)), *conditions])


def of_documents(workspace_id: WorkspaceId, ids: Iterable[DocumentId], *more: models.Condition) -> models.Filter:
    """The chunks of these documents."""
    return of_workspace(workspace_id, any_of(DOCUMENT, ids), *more)


def of_search(workspace_id: WorkspaceId, asked: PassageFilter) -> models.Filter | None:
    """What the asker may read and asks for; None when nothing can match."""
    collections = asked.readable if asked.collection_ids is None else asked.readable & asked.collection_ids
    sets = (collections, asked.document_ids, asked.tags, asked.media_types)
    if any(each is not None and not each for each in sets):
        return None
    must: list[models.Condition] = []
    if asked.document_ids is not None:
        must.append(any_of(DOCUMENT, asked.document_ids))
    if asked.tags is not None:
        must.append(any_of(TAGS, asked.tags))
    if asked.media_types is not None:
        must.append(any_of(MEDIA_TYPE, asked.media_types))
    if asked.created_from is not None or asked.created_to is not None:
        created = models.DatetimeRange(gte=asked.created_from, lt=asked.created_to)
        must.append(models.FieldCondition(key=CREATED_AT, range=created))
    must.extend(equals(METADATA, each) for each in facts(asked.metadata or {}))
    return _in_one_of(sorted(scope(workspace_id, each) for each in collections), must)


def _in_one_of(scopes: Sequence[str], must: list[models.Condition]) -> models.Filter:
    """What is in one of the scopes and meets every condition.

    Told one by one, the engine walks the lists of a few scopes four times as fast as told by a set of them; of many,
    each point that is looked at would be compared with each scope.
    """
    if len(scopes) <= _FEW_SCOPES:
        return models.Filter(should=[equals(SCOPE, each) for each in scopes], must=must or None)
    return models.Filter(must=[any_of(SCOPE, scopes), *must])
