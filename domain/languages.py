"""What a set of documents tells about the language of a question that does not tell its own."""

from collections.abc import Mapping
from typing import Final

_MOST: Final = 0.9  # of the documents whose language is known


def usual_language(documents: Mapping[str | None, int]) -> str | None:
    """The language that nine tenths are in, of those whose language is known; None where there is none.

    `documents`: how many there are by ISO 639-1, None for those in no language that is known.
    """
    known = {language: count for language, count in documents.items() if language is not None}
    usual = max(known, key=lambda language: known[language], default=None)
    return usual if usual is not None and known[usual] >= _MOST * sum(known.values()) else None
