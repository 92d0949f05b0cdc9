"""Small stand-ins for ports whose real adapters need engines or time."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, field

from application.errors import EmbedderUnavailable
from application.ports.embedding import Vector

DIMENSIONS = 64


def _vector(text: str) -> Vector:
    """Words thrown into buckets: texts that share words are near."""
    sums = np.zeros(DIMENSIONS, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()):
        sums[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % DIMENSIONS] += 1
    length = float(np.linalg.norm(sums)) or 1.0
    return [float(x) for x in sums / length]


@define
class BucketEmbedder:
    """An Embedder of no meaning; `down` makes it refuse."""

    down: bool = False
    name: str = "buckets"
    dimensions: int = DIMENSIONS
    forgotten: list[str] = field(factory=list)

    async def forget(self, texts: Sequence[str]) -> None:
        self.forgotten.extend(texts)

    async def embed_query(self, text: str) -> Vector:
        self._check()
        return _vector(text)

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        self._check()
        return [_vector(text) for text in texts]

    async def ping(self) -> None:
        self._check()

    def _check(self) -> None:
        if self.down:
            raise EmbedderUnavailable("bucket at 10.0.0.7 does not answer")


class QuickPasswords:
    """A PasswordHasher that takes no time."""

    async def hash(self, password: str) -> str:
        return "quick:" + hashlib.sha256(password.encode()).hexdigest()

    async def verify(self, password: str, password_hash: str | None) -> bool:
        return password_hash == await self.hash(password)

    def needs_rehash(self, password_hash: str) -> bool:
        return False

    def is_common(self, password: str) -> bool:
        return password.startswith("password")


@define
class RecordedLog:
    """A Log that remembers."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(factory=list)

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append(("info", event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append(("warning", event, facts))

    def error(self, event: str, **facts: Any) -> None:
        self.lines.append(("error", event, facts))
