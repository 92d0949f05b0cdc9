"""The model inside this process, for hosts that want no server beside them."""

import asyncio
from collections.abc import Sequence

from adapters.embedding.folder import DEFAULT_MODEL, find_model
from adapters.embedding.model import Dtype, Kind, SentenceTransformerModel, Vectors
from adapters.embedding.queue import ModelQueue
from application.errors import EmbedderUnavailable
from application.ports.embedding import Embedder, Vector


class LocalEmbedder(Embedder):
    """Loads at the first use, and embeds in threads of its own: `workers`, or one a core. `close()` ends them.

    Raises `EmbedderUnavailable` at once when there is no such model on this disk. `load_timeout` is in seconds.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        dtype: Dtype = "auto",
        workers: int | None = None,
        load_timeout: float = 120.0,
    ) -> None:
        folder = find_model(model)
        self._name, self._dimensions = folder.name, folder.dimensions
        self._queue = ModelQueue(lambda: SentenceTransformerModel(model, dtype=dtype), workers=workers)
        self._load_timeout = load_timeout
        self._is_started = False

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return self._dimensions

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text."""
        return list((await self._embed(texts, "passage")).tolist()) if texts else []

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question."""
        vector: list[float] = (await self._embed([text], "query"))[0].tolist()
        return vector

    async def ping(self) -> None:
        """Raise `EmbedderUnavailable` until the model is loaded; begins to load it."""
        self._start()
        if self._queue.model is None:
            raise self._queue.failure or EmbedderUnavailable("The embedding model is being loaded.", retry_after=1.0)

    def close(self) -> None:
        """End the threads after their present batches."""
        self._queue.stop()

    async def _embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        self._start()
        try:
            await asyncio.wait_for(self._queue.loaded(), self._load_timeout)
        except TimeoutError as error:
            raise EmbedderUnavailable("The embedding model takes too long to load.") from error
        vectors, _ = await self._queue.embed(texts, kind)
        return vectors

    def _start(self) -> None:
        if not self._is_started:
            self._is_started = True
            self._queue.start()
