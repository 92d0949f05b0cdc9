"""Identifiers.

Entities carry UUIDv7 (made by the `Ids` port, so that the domain asks no clock and no random source);
chunks carry UUIDv5 of their place, so that writing the same chunk twice is harmless.
"""

from typing import NewType
from uuid import UUID, uuid5

UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
InvitationId = NewType("InvitationId", UUID)
WorkspaceId = NewType("WorkspaceId", UUID)
CollectionId = NewType("CollectionId", UUID)
DocumentId = NewType("DocumentId", UUID)
ChunkId = NewType("ChunkId", UUID)
ConversationId = NewType("ConversationId", UUID)
MessageId = NewType("MessageId", UUID)
RoomId = NewType("RoomId", UUID)


def chunk_id(document_id: DocumentId, revision: int, ordinal: int, generation: int = 1) -> ChunkId:
    """The same (document, revision, ordinal, generation of the index) always gives the same id."""
    place = f"{revision}/{ordinal}" if generation == 1 else f"{revision}/{ordinal}/{generation}"
    return ChunkId(uuid5(document_id, place))
