"""A second, slower look at what a search found."""

from collections.abc import Sequence
from typing import Protocol


class Reranker(Protocol):
    """Reads a question together with each passage, which tells more than comparing their vectors.

    Raises `application.errors.RerankerUnavailable` when it cannot be reached, is still being loaded, or takes longer
    than the adapter's time limit: a search waits for it, and goes on without it.
    """

    async def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers, in order, higher is better; an empty list for none.

        Comparable within one answer only. What is too long for the model is read from its beginning.
        """
        ...
