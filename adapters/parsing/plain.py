"""Plain text in any encoding: paragraphs are what empty lines divide."""

import re
from typing import Final

from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_EMPTY_LINES: Final = re.compile(r"(?:\r\n|\n|\r|\f)[^\S\r\n\f]*(?:(?:\r\n|\n|\r|\f)[^\S\r\n\f]*)+")


def read(source: Source, limits: Limits) -> ParsedDocument:
    """The text itself, its paragraphs one empty line apart."""
    builder = DocumentBuilder(limits)
    for paragraph in paragraphs(decode(source.read())):
        builder.add(BlockKind.PARAGRAPH, paragraph)
    return builder.finish()


def paragraphs(text: str) -> list[str]:
    """What empty lines divide."""
    return _EMPTY_LINES.split(text)
