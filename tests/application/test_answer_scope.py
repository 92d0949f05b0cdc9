"""What an answer may read comes back from JSON as it was."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from application.answer_scope import AnswerScope
from application.knowledge import SearchFilters
from domain.ids import CollectionId, DocumentId

MOMENT = datetime(2026, 11, 29, 1, 2, 3, 456, tzinfo=UTC)


@pytest.mark.parametrize(
    "scope",
    [
        AnswerScope(),
        AnswerScope(use_knowledge=False),
        AnswerScope(filters=SearchFilters(tags=frozenset(), metadata={})),
        AnswerScope(
            filters=SearchFilters(
                collection_ids=frozenset({CollectionId(uuid4()), CollectionId(uuid4())}),
                document_ids=frozenset({DocumentId(uuid4())}),
                tags=frozenset({"a", "b"}),
                media_types=frozenset({"text/plain"}),
                created_from=MOMENT,
                created_to=MOMENT,
                metadata={"year": 2026, "final": True, "share": 0.5, "by": "Ada"},
            )
        ),
    ],
)
def test_a_scope_comes_back_as_it_was(scope: AnswerScope) -> None:
    """Conditions that match nothing stay apart from those that ask nothing."""
    assert AnswerScope.of_json(json.loads(json.dumps(scope.as_json()))) == scope


def test_a_run_from_before_scopes_were_kept_read_everything() -> None:
    """As far as anybody knows."""
    assert AnswerScope.of_json(None) == AnswerScope()
