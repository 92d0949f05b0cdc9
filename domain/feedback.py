"""What a reader thinks of an answer."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from domain.errors import InvalidInput
from domain.ids import MessageId, UserId, WorkspaceId
from domain.times import aware

MAX_COMMENT_LENGTH: Final = 2000


class Rating(StrEnum):
    """Of use, or not."""

    UP = "up"
    DOWN = "down"


def check_comment(comment: str | None) -> str | None:
    """At most 2,000 characters; nothing but white space is no comment."""
    cleaned = (comment or "").strip()
    if len(cleaned) > MAX_COMMENT_LENGTH or "\0" in cleaned:
        raise InvalidInput(f"A comment has at most {MAX_COMMENT_LENGTH} characters, none NUL.", pointer="/comment")
    return cleaned or None


@frozen(kw_only=True)
class Feedback:
    """One reader's rating of one answer; the newest counts."""

    message_id: MessageId
    workspace_id: WorkspaceId
    user_id: UserId
    rating: Rating
    comment: str | None = None
    given_at: datetime = field(validator=aware)
