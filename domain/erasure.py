"""The receipt of an erasure: what of a deleted document was gone when."""

from datetime import datetime

from attrs import field, frozen

from domain.ids import DocumentId, WorkspaceId
from domain.times import aware


@frozen(kw_only=True)
class Erasure:
    """All that is left of a deleted document: no name, no text, only moments."""

    document_id: DocumentId
    workspace_id: WorkspaceId
    deleted_at: datetime = field(validator=aware)  # gone for every reader
    vectors_at: datetime = field(validator=aware)  # gone from the index
    files_at: datetime = field(validator=aware)  # the original of every revision
    caches_at: datetime = field(validator=aware)  # embeddings of its passages
    chunks_at: datetime = field(validator=aware)  # passages, pages and the document's row
