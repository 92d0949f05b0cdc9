"""What the outside is shown: one shape for HTTP, the event stream, the command line and other hosts.

The events of a stream are stored as they are sent, so that any process repeats them to the letter; their shape is
therefore decided here and not at an edge. Plain JSON values only; times are RFC 3339 in UTC.
"""

from datetime import datetime
from typing import Any

from domain.answers import Citation, Source
from domain.conversations import AnswerError, Conversation, Message
from domain.passages import PageBoxes


def time_view(moment: datetime | None) -> str | None:
    """`2026-11-23T01:18:35.123456Z`."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def boxes_view(boxes: tuple[PageBoxes, ...]) -> list[dict[str, Any]]:
    """`[{page, rects: [[left, top, right, bottom]]}]`."""
    return [{"page": box.page, "rects": [list(rect) for rect in box.rects]} for box in boxes]


def citation_view(citation: Citation) -> dict[str, Any]:
    """One citation; `from` and `to` are code points into the answer's content."""
    return {
        "index": citation.index,
        "from": citation.claim_from,
        "to": citation.claim_to,
        "chunk_id": str(citation.chunk_id),
        "document_id": str(citation.document_id),
        "document_title": citation.document_title,
        "page_from": citation.page_from,
        "page_to": citation.page_to,
        "quote": citation.quote,
        "bboxes": boxes_view(citation.boxes),
    }


def source_view(source: Source) -> dict[str, Any]:
    """One passage that was put before the model."""
    return {
        "chunk_id": str(source.passage.chunk.id),
        "document_id": str(source.passage.document.id),
        "title": source.passage.document.title,
        "page_from": source.passage.chunk.page_from,
        "score": source.passage.score,
    }


def conversation_view(conversation: Conversation) -> dict[str, Any]:
    """A conversation."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "collection_ids": [str(key) for key in conversation.collection_ids],
        "instructions": conversation.instructions,
        "model": conversation.model,
        "version": conversation.version,
        "created_at": time_view(conversation.created_at),
        "updated_at": time_view(conversation.updated_at),
    }


def error_view(error: AnswerError) -> dict[str, Any]:
    """Why an answer failed; `retry_after` only where it is known."""
    view = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return view if error.retry_after is None else {**view, "retry_after": error.retry_after}


def message_view(message: Message) -> dict[str, Any]:
    """A question or an answer."""
    return {
        "id": str(message.id),
        "conversation_id": str(message.conversation_id),
        "parent_id": None if message.parent_id is None else str(message.parent_id),
        "role": message.role.value,
        "status": message.status.value,
        "content": message.content,
        "citations": [citation_view(citation) for citation in message.citations],
        "stop_reason": message.stop_reason,
        "model": message.model,
        "usage": {
            "input_tokens": message.usage.input_tokens,
            "output_tokens": message.usage.output_tokens,
            "cache_read_input_tokens": message.usage.cache_read_input_tokens,
            "cache_creation_input_tokens": message.usage.cache_creation_input_tokens,
        },
        "error": None if message.error is None else error_view(message.error),
        "created_at": time_view(message.created_at),
        "completed_at": time_view(message.completed_at),
    }
