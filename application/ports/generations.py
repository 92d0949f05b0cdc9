"""The generations of the index: their records, and what each is made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from application.ports.embedding import Embedder, EmbeddingCache
from application.ports.parsing import TokenCounter
from application.ports.vectors import VectorIndex
from domain.generations import Generation
from domain.ids import DocumentId, WorkspaceId


@frozen(kw_only=True)
class Index:
    """A generation, ready to be asked: the model of its vectors, and the vectors."""

    generation: Generation
    embedder: Embedder
    embeddings: EmbeddingCache
    vectors: VectorIndex
    tokens: TokenCounter


class Indexes(Protocol):
    """Opens generations."""

    def open(self, generation: Generation) -> Index:
        """Nothing is connected or loaded before it is used; the same record gives the same index."""
        ...

    async def drop(self, generation: Generation) -> None:
        """Remove its vectors, of all workspaces; those that are gone are no error. Raises `VectorsUnavailable`."""
        ...


@frozen(kw_only=True)
class Unbuilt:
    """A live document that a generation does not hold yet."""

    workspace_id: WorkspaceId
    document_id: DocumentId
    revision: int
    size: int


@frozen(kw_only=True)
class HeldPassages:
    """How many passages of a document's revision a generation has in the database."""

    document_id: DocumentId
    revision: int
    chunks: int


class GenerationRecords(Protocol):
    """What the database knows of generations. A document stands in one when its passages do."""

    async def all(self) -> list[Generation]:
        """All there ever were, by number."""
        ...

    async def add(self, generation: Generation) -> None:
        """A new one. `AlreadyExists` when the number is taken, or another is live or being built as well."""
        ...

    async def save(self, generation: Generation) -> None:
        """Its present state."""
        ...

    async def hold(self) -> None:
        """Until the transaction ends nobody changes which generation is live; waits for whoever is changing it."""
        ...

    async def hold_alone(self) -> None:
        """Until the transaction ends nobody else holds it in either way."""
        ...

    async def unbuilt(self, number: int, *, limit: int) -> Sequence[Unbuilt]:
        """Live documents, of all workspaces, whose live revision has no passages in that generation; oldest first."""
        ...

    async def progress(self, number: int) -> tuple[int, int]:
        """How many live documents stand in it, and how many there are."""
        ...

    async def held(self, workspace_id: WorkspaceId, number: int) -> list[HeldPassages]:
        """What a workspace's documents have in it."""
        ...

    async def adopt(self, number: int, now: datetime) -> None:
        """Documents tell the counts of that generation from now on."""
        ...

    async def forget(self, number: int, document_ids: Sequence[DocumentId]) -> None:
        """Remove the passages of these documents from it, so that they are built again."""
        ...

    async def remove_passages(self, number: int, *, limit: int) -> int:
        """Remove passages and pages of that generation, at most about `limit`; how many went."""
        ...
