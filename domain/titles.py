"""What a document is called, as context for the vectors of its passages."""

import re
from typing import Final

_EXTENSION: Final = re.compile(r"\.\w{1,5}$")
_JOINTS: Final = re.compile(r"[_\-]+")
_WORD: Final = re.compile(r"\w+")
_NAME: Final = re.compile(r"[^\W\d_]{2}")


def spoken_title(title: str, filename: str) -> str:
    """A title as it would be said: a file's name without its ending and underscores. Empty where it holds no word."""
    said = " ".join(_JOINTS.sub(" ", _EXTENSION.sub("", title)).split()) if title == filename else title
    return said if _NAME.search(said) else ""


def below_title(title: str, text: str) -> str:
    """`text` below the title, a line each, unless that is empty or the text says it itself."""
    words = _words(title)
    return text if not title or words in _words(text) else f"{title}\n{text}"


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "
