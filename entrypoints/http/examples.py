"""Examples of answers in the published description: one coherent story, told field by field.

Shapes are written down once, as models; an example is put together from the shape and the words that belong to each
field's name, so that a new field is in the example as soon as it is in the model.
"""

from collections.abc import Mapping
from typing import Any, Final

_USER: Final = "01936a3c-5c1e-7f7c-9d0b-8a4c1d2e3f40"
_WORKSPACE: Final = "01936a3c-5c1e-7f7c-9d0b-8a4c1d2e3f41"
_COLLECTION: Final = "01936a3c-5c1e-7f7c-9d0b-8a4c1d2e3f42"
_DOCUMENT: Final = "01936a3d-0b7a-7c11-8f2e-6b5a4c3d2e1f"
_CHUNK: Final = "01936a3d-0b7a-7b3e-a1c4-5d6e7f8091a2"
_CONVERSATION: Final = "01936a3e-11c2-7d00-b3a4-c5d6e7f80912"
_QUESTION: Final = "01936a3e-11c2-7d00-b3a4-c5d6e7f80913"
_ANSWER: Final = "01936a3e-11c2-7d00-b3a4-c5d6e7f80914"
_ROOM: Final = "01936a40-2f3b-7a55-9c8d-7e6f5a4b3c2d"
_OTHER: Final = "01936a41-77d0-7e21-8b9a-0c1d2e3f4a5b"
_EARLIER: Final = "2026-11-23T09:30:00.000000Z"
_LATER: Final = "2026-11-23T09:30:04.250000Z"
_END: Final = "2026-12-23T09:30:00.000000Z"
_TEXT: Final = "The notice period is three months to the end of a quarter."
_RECTS: Final = [[72.0, 310.4, 471.2, 324.0]]

