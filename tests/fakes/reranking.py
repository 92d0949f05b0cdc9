"""A reranker that counts the question's words."""

import re
from collections.abc import Sequence

from application.errors import RerankerUnavailable
from application.ports.reranking import Reranker


class FakeReranker(Reranker):
    """The share of a passage's words that the question has. `is_down` makes every call fail."""

    def __init__(self) -> None:
        self.is_down = False
        self.read: list[str] = []  # every passage, in order

    async def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if self.is_down:
            raise RerankerUnavailable("The reranker is down.")
        self.read.extend(passages)
        wanted = set(re.findall(r"\w+", question.lower()))
        found = [re.findall(r"\w+", passage.lower()) for passage in passages]
        return [sum(word in wanted for word in words) / max(len(words), 1) for words in found]
