"""Identifiers.

All are UUIDv7. Entities get theirs from the `Ids` port, so that the domain asks no clock and no random source. Those
of chunks follow from their place, so that writing the same chunk twice is harmless; those of rows that the database
numbers follow from the number.
"""

from datetime import datetime
from typing import Final, NewType
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


# The layout of a UUIDv7 (RFC 9562, section 5.7): milliseconds, version, variant; the rest is free.
_TIME: Final = ((1 << 48) - 1) << 80
_MARKS: Final = (7 << 76) | (2 << 62)
_FREE: Final = (((1 << 12) - 1) << 64) | ((1 << 62) - 1)


def chunk_id(document_id: DocumentId, revision: int, ordinal: int, generation: int = 1) -> ChunkId:
    """The same place (document, revision, ordinal, generation of the index) always gives the same id.

    It has the document's time, and a hash of the place.
    """
    place = uuid5(document_id, f"{revision}/{ordinal}/{generation}")
    return ChunkId(UUID(int=document_id.int & _TIME | _MARKS | place.int & _FREE))


def numbered_id(number: int, at: datetime) -> UUID:
    """The id of what was written at that time under that number (below 2^62)."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | _MARKS | number)