# By shape and field where the name alone does not tell, else by field.
_VALUES: Final[Mapping[str, Any]] = {
    "UserOut.id": _USER,
    "ProfileOut.id": _USER,
    "MemberUserOut.id": _USER,
    "SenderOut.id": _USER,
    "UserOut.name": "Ada",
    "ProfileOut.name": "Ada",
    "MemberUserOut.name": "Ada",
    "SenderOut.name": "Ada",
    "WorkspaceOut.id": _WORKSPACE,
    "PlaceOut.id": _WORKSPACE,
    "WorkspaceOut.name": "Research",
    "PlaceOut.name": "Research",
    "CollectionOut.id": _COLLECTION,
    "CollectionOut.name": "Contracts",
    "DocumentOut.id": _DOCUMENT,
    "DocumentOut.status": "ready",
    "DocumentOut.stage": None,
    "DocumentOut.error": None,
    "FoundDocumentOut.id": _DOCUMENT,
    "ResourceOut.id": _DOCUMENT,
    "ResourceOut.kind": "document",
    "ChunkOut.id": _CHUNK,
    "ConversationOut.id": _CONVERSATION,
    "ConversationOut.title": "Notice periods",
    "ConversationOut.instructions": None,
    "ConversationOut.model": None,
    "MessageOut.id": _ANSWER,
    "MessageOut.role": "assistant",
    "MessageOut.status": "complete",
    "MessageOut.content": _TEXT,
    "MessageOut.error": None,
    "ReadyOut.index": {"generation": 1, "model": "all-MiniLM-L6-v2", "change": None},
    "RoomOut.id": _ROOM,
    "RoomOut.name": "Contract talks",
    "RoomDetailOut.id": _ROOM,
    "RoomDetailOut.name": "Contract talks",
    "EventOut.kind": "message",
    "MadeInvitationOut.token": "rri_l0ngAndRand0m",
    "InvitationOut.role": "editor",
    "MadeInvitationOut.role": "editor",
    "AuditEntryOut.api_key_id": None,
    "ApiKeyOut.collection_ids": None,
    "MadeKeyOut.collection_ids": None,
    "EngineOut.answers": "extractive (no ANTHROPIC_API_KEY is set)",
    "QueuedOut.status": "queued",
    "PageOut.text": _TEXT,
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.payload.signature",
    "action": "document.uploaded",
    "address": "192.0.2.17",
    "answers": 12,
    "at": _EARLIER,
    "bbox": _RECTS[0],
    "bytes": 48_211_305,
    "chars": len(_TEXT),
    "char_from": 0,
    "char_to": len(_TEXT),
    "chunk_count": 41,
    "chunk_id": _CHUNK,
    "chunks": 1_204,
    "client_msg_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "code": "corrupt_file",
    "collection_id": _COLLECTION,
    "collection_ids": [_COLLECTION],
    "conversation_id": _CONVERSATION,
    "cost_usd": 0.42,
    "created_by": _USER,
    "data": {"content": "Shall we ask for six months?"},
    "description": "Signed ones only",
    "device": "Firefox on Linux",
    "document_count": 17,
    "document_id": _DOCUMENT,
    "document_title": "Framework contract 2026",
    "documents": 17,
    "email": "ada@example.org",
    "engines": {"postgres": {"state": "up", "needed": True}},
    "epoch": "1a2b3c",
    "expires_at": _END,
    "expires_in": 900,
    "filename": "framework-contract.pdf",
    "first": "2026-11-01",
    "from": 0,
    "head_seq": 42,
    "heading_path": ["Term and termination"],
    "height": 842.0,
    "highlights": [[4, 17]],
    "index": 0,
    "input_tokens": 2_310,
    "output_tokens": 64,
    "cache_read_input_tokens": 1_800,
    "cache_creation_input_tokens": 0,
    "invited_by": _USER,
    "key": "rrk_l0ngAndRand0m",
    "language": "en",
    "last": "2026-11-23",
    "last_seq": 42,
    "media_type": "application/pdf",
    "members": [_USER],
    "message": "The file is damaged: it cannot be read as PDF.",
    "metadata": {"year": 2026, "signed": True},
    "model": "claude-sonnet-5-5",
    "name": "Nightly import",
    "next_cursor": None,
    "ordinal": 0,
    "page": 3,
    "page_count": 12,
    "page_from": 3,
    "page_to": 3,
    "parent_id": _QUESTION,
    "prefix": "rrk_l0ngAndR",
    "progress": 1.0,
    "quote": _TEXT,
    "rects": _RECTS,
    "refresh_token": "rrr_l0ngAndRand0m",
    "request_id": "01936a3c5c1e7f7c9d0b",
    "revision": 1,
    "role": "owner",
    "room_id": _ROOM,
    "score": 0.83,
    "seq": 42,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size": 482_113,
    "stop_reason": "end_turn",
    "tags": ["finance"],
    "text": _TEXT,
    "ticket": "rrt_l0ngAndRand0m",
    "title": "Framework contract 2026",
    "to": len(_TEXT),
    "token_count": 14,
    "took_ms": 18.4,
    "updated_at": _LATER,
    "completed_at": _LATER,
    "user_id": _USER,
    "version": 2,
    "visibility": "workspace",
    "width": 595.0,
    "workspace_id": _WORKSPACE,
}
_PLAIN: Final[Mapping[str, Any]] = {"string": "…", "integer": 1, "number": 1.0, "boolean": True}


def add_examples(responses: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    """Give every JSON answer that is not an error the example of its shape."""
    for status, response in responses.items():
        media = response.get("content", {}).get("application/json")
        if media is not None and int(status) < 300:  # noqa: PLR2004
            media["example"] = example_of(media["schema"], schemas)


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], shape: str = "", name: str = "") -> Any:
    """A value of this schema; `shape` and `name` are the model and the field that it stands in."""
    known = next((key for key in (f"{shape}.{name}", name) if key in _VALUES), None)
    if known is not None:
        return _VALUES[known]
    if "$ref" in schema:
        inner = schema["$ref"].rpartition("/")[2]
        return example_of(schemas[inner], schemas, inner)
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas, shape, name)
    if "properties" in schema:
        return {field: example_of(of, schemas, shape, field) for field, of in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas, shape)]
    return _plain(schema, name)


def _plain(schema: Mapping[str, Any], name: str) -> Any:
    if name.endswith("_at"):
        return _EARLIER
    if name == "id":
        return _OTHER
    choices = schema.get("enum") or [schema.get("const", _PLAIN.get(schema.get("type", "")))]
    return choices[0]
