"""What an answer may read, kept with its run, so that another answer to the same question reads no more."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from attrs import asdict, field, frozen

from application.knowledge import SearchFilters
from domain.ids import CollectionId, DocumentId

T = TypeVar("T")


@frozen(kw_only=True)
class AnswerScope:
    """Whether documents are searched, and which."""

    use_knowledge: bool = True
    filters: SearchFilters = field(factory=SearchFilters)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; conditions that ask nothing are left out."""
        filters = {name: _plain(value) for name, value in asdict(self.filters, recurse=False).items()}
        asked = {name: value for name, value in filters.items() if value is not None}
        return {"use_knowledge": self.use_knowledge, "filters": asked}

    @classmethod
    def of_json(cls, value: Mapping[str, Any] | None) -> "AnswerScope":
        """As it was; everything, for a run that was written before scopes were kept."""
        if value is None:
            return cls()
        asked = value["filters"]
        return cls(
            use_knowledge=value["use_knowledge"],
            filters=SearchFilters(
                collection_ids=_set(asked, "collection_ids", lambda key: CollectionId(UUID(key))),
                document_ids=_set(asked, "document_ids", lambda key: DocumentId(UUID(key))),
                tags=_set(asked, "tags", str),
                media_types=_set(asked, "media_types", str),
                created_from=_moment(asked, "created_from"),
                created_to=_moment(asked, "created_to"),
                metadata=asked.get("metadata"),
            ),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, datetime):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else value


def _set(asked: Mapping[str, Any], name: str, made: Callable[[str], T]) -> frozenset[T] | None:
    return frozenset(map(made, asked[name])) if name in asked else None


def _moment(asked: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(asked[name]) if name in asked else None
