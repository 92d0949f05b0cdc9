"""The one table of formats: what is read, by which module, under which names it is known.

A further format is one module with a `read` function and one row here; telling it apart by content is
`detection`'s part. The functions import late, so that naming a format loads no library.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from adapters.parsing.limits import Limits
from domain.passages import ParsedDocument

Reader = Callable[[Path, Limits], ParsedDocument]
"""Reads one file within limits. Raises `ParsingFailed` for what it can name; other exceptions are reported for it."""

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"


@frozen
class Format:
    """A format that can be read. `load` imports its reader; only children call it."""

    media_type: str
    extensions: tuple[str, ...]
    load: Callable[[], Reader]


def _pdf() -> Reader:
    from adapters.parsing.pdf import read

    return read


def _docx() -> Reader:
    from adapters.parsing.docx import read

    return read


def _html() -> Reader:
    from adapters.parsing.html import read

    return read


def _markdown() -> Reader:
    from adapters.parsing.markdown import read

    return read


def _plain() -> Reader:
    from adapters.parsing.plain import read

    return read


FORMATS: Final[Mapping[str, Format]] = {
    row.media_type: row
    for row in (
        Format(PDF, ("pdf",), _pdf),
        Format(DOCX, ("docx", "docm", "dotx"), _docx),
        Format(HTML, ("html", "htm", "xhtml"), _html),
        Format(MARKDOWN, ("md", "markdown", "mdown", "mkd"), _markdown),
        Format(PLAIN, ("txt", "text", "log"), _plain),
    )
}
