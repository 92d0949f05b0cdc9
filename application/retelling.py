"""A stream told again, to the letter, from the message and an outline of its events.

The log of a run lives in an engine that may lose it. What a stream was made of is therefore noted with every
checkpoint, in a few bytes an event: a piece of text is its length in code points, a citation is the next one of the
message, everything else stands there itself.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from attrs import evolve

from application.ports.runs import Draft, Outline, RunEvent
from application.views import citation_view, message_view
from domain.answers import Citation
from domain.conversations import Message, MessageStatus, Usage
from domain.ids import ChunkId, DocumentId, MessageId
from domain.passages import PageBoxes

_CITATION: Final = "c"


def outline_of(events: Sequence[RunEvent]) -> list[Any]:
    """What is needed to tell these events again, beside the message; its end is not noted, the message knows it."""
    noted: list[Any] = []
    for event in events:
        match event.name:
            case "message.created":
                noted.append({"model": event.data["message"]["model"]})
            case "content.delta":
                noted.append(len(event.data["text"]))
            case "citation":
                noted.append(_CITATION)
            case "message.completed" | "message.failed":
                break
            case _:
                noted.append({"name": event.name, "data": event.data})
    return noted


def draft_of(message_id: MessageId, events: Sequence[RunEvent]) -> Draft:
    """What readers were told of an answer so far."""
    return Draft(
        message_id=message_id,
        content="".join(event.data["text"] for event in events if event.name == "content.delta"),
        citations=tuple(_citation(event) for event in events if event.name == "citation"),
        outline=outline_of(events),
    )


def created(answer: Message, question: Message | None) -> dict[str, Any]:
    """The data of `message.created`."""
    return {"message": message_view(answer), "user_message": None if question is None else message_view(question)}


def last_event(message: Message) -> tuple[str, dict[str, Any]]:
    """Name and data of the event that ends the stream of an answer that is over."""
    view = message_view(message)
    if message.status in {MessageStatus.COMPLETE, MessageStatus.CANCELLED}:
        return "message.completed", {"message": view}
    return "message.failed", {"error": view["error"], "message": view}


def retold(message: Message, question: Message | None, outline: Outline | None) -> list[RunEvent]:
    """The events that the outline covers and, when the answer is over, the rest of it and its end."""
    told: list[tuple[str, Any]] = []
    position, citations = 0, iter(message.citations)
    for entry in outline or [{"model": message.model}]:
        if isinstance(entry, int):
            told.append(("content.delta", {"text": message.content[position : position + entry]}))
            position += entry
        elif entry == _CITATION:
            told.append(("citation", citation_view(next(citations))))
        elif "name" in entry:
            told.append((entry["name"], entry["data"]))
        else:
            told.append(("message.created", created(_as_begun(message, entry["model"]), question)))
    if message.is_over:
        if position < len(message.content):
            told.append(("content.delta", {"text": message.content[position:]}))
        told.extend(("citation", citation_view(citation)) for citation in citations)
        told.append(last_event(message))
    return [RunEvent(offset=offset, name=name, data=data) for offset, (name, data) in enumerate(told, start=1)]


def _as_begun(message: Message, model: str | None) -> Message:
    return evolve(
        message,
        status=MessageStatus.STREAMING,
        content="",
        citations=(),
        stop_reason=None,
        model=model,
        usage=Usage(),
        error=None,
        completed_at=None,
    )


def _citation(event: RunEvent) -> Citation:
    """A citation from its event."""
    data = event.data
    return Citation(
        index=data["index"],
        claim_from=data["from"],
        claim_to=data["to"],
        chunk_id=ChunkId(UUID(data["chunk_id"])),
        document_id=DocumentId(UUID(data["document_id"])),
        document_title=data["document_title"],
        page_from=data["page_from"],
        page_to=data["page_to"],
        quote=data["quote"],
        boxes=tuple(
            PageBoxes(page=box["page"], rects=tuple((r[0], r[1], r[2], r[3]) for r in box["rects"]))
            for box in data["bboxes"]
        ),
    )
