"""Which language a text is in."""

from typing import Protocol


class LanguageDetector(Protocol):
    """Tells languages apart by a text alone; never raises."""

    def detect(self, text: str) -> str | None:
        """ISO 639-1 of the language that most of the text is in; None where nothing decides."""
        ...
