"""Which language a text is in."""

from typing import Protocol


class LanguageDetector(Protocol):
    """Tells languages apart by a text alone; never raises."""

    def detect(self, text: str) -> str | None:
        """ISO 639-1 of the language that most of the text is in; None where nothing decides."""
        ...

    def may_be(self, text: str, language: str) -> bool:
        """Whether it has words, and all are in letters that this language is written in."""
        ...
