"""From text to vectors."""

from collections.abc import Sequence
from typing import Protocol

Vector = Sequence[float]  # unit length, float32 precision


class Embedder(Protocol):
    """Dense embeddings.

    Raises `application.errors.EmbedderUnavailable` when the model cannot be reached; while it is still
    being loaded calls wait for it, within the adapter's time limit.
    """

    @property
    def name(self) -> str:
        """Identifies the model: vectors of different names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text, in order; an empty list for none. May wait behind queries."""
        ...

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question, ahead of all passages that wait."""
        ...

    async def ping(self) -> None:
        """Raise `EmbedderUnavailable` unless a query would be answered now."""
        ...


class EmbeddingCache(Protocol):
    """Vectors that were kept so as not to be made again."""

    async def forget(self, texts: Sequence[str]) -> None:
        """Forget the vectors of these passages; unknown ones are no error. A cache that is down loses them itself."""
        ...
