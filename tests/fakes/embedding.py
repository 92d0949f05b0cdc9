"""An embedder that needs no model: texts that share words are near."""

import hashlib
import math
import re
from collections.abc import Sequence

from application.errors import EmbedderUnavailable
from application.ports.embedding import Embedder, Vector

_WORD = re.compile(r"\w+")


class FakeEmbedder(Embedder):
    """A bag of hashed words, signed and of unit length; deterministic. `is_down` makes every call fail."""

    def __init__(self, *, dimensions: int = 64, name: str = "fake-bag-of-words") -> None:
        self._dimensions = dimensions
        self._name = name
        self.is_down = False
        self.embedded: list[str] = []  # every text that cost work, in order

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        await self.ping()
        self.embedded.extend(texts)
        return [self._vector(text) for text in texts]

    async def embed_query(self, text: str) -> Vector:
        return (await self.embed_passages([text]))[0]

    async def ping(self) -> None:
        if self.is_down:
            raise EmbedderUnavailable("The embedder is down.")

    def _vector(self, text: str) -> Vector:
        vector = [0.0] * self._dimensions
        for word in _WORD.findall(text.lower()) or [""]:
            digest = hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=5).digest()
            vector[int.from_bytes(digest[:4]) % self._dimensions] += 1.0 if digest[4] % 2 else -1.0
        norm = math.sqrt(sum(value * value for value in vector))
        if not norm:  # words that cancel each other out
            return [1.0, *[0.0] * (self._dimensions - 1)]
        return [value / norm for value in vector]
