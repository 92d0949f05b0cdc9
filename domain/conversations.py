"""Conversations: a tree of messages."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import evolve, field, frozen

from domain.answers import Citation
from domain.errors import InvalidInput
from domain.ids import CollectionId, ConversationId, MessageId, UserId, WorkspaceId
from domain.times import aware

MAX_CONTENT_LENGTH: Final = 100_000
MAX_INSTRUCTIONS_LENGTH: Final = 10_000
MAX_TITLE_LENGTH: Final = 200
MADE_UP_TITLE_LENGTH: Final = 80


class Speaker(StrEnum):
    """Who said it."""

    USER = "user"
    ASSISTANT = "assistant"


class MessageStatus(StrEnum):
    """A user's message is complete at once; an answer streams until exactly one of the others."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@frozen(kw_only=True)
class Usage:
    """Tokens as the model's provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_input_tokens=self.cache_read_input_tokens + other.cache_read_input_tokens,
            cache_creation_input_tokens=self.cache_creation_input_tokens + other.cache_creation_input_tokens,
        )


@frozen(kw_only=True)
class AnswerError:
    """Why an answer failed, for a person; `retryable` says whether asking again may help."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None = None  # seconds, where known


def check_content(content: str) -> str:
    """What a person may send: 1 to 100,000 characters that are not all white space, no NUL."""
    if not content.strip() or len(content) > MAX_CONTENT_LENGTH or "\0" in content:
        raise InvalidInput(
            f"A message needs 1 to {MAX_CONTENT_LENGTH} characters, none of them NUL.", pointer="/content"
        )
    return content


def check_title(title: str | None) -> str | None:
    """One line of at most 200 characters; nothing but white space is no title."""
    cleaned = " ".join((title or "").split())
    if len(cleaned) > MAX_TITLE_LENGTH:
        raise InvalidInput(f"A title has at most {MAX_TITLE_LENGTH} characters.", pointer="/title")
    return cleaned or None


def check_instructions(instructions: str | None) -> str | None:
    """At most 10,000 characters."""
    if instructions and len(instructions) > MAX_INSTRUCTIONS_LENGTH:
        raise InvalidInput(f"Instructions have at most {MAX_INSTRUCTIONS_LENGTH} characters.", pointer="/instructions")
    return instructions or None


@frozen(kw_only=True)
class Message:
    """One question or one answer."""

    id: MessageId
    workspace_id: WorkspaceId
    conversation_id: ConversationId
    parent_id: MessageId | None
    role: Speaker
    status: MessageStatus
    content: str = ""
    citations: tuple[Citation, ...] = ()
    stop_reason: str | None = None
    model: str | None = None
    usage: Usage = Usage()
    error: AnswerError | None = None
    created_by: UserId | None = None
    created_at: datetime = field(validator=aware)
    completed_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.status is not MessageStatus.STREAMING

    def grown(self, content: str, citations: tuple[Citation, ...]) -> "Message":
        """A checkpoint of an answer still being written."""
        return evolve(self, content=content, citations=citations)

    def ended(
        self,
        status: MessageStatus,
        *,
        now: datetime,
        stop_reason: str | None = None,
        usage: Usage | None = None,
        error: AnswerError | None = None,
    ) -> "Message":
        """Over. The first end stands: ending twice changes nothing."""
        if self.is_over:
            return self
        return evolve(
            self,
            status=status,
            stop_reason=stop_reason,
            usage=usage or self.usage,
            error=error,
            completed_at=now,
        )


@frozen(kw_only=True)
class Conversation:
    """A person's talk with the model over some collections (all readable ones when none are named)."""

    id: ConversationId
    workspace_id: WorkspaceId
    created_by: UserId
    title: str | None = None
    collection_ids: tuple[CollectionId, ...] = ()
    instructions: str | None = None
    model: str | None = None
    version: int = 1
    created_at: datetime = field(validator=aware)
    updated_at: datetime = field(validator=aware)

    def changed(
        self,
        now: datetime,
        *,
        title: str | None = None,
        collection_ids: tuple[CollectionId, ...] | None = None,
        instructions: str | None = None,
        model: str | None = None,
    ) -> "Conversation":
        """With what is not None in place of what was; empty text takes it away."""
        return evolve(
            self,
            title=self.title if title is None else check_title(title),
            collection_ids=self.collection_ids if collection_ids is None else tuple(dict.fromkeys(collection_ids)),
            instructions=self.instructions if instructions is None else check_instructions(instructions),
            model=self.model if model is None else model or None,
            version=self.version + 1,
            updated_at=now,
        )

    def titled_after(self, question: str, now: datetime) -> "Conversation":
        """A title made of the first question, where none was given."""
        if self.title:
            return self
        line = " ".join(question.split())
        title = line if len(line) <= MADE_UP_TITLE_LENGTH else line[: MADE_UP_TITLE_LENGTH - 1].rstrip() + "…"
        return evolve(self, title=title, version=self.version + 1, updated_at=now)
