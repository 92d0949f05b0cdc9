"""The shapes of conversations, questions and answers."""

from typing import Literal

from pydantic import Field

from entrypoints.http.document_resources import BoxesOut
from entrypoints.http.resources import Resource


class ConversationOut(Resource):
    """A person's talk with the model."""

    id: str
    title: str | None
    collection_ids: list[str]
    instructions: str | None
    model: str | None
    version: int
    created_at: str
    updated_at: str


class CitationOut(Resource):
    """A claim and the words that back it: `content[from:to]` in code points, `quote` verbatim from the chunk."""

    index: int
    from_: int = Field(alias="from")
    to: int
    chunk_id: str
    document_id: str
    document_title: str
    page_from: int | None
    page_to: int | None
    quote: str
    bboxes: list[BoxesOut]


class UsageOut(Resource):
    """Tokens as the model's provider counted them."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int


class AnswerErrorOut(Resource):
    """Why an answer failed."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None = Field(default=None, description="Seconds, where known.")


class MessageOut(Resource):
    """A question or an answer; built by `application.views.message_view`."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    status: Literal["streaming", "complete", "cancelled", "interrupted", "failed"]
    content: str
    citations: list[CitationOut]
    stop_reason: str | None
    model: str | None
    usage: UsageOut
    error: AnswerErrorOut | None
    created_at: str
    completed_at: str | None


class ExportOut(Resource):
    """A conversation with all its messages, oldest first."""

    conversation: ConversationOut
    messages: list[MessageOut]


class ConversationsOut(Resource):
    """A page of conversations."""

    items: list[ConversationOut]
    next_cursor: str | None


class MessagesOut(Resource):
    """A page of messages."""

    items: list[MessageOut]
    next_cursor: str | None
